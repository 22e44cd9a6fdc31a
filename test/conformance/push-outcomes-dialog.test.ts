/**
 * What becomes of a push whose client speaks up itself: BYE in each phase, re-INVITE and UPDATE
 * (RFC 3261 §12.2.2, §14.2, §15, RFC 3311 §5.2).
 */
import { afterEach, describe, expect, test } from 'vitest';
import { arrivesOnce, closes, WAITS } from '../controls/push-outcome.ts';
import { clientSdp, type PushStage, pushStage } from '../controls/push-stage.ts';
import { headerOf } from '../controls/scripted-peer-flow.ts';

let push: PushStage;
afterEach(() => push.close());

interface Row {
  readonly title: string;
  play(): Promise<void>;
  readonly wire: readonly string[];
}

const status = (answer: string) => Number(answer.split(' ')[1]);
const body = (text: string) => text.slice(text.indexOf('\r\n\r\n') + 4);
const BACK_OFF = 'back-off 30 s';
const AGAIN = ['INVITE 1', 'ACK 1', 'BYE 2'] as const;

/** The push stands and its message is under way. */
async function underWay(): Promise<void> {
  await push.accept();
  await push.bind();
}

/** What was refused changed nothing: the message gets there in this session. */
async function completes(): Promise<void> {
  push.acknowledge();
  await closes(push);
  expect(push.pushed()).toHaveLength(1);
}

async function ringsTooLong(): Promise<string> {
  push.reply(push.invite, '180 Ringing', { headers: [`Contact: ${push.contact}`] });
  await push.event('InviteProgressed');
  await push.pass(120_000);
  return push.next();
}

const BYES: readonly Row[] = [
  {
    title: 'BYE before any 2xx → 481, the push goes on [RFC 3261 §15]',
    async play() {
      expect(status(await push.ask(push.within('BYE', 1)))).toBe(481);
      await underWay();
      await completes();
    },
    wire: ['INVITE 1', '481 BYE', 'ACK 1', 'BYE 2'],
  },
  {
    title: 'BYE while our CANCEL is out → 481, the push ends by the 487 [RFC 3261 §9.1, §15]',
    async play() {
      const cancel = await ringsTooLong();
      expect(status(await push.ask(push.within('BYE', 1)))).toBe(481);
      push.reply(cancel, '200 OK');
      push.reply(push.invite, '487 Request Terminated');
      await push.next();
      expect(await push.fate()).toEqual({ end: 'noAnswer', mailbox: WAITS });
    },
    wire: ['INVITE 1', 'CANCEL 1', '481 BYE', 'ACK 1'],
  },
  {
    title: 'BYE before the MSRP session is bound → 200, back-off [RFC 3261 §15.1.2, A-31]',
    async play() {
      await push.accept();
      expect(status(await push.ask(push.within('BYE', 1)))).toBe(200);
      expect(await push.fate()).toEqual({ end: 'peerBye', mailbox: BACK_OFF });
      await arrivesOnce(push, BACK_OFF);
    },
    wire: ['INVITE 1', 'ACK 1', '200 BYE', ...AGAIN],
  },
  {
    title: 'BYE while a message is under way → 200, it stays, back-off [RFC 3261 §15.1.2, A-31]',
    async play() {
      await underWay();
      expect(status(await push.ask(push.within('BYE', 1)))).toBe(200);
      expect(await push.fate()).toEqual({ end: 'peerBye', mailbox: BACK_OFF });
      await arrivesOnce(push, BACK_OFF);
    },
    wire: ['INVITE 1', 'ACK 1', '200 BYE', ...AGAIN],
  },
  {
    title: 'BYE that crosses ours → 200, the push is complete [RFC 3261 §15.1.2]',
    async play() {
      await underWay();
      push.acknowledge();
      const ours = await push.next();
      expect(status(await push.ask(push.within('BYE', 1)))).toBe(200);
      push.reply(ours, '200 OK');
      expect(await push.fate()).toEqual({ end: 'completed', mailbox: 'nothing left' });
    },
    wire: ['INVITE 1', 'ACK 1', 'BYE 2', '200 BYE'],
  },
  {
    title: 'BYE after the end → 481 [RFC 3261 §15.1.2]',
    async play() {
      await underWay();
      await completes();
      expect(status(await push.ask(push.within('BYE', 1)))).toBe(481);
    },
    wire: ['INVITE 1', 'ACK 1', 'BYE 2', '481 BYE'],
  },
  {
    title: 'BYE with other tags → 481, the push goes on [RFC 3261 §12.2.2]',
    async play() {
      await underWay();
      const to = headerOf(push.invite, 'To');
      const others = [{ From: `${to};tag=fork` }, { From: to }, { To: `${to};tag=nobody` }];
      for (const [at, headers] of others.entries()) {
        expect(status(await push.ask(push.within('BYE', at + 1, headers)))).toBe(481);
      }
      await completes();
    },
    wire: ['INVITE 1', 'ACK 1', '481 BYE', '481 BYE', '481 BYE', 'BYE 2'],
  },
];

