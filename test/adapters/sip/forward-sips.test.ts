/** Who asked to be reached securely gets nothing in the clear (RFC 3261 §26.2.2, RFC 5630 §3.1.3). */
import { afterEach, expect, test } from 'vitest';
import {
  type ForwardStage,
  forwardStage,
  message,
  statusOf,
} from '../../controls/forward-stage.ts';
import { register } from '../../controls/sip-agent-stage.ts';

let stage: ForwardStage;
afterEach(() => stage.close());

const SECURE = 'sips:alice@example.org';

test.each([
  ['behind a NAT', 'sips:alice@192.0.2.1:5061'],
  ['at a name that leads nowhere', 'sips:alice@phone.invalid'],
])('sips: contact %s, seen over UDP → kept, and not pushed there', async (_, contact) => {
  stage = await forwardStage({}, { direct: true });
  const client = await stage.peer.datagrams(stage.udp, { host: '127.0.0.9' });
  const To = `<${SECURE}>`;
  const Contact = `<${contact}>;+g.oma.sip-im`;
  client.send(register('r1', { Contact, To, From: `${To};tag=a1` }));
  expect(statusOf(await client.next())).toBe(200);
  const sent = message('m1', { To }).replace(/^MESSAGE \S+/, `MESSAGE ${SECURE}`);
  stage.sender.send(sent);
  expect(statusOf(await stage.sender.next())).toBe(202);
  expect(client.received).toHaveLength(1);
  expect(await stage.journal()).not.toContainEqual(expect.stringMatching(/^> (MESSAGE|INVITE)/));
});
