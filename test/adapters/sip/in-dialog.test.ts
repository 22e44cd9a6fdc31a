/** What the client says within the dialog of a push, on loopback, over the engine in memory. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Line } from '../../controls/scripted-peer.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import {
  register,
  type SipAgentStage,
  sipAgentStage,
  sipRequest,
} from '../../controls/sip-agent-stage.ts';
import { until } from '../../controls/transport-stage.ts';

let stage: SipAgentStage;
let line: Line;
let invite = '';
beforeEach(async () => {
  stage = await sipAgentStage();
  line = await stage.peer.datagrams(stage.udp);
  invite = await invited();
});
afterEach(() => stage.close());

const status = (answer: string) => Number(answer.split(' ')[1]);
const contact = () => `<sip:alice@127.0.0.1:${line.local.port}>;+g.oma.sip-im`;

async function ask(request: string): Promise<string> {
  line.send(request);
  return String(await line.next());
}

/** A message waits and the client registers: the INVITE. */
async function invited(): Promise<string> {
  await ask(sipRequest('MESSAGE', 'm1', {}, { body: 'hi' }));
  await ask(register('r1', { Contact: contact() }));
  return String(await line.next());
}

function answer(status: string): string {
  const mirrored = ['Via', 'From', 'Call-ID', 'CSeq'].map(
    (name) => `${name}: ${headerOf(invite, name)}`,
  );
  const sdp = [
    ...['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
    ...['m=message 7394 TCP/MSRP *', 'a=accept-types:*', 'a=recvonly', 'a=setup:passive'],
    ...['a=path:msrp://127.0.0.1:7394/abc;tcp', ''],
  ].join('\r\n');
  return [
    ...[`SIP/2.0 ${status}`, ...mirrored, `To: ${headerOf(invite, 'To')};tag=ue`],
    ...[`Contact: ${contact()}`, 'Content-Type: application/sdp'],
    ...[`Content-Length: ${sdp.length}`, '', sdp],
  ].join('\r\n');
}

/** A request of the client in the dialog. */
function within(method: string, cseq: number, headers: Readonly<Record<string, string>> = {}) {
  return sipRequest(method, `in${method}${cseq}`, {
    From: `${headerOf(invite, 'To')};tag=ue`,
    To: headerOf(invite, 'From'),
    'Call-ID': headerOf(invite, 'Call-ID'),
    CSeq: `${cseq} ${method}`,
    ...headers,
  });
}

describe('in the dialog of a push', () => {
  beforeEach(async () => {
    expect(await ask(answer('200 OK'))).toMatch(/^ACK /);
  });

  test('a request older than the last → 500 [RFC 3261 §12.2.2]', async () => {
    expect(status(await ask(within('UPDATE', 10, { Contact: contact() })))).toBe(200);
    expect(status(await ask(within('UPDATE', 5, { Contact: contact() })))).toBe(500);
    expect(status(await ask(within('BYE', 9)))).toBe(500);
    expect(status(await ask(within('BYE', 11)))).toBe(200);
  });

  test('UPDATE → 200 with the timer as asked, the refresher stays who it is [RFC 4028 §9]', async () => {
    const timer = (value: string) => ({ Contact: contact(), 'Session-Expires': value });
    const plain = await ask(within('UPDATE', 1, timer('600')));
    expect(headerOf(plain, 'Session-Expires')).toBe('600;refresher=uas');
    const capable = { ...timer('600'), Supported: 'timer' };
    const left = await ask(within('UPDATE', 2, capable));
    expect(headerOf(left, 'Session-Expires')).toBe('600;refresher=uas');
    expect(headerOf(plain, 'Contact')).toContain(`127.0.0.1:${stage.udp};transport=udp`);
    const theirs = await ask(within('UPDATE', 3, timer('600;refresher=uac')));
    expect(headerOf(theirs, 'Session-Expires')).toBe('600;refresher=uac');
    expect(headerOf(theirs, 'Require')).toBe('timer');
    const short = await ask(within('UPDATE', 4, timer('4')));
    expect([status(short), headerOf(short, 'Min-SE')]).toEqual([422, '90']);
    expect(await stage.story()).toContain('delivery SessionRefreshed');
  });

  test('a MESSAGE → 405; with tags of another dialog → 481 [RFC 3261 §12.2.2]', async () => {
    expect(status(await ask(within('MESSAGE', 1)))).toBe(405);
    const stray = within('MESSAGE', 2, { To: '<sip:alice@example.org>;tag=nobody' });
    expect(status(await ask(stray))).toBe(481);
  });

  test('a BYE of no dialog → 481', async () => {
    const other = `${headerOf(invite, 'To')};tag=fork`;
    expect(status(await ask(within('BYE', 1, { From: other })))).toBe(481);
  });
});

test('a BYE while the 2xx is on its way into the log → 200 [RFC 3261 §15]', async () => {
  stage.slowAppends(100);
  line.send(answer('200 OK'));
  line.send(within('BYE', 1));
  const answers = [String(await line.next()), String(await line.next())];
  expect(answers.map((text) => text.split(' ').slice(0, 2).join(' ')).sort()).toEqual([
    `ACK sip:alice@127.0.0.1:${line.local.port}`,
    'SIP/2.0 200',
  ]);
  await until(() => stage.faults.length === 0);
});

test('a BYE before any answer → 481 [RFC 3261 §15]', async () => {
  expect(status(await ask(within('BYE', 1)))).toBe(481);
});
