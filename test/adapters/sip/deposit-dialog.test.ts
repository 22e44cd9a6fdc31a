/** The dialog of a sender's session, from our 200 to the BYE (RFC 3261 §§9, 12, 13.3.1.4, 15). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Line } from '../../controls/scripted-peer.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import { type SimulatedClock, simulatedClock } from '../../controls/simulated-clock.ts';
import { type SipAgentStage, sipAgentStage, sipRequest } from '../../controls/sip-agent-stage.ts';
import { pass, settled } from '../../controls/turns.ts';

const CALL_ID = 'large1@example.org';
const T1_MS = 500;
const SESSION_MS = 1_800_000;

function sdp(direction = 'sendonly', path = 'senderssession', version = 1): string {
  return [
    ...['v=0', `o=bob 1 ${version} IN IP4 127.0.0.1`, 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
    ...['m=message 7394 TCP/MSRP *', `a=${direction}`, 'a=accept-types:*'],
    ...[`a=path:msrp://127.0.0.1:7394/${path};tcp`, 'a=setup:active', ''],
  ].join('\r\n');
}

let clock: SimulatedClock;
let stage: SipAgentStage;
let line: Line;
beforeEach(async () => {
  clock = simulatedClock(Date.UTC(2026, 10, 22, 9, 20, 0));
  stage = await sipAgentStage({ clock });
  line = await stage.peer.datagrams(stage.udp);
});
afterEach(async () => {
  expect(stage.faults).toEqual([]);
  await stage.close();
});

interface Asked {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A request of the sender; `to`: his view of the dialog, once there is one. */
function asked(method: string, cseq: number, to: string, { headers, body = '' }: Asked = {}) {
  const own = {
    Contact: `<sip:bob@127.0.0.1:${line.local.port}>;+g.oma.sip-im.large-message`,
    ...(to === '' ? {} : { To: to }),
    ...{ 'Call-ID': CALL_ID, CSeq: `${cseq} ${method === 'CANCEL' ? 'INVITE' : method}` },
    ...(body === '' ? {} : { 'Content-Type': 'application/sdp' }),
  };
  if (method === 'CANCEL') own.CSeq = `${cseq} CANCEL`;
  const branch = method === 'CANCEL' ? `INVITE${cseq}` : `${method}${cseq}`;
  line.send(sipRequest(method, branch, { ...own, ...headers }, { body }));
}

async function answerTo(method: string): Promise<string> {
  for (;;) {
    const answer = String(await line.next());
    const isIt = headerOf(answer, 'CSeq').endsWith(method);
    if (isIt && !answer.startsWith('SIP/2.0 100')) return answer;
  }
}

const statusOf = (answer: string) => Number(answer.split(' ')[1]);
const heard = (start: string) =>
  line.received.filter((octets) => octets.toString('latin1').startsWith(start)).length;
const types = async () => (await stage.events()).map(({ type }) => type);

async function until(type: string): Promise<void> {
  for (let turns = 0; !(await types()).includes(type); turns += 1) {
    if (turns > 1000) throw new Error(`no ${type} came`);
    await settled();
  }
}

/** INVITE, 200, ACK; gives the To of the dialog. */
async function opened(headers: Readonly<Record<string, string>> = {}): Promise<string> {
  asked('INVITE', 1, '', { headers, body: sdp() });
  const to = headerOf(await answerTo('INVITE'), 'To');
  asked('ACK', 1, to);
  await until('AckReceived');
  return to;
}

describe('our 200 [RFC 3261 §13.3.1.4]', () => {
  it('comes again after T1, 2·T1, …, until the ACK', async () => {
    asked('INVITE', 1, '', { body: sdp() });
    const to = headerOf(await answerTo('INVITE'), 'To');
    const times = [T1_MS, 2 * T1_MS, 4 * T1_MS];
    for (const [n, ms] of times.entries()) {
      await pass(clock, ms - 1);
      expect(heard('SIP/2.0 200')).toBe(1 + n);
      await pass(clock, 1);
      expect(await answerTo('INVITE')).toMatch(/^SIP\/2\.0 200 /);
    }
    asked('ACK', 1, to);
    await until('AckReceived');
    await pass(clock, 8 * T1_MS);
    expect(heard('SIP/2.0 200')).toBe(1 + times.length);
  });

  it('is never acknowledged → after 64·T1 our BYE', async () => {
    asked('INVITE', 1, '', { body: sdp() });
    await answerTo('INVITE');
    await pass(clock, 64 * T1_MS);
    expect(await answerTo('BYE')).toMatch(/^BYE sip:bob@127\.0\.0\.1/);
    expect(await types()).toContain('AckMissed');
  });

  it('an INVITE that comes again meets the same session [RFC 6026 §7.1]', async () => {
    asked('INVITE', 1, '', { body: sdp() });
    const to = headerOf(await answerTo('INVITE'), 'To');
    asked('INVITE', 1, '', { body: sdp() });
    asked('OPTIONS', 2, to);
    await answerTo('OPTIONS');
    expect((await types()).filter((type) => type === 'DepositOffered')).toHaveLength(1);
    expect(heard('SIP/2.0 200')).toBe(2);
  });

  it('has not left when a CANCEL comes → 487, and nothing stays open [RFC 3261 §9.2]', async () => {
    stage.slowAppends(100);
    asked('INVITE', 1, '', { body: sdp() });
    await settled();
    asked('CANCEL', 1, '');
    expect(statusOf(await answerTo('CANCEL'))).toBe(200);
    stage.slowAppends(0);
    await pass(clock, 100);
    expect(statusOf(await answerTo('INVITE'))).toBe(487);
    await until('DepositInterrupted');
    await settled();
    expect(stage.senders.closed).toEqual([...stage.senders.opened.keys()]);
  });
});

