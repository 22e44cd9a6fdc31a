/** What cannot be sent is said, whoever chose where it should go: it never ends the process. */
import { afterEach, expect, test } from 'vitest';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import {
  register,
  type SipAgentStage,
  sipAgentStage,
  sipRequest,
} from '../../controls/sip-agent-stage.ts';
import { transportStage, until } from '../../controls/transport-stage.ts';

let stage: SipAgentStage | undefined;
afterEach(async () => {
  await stage?.close();
  stage = undefined;
});

test('UDP to port 0 → not sent, and why', async () => {
  const { transports } = await transportStage(['udp://127.0.0.1:0', 'tcp://127.0.0.1:0']);
  for (const transport of ['udp', 'tcp'] as const) {
    const hop = { transport, host: '127.0.0.1', port: 0, local: '' };
    const result = await transports.send(new Uint8Array(10), hop);
    expect(result).toMatchObject({ sent: false, reason: expect.stringContaining('127.0.0.1:0') });
  }
  await transports.close();
});

test.each([
  ['an untrusted peer', () => false],
  ['a trusted peer', () => true],
])(
  '%s names port 0 in its Via → its answer is lost, others have theirs [RFC 3261 §18.2.2]',
  async (_, trusted) => {
    stage = await sipAgentStage({ trusted });
    const line = await stage.peer.datagrams(stage.udp);
    const Via = 'SIP/2.0/UDP 127.0.0.1:0;branch=z9hG4bKzero';
    line.send(sipRequest('OPTIONS', 'zero', { Via, Subject: 'x'.repeat(900) }));
    line.send(sipRequest('OPTIONS', 'bad', { Via, CSeq: 'one OPTIONS', Subject: 'x'.repeat(900) }));
    line.send(sipRequest('OPTIONS', 'next', { Subject: 'x'.repeat(900) }));
    expect(headerOf(await line.next(), 'Call-ID')).toBe('next@example.org');
  },
);

test('a Contact at port 0 → 400: nothing can ever be sent there', async () => {
  stage = await sipAgentStage();
  const line = await stage.peer.datagrams(stage.udp);
  line.send(sipRequest('MESSAGE', 'm1', {}, { body: 'hello' }));
  expect(String(await line.next())).toMatch(/^SIP\/2\.0 202 /);
  line.send(register('r1', { Contact: '<sip:alice@127.0.0.1:0>;+g.oma.sip-im' }));
  expect(String(await line.next())).toMatch(/^SIP\/2\.0 400 /);
});

test('an S-CSCF whose Contact has port 0 is answered 200, and called where it is', async () => {
  stage = await sipAgentStage();
  const line = await stage.peer.datagrams(stage.udp);
  line.send(sipRequest('MESSAGE', 'm1', {}, { body: 'hello' }));
  expect(String(await line.next())).toMatch(/^SIP\/2\.0 202 /);
  line.send(
    sipRequest('REGISTER', 'r1', {
      From: '<sip:scscf.example.org>;tag=s',
      Contact: '<sip:127.0.0.1:0>',
    }),
  );
  expect(String(await line.next())).toMatch(/^SIP\/2\.0 200 /);
  expect(String(await line.next())).toMatch(/^INVITE /);
  await until(() => stage?.faults.length === 0);
});
