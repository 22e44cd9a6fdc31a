/** The session timer of a push as the client sees it: an interval of a second, on loopback. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Line } from '../../controls/scripted-peer.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import {
  register,
  type SipAgentStage,
  sipAgentStage,
  sipRequest,
} from '../../controls/sip-agent-stage.ts';

let stage: SipAgentStage;
let line: Line;
beforeEach(async () => {
  stage = await sipAgentStage();
  line = await stage.peer.datagrams(stage.udp);
});
afterEach(() => stage.close());

const next = async () => String(await line.next());

/** A response to a request of the server, in the dialog of the tag `ue`. */
function response(to: string, status: string, headers: readonly string[], body = ''): string {
  const mirrored = ['Via', 'From', 'Call-ID', 'CSeq'].map(
    (name) => `${name}: ${headerOf(to, name)}`,
  );
  const tag = headerOf(to, 'To').includes(';tag=') ? '' : ';tag=ue';
  return [
    ...[`SIP/2.0 ${status}`, ...mirrored, `To: ${headerOf(to, 'To')}${tag}`, ...headers],
    ...[`Content-Length: ${body.length}`, '', body],
  ].join('\r\n');
}

/** The push is answered, with an interval of one second. */
async function answered(timer: readonly string[]): Promise<void> {
  const contact = `<sip:alice@127.0.0.1:${line.local.port}>;+g.oma.sip-im`;
  line.send(sipRequest('MESSAGE', 'm1', {}, { body: 'hi' }));
  await next();
  line.send(register('r1', { Contact: contact }));
  await next();
  const invite = await next();
  const sdp = [
    ...['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
    ...['m=message 7394 TCP/MSRP *', 'a=accept-types:*', 'a=recvonly', 'a=setup:passive'],
    ...['a=path:msrp://127.0.0.1:7394/abc;tcp', ''],
  ].join('\r\n');
  const headers = [`Contact: ${contact}`, 'Content-Type: application/sdp', ...timer];
  line.send(response(invite, '200 OK', headers, sdp));
  expect(await next()).toMatch(/^ACK /);
}

test.each([
  ['its Allow lacks UPDATE', ['Allow: INVITE, ACK, BYE', 'Session-Expires: 1;refresher=uac']],
  ['it refreshes itself', ['Allow: INVITE, UPDATE', 'Session-Expires: 1;refresher=uas']],
])('no refresh of ours, for %s → BYE before it expires [RFC 4028 §10]', async (_, timer) => {
  await answered(timer);
  const bye = await next();
  expect(bye).toMatch(/^BYE /);
  expect(headerOf(bye, 'CSeq')).toBe('2 BYE');
});

test('UPDATE at half of the interval; refused with 491 → BYE before it ends [RFC 4028 §10]', async () => {
  await answered(['Allow: INVITE, UPDATE', 'Session-Expires: 1;refresher=uac']);
  const update = await next();
  expect(update).toMatch(/^UPDATE /);
  expect(headerOf(update, 'Session-Expires')).toBe('1;refresher=uac');
  line.send(response(update, '491 Request Pending', []));
  const bye = await next();
  expect(bye).toMatch(/^BYE /);
  expect(headerOf(bye, 'CSeq')).toBe('3 BYE');
  expect(await stage.journal()).toContain('< SIP/2.0 491 Request Pending');
});