describe('within the dialog', () => {
  it('BYE → 200, and the event is there before it [IM-11.3.2.5-5]', async () => {
    const to = await opened();
    asked('BYE', 2, to, { headers: { Reason: 'SIP;cause=200' } });
    expect(statusOf(await answerTo('BYE'))).toBe(200);
    const bye = (await stage.events()).find(({ type }) => type === 'ByeReceived');
    expect(bye?.data).toEqual({ reason: 'SIP;cause=200' });
    expect(Buffer.from(bye?.octets ?? []).toString()).toMatch(/^BYE /);
    expect(stage.senders.closed).toHaveLength(1);
    asked('BYE', 3, to);
    await answerTo('3 BYE');
    expect((await types()).filter((type) => type === 'ByeReceived')).toHaveLength(1);
  });

  it('a number that is not higher → 500 [RFC 3261 §12.2.2]', async () => {
    const to = await opened();
    asked('OPTIONS', 5, to);
    expect(statusOf(await answerTo('OPTIONS'))).toBe(200);
    asked('BYE', 4, to);
    expect(statusOf(await answerTo('BYE'))).toBe(500);
    expect(await types()).not.toContain('ByeReceived');
  });

  it('a method that has no place there → 405 with Allow', async () => {
    const to = await opened();
    asked('PUBLISH', 2, to);
    const answer = await answerTo('PUBLISH');
    expect([statusOf(answer), /BYE/.test(headerOf(answer, 'Allow'))]).toEqual([405, true]);
  });

  it('of a dialog that is not known → 481', async () => {
    const to = await opened();
    asked('BYE', 2, to, { headers: { From: '<sip:bob@example.org>;tag=other' } });
    expect(statusOf(await answerTo('BYE'))).toBe(481);
    expect(await types()).not.toContain('ByeReceived');
  });

  it('a re-INVITE that offers the same → 200 with our description; another → 488, and it goes on', async () => {
    const to = await opened();
    asked('INVITE', 2, to, { body: sdp('sendonly', 'senderssession', 2) });
    const answer = await answerTo('2 INVITE');
    expect([statusOf(answer), /^a=recvonly\r$/m.test(answer)]).toEqual([200, true]);
    asked('ACK', 2, to);
    asked('INVITE', 3, to, { body: sdp('sendonly', 'another', 3) });
    expect(statusOf(await answerTo('3 INVITE'))).toBe(488);
    asked('INVITE', 4, to, { body: sdp('recvonly', 'senderssession', 4) });
    expect(statusOf(await answerTo('4 INVITE'))).toBe(488);
    expect(stage.senders.closed).toEqual([]);
  });
});

describe('a session timer that the sender refreshes [RFC 4028 §9] [A-49]', () => {
  const TIMER = { Supported: 'timer', 'Session-Expires': '1800;refresher=uac' };

  it('is refreshed by UPDATE → the session outlives the first interval', async () => {
    const to = await opened(TIMER);
    await pass(clock, SESSION_MS / 2);
    asked('UPDATE', 2, to, { headers: TIMER });
    const answer = await answerTo('UPDATE');
    expect([statusOf(answer), headerOf(answer, 'Session-Expires')]).toEqual([
      200,
      '1800;refresher=uac',
    ]);
    await pass(clock, SESSION_MS * 0.6);
    expect(await types()).not.toContain('SessionExpired');
  });

  it('is not refreshed → our BYE before it runs out', async () => {
    await opened(TIMER);
    await pass(clock, SESSION_MS);
    expect(await answerTo('BYE')).toMatch(/^BYE /);
    expect(await types()).toContain('SessionExpired');
  });
});

describe('our BYE [RFC 3261 §15.1.1]', () => {
  it.each([
    ['nothing came for long', 'IdleElapsed', 0],
    ['the connection was lost, after 2 s', 'ChannelLost', 2_000],
  ] as const)('%s: by the dialog as the sender knows it', async (_, type, afterMs) => {
    const to = await opened();
    const [session] = stage.senders.opened.values();
    if (type === 'IdleElapsed') session?.on.idle(60_000);
    else session?.on.lost('the peer closed the connection');
    await until(type);
    if (afterMs > 0) await pass(clock, afterMs - 1);
    if (afterMs > 0) expect(heard('BYE ')).toBe(0);
    await pass(clock, 1);
    const bye = await answerTo('BYE');
    expect(['From', 'To', 'Call-ID'].map((name) => headerOf(bye, name))).toEqual([
      to,
      '<sip:bob@example.org>;tag=b1',
      CALL_ID,
    ]);
    const mirrored = ['Via', 'From', 'To', 'Call-ID', 'CSeq'];
    const lines = mirrored.map((name) => `${name}: ${headerOf(bye, name)}`);
    line.send(['SIP/2.0 481 Gone', ...lines, 'Content-Length: 0', '', ''].join('\r\n'));
    await until('ByeAnswered');
    const answered = (await stage.events()).find((event) => event.type === 'ByeAnswered');
    expect(answered?.data).toEqual({ status: 481 });
  });
});