const ACK = (cseq: number, sdp = '') => push.within('ACK', cseq, { Via: newVia(cseq) }, sdp);
const newVia = (cseq: number) =>
  `SIP/2.0/${push.transport.toUpperCase()} 127.0.0.1;rport;branch=z9hG4bKack${cseq}`;

/** The answer's description says the session is the one there was (RFC 3264 §8). */
function expectSameSession(answer: string): void {
  const lines = (text: string) => body(text).split('\r\n');
  const [offered, answered] = [lines(push.invite), lines(answer)];
  const changed = answered.filter((line) => !offered.includes(line));
  expect([answered.length, changed]).toEqual([offered.length, ['a=setup:active']]);
}

const CHANGES = [
  { path: 'a=path:msrp://127.0.0.1:7394/other;tcp' },
  { port: 'm=message 0 TCP/MSRP *' },
  { direction: 'a=inactive' },
  { direction: 'a=sendonly' },
  { types: 'a=accept-types:text/plain' },
  { port: 'm=message 7394 TCP/MSRP *\r\na=max-size:10' },
  { port: 'm=audio 7394 RTP/AVP 0' },
];

const REFRESHES: readonly Row[] = [
  {
    title: 're-INVITE that keeps the session → 200 with our description [RFC 3261 §14.2]',
    async play() {
      await underWay();
      const sdp = clientSdp({ setup: 'a=setup:actpass', direction: 'a=sendrecv' });
      const answer = await push.ask(push.within('INVITE', 1, {}, sdp));
      expect(status(answer)).toBe(200);
      expectSameSession(answer);
      expect(headerOf(answer, 'Contact')).toMatch(/;\+g\.oma\.sip-im;automata$/);
      expect(headerOf(answer, 'To')).toBe(headerOf(push.invite, 'From'));
      push.send(ACK(1));
      await completes();
    },
    wire: ['INVITE 1', 'ACK 1', '200 INVITE', 'BYE 2'],
  },
  {
    title: 're-INVITE without SDP → 200 with our offer, ACK with the answer [RFC 3261 §14.2]',
    async play() {
      await underWay();
      const answer = await push.ask(push.within('INVITE', 1));
      expect([status(answer), body(answer)]).toEqual([200, body(push.invite)]);
      push.send(ACK(1, clientSdp()));
      await completes();
    },
    wire: ['INVITE 1', 'ACK 1', '200 INVITE', 'BYE 2'],
  },
  {
    title: 'an answer in the ACK that moves the session → BYE, back-off [RFC 3261 §13.2.2.4, §15]',
    async play() {
      await underWay();
      await push.ask(push.within('INVITE', 1));
      push.send(ACK(1, clientSdp({ path: 'a=path:msrp://127.0.0.1:7394/other;tcp' })));
      push.reply(await push.next(), '200 OK');
      expect(await push.fate()).toEqual({ end: 'sessionExpired', mailbox: BACK_OFF });
      await arrivesOnce(push, BACK_OFF);
    },
    wire: ['INVITE 1', 'ACK 1', '200 INVITE', 'BYE 2', ...AGAIN],
  },
  {
    title: 're-INVITE that moves, holds or ends the media → 488, the push goes on [RFC 3261 §14.2]',
    async play() {
      await underWay();
      for (const [at, change] of CHANGES.entries()) {
        const request = push.within('INVITE', at + 1, {}, clientSdp(change));
        const answer = await push.ask(request);
        expect([status(answer), headerOf(answer, 'Contact')]).toEqual([488, '']);
        push.send(push.within('ACK', at + 1, { Via: headerOf(request, 'Via') }));
      }
      await completes();
    },
    wire: ['INVITE 1', 'ACK 1', ...CHANGES.map(() => '488 INVITE'), 'BYE 2'],
  },
  {
    title: 're-INVITE while our INVITE is open → 491 [RFC 3261 §14.2]',
    async play() {
      const request = push.within('INVITE', 1, {}, clientSdp());
      expect(status(await push.ask(request))).toBe(491);
      push.send(push.within('ACK', 1, { Via: headerOf(request, 'Via') }));
      await underWay();
      await completes();
    },
    wire: ['INVITE 1', '491 INVITE', 'ACK 1', 'BYE 2'],
  },
  {
    title: 'UPDATE without SDP → 200, a mere refresh [RFC 3311 §5.2, RFC 4028 §9]',
    async play() {
      await underWay();
      const answer = await push.ask(push.within('UPDATE', 1));
      expect([status(answer), body(answer)]).toEqual([200, '']);
      await completes();
    },
    wire: ['INVITE 1', 'ACK 1', '200 UPDATE', 'BYE 2'],
  },
  {
    title: 'UPDATE with SDP → 200 or 488, as a re-INVITE [RFC 3311 §5.2]',
    async play() {
      await underWay();
      const answer = await push.ask(push.within('UPDATE', 1, {}, clientSdp()));
      expect(status(answer)).toBe(200);
      expectSameSession(answer);
      for (const [at, change] of CHANGES.entries()) {
        const request = push.within('UPDATE', at + 2, {}, clientSdp(change));
        expect(status(await push.ask(request))).toBe(488);
      }
      await completes();
    },
    wire: ['INVITE 1', 'ACK 1', '200 UPDATE', ...CHANGES.map(() => '488 UPDATE'), 'BYE 2'],
  },
  {
    title: 'UPDATE behind our BYE → 481 [RFC 3261 §12.2.2]',
    async play() {
      await underWay();
      push.acknowledge();
      const bye = await push.next();
      expect(status(await push.ask(push.within('UPDATE', 1)))).toBe(481);
      push.reply(bye, '200 OK');
      expect(await push.fate()).toEqual({ end: 'completed', mailbox: 'nothing left' });
    },
    wire: ['INVITE 1', 'ACK 1', 'BYE 2', '481 UPDATE'],
  },
];

describe.each(['udp', 'tcp'] as const)('the client of a push speaks over %s', (transport) => {
  for (const { title, play, wire } of [...BYES, ...REFRESHES]) {
    test(title, async () => {
      push = await pushStage(transport);
      await play();
      expect(await push.heard()).toEqual(wire);
    });
  }
});

describe.each(['INVITE', 'UPDATE'])('a target refresh by %s', (method) => {
  test('another Contact → our BYE goes there [RFC 3261 §12.2.1.2, RFC 3311 §5.2]', async () => {
    push = await pushStage('udp');
    await underWay();
    const other = await push.stage.peer.datagrams(push.stage.udp);
    const Contact = `<sip:alice@127.0.0.1:${other.local.port}>;+g.oma.sip-im`;
    expect(status(await push.ask(push.within(method, 1, { Contact })))).toBe(200);
    if (method === 'INVITE') push.send(ACK(1));
    push.acknowledge();
    const target = new RegExp(`^BYE sip:alice@127\\.0\\.0\\.1:${other.local.port} `);
    expect(String(await other.next())).toMatch(target);
  });
});
