/**
 * What becomes of a push whose INVITE is answered in any other way than by a plain refusal:
 * provisional responses, forks, 2xx of all kinds, challenges, a longer session interval.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { sipDigestHash } from '../../src/adapters/host/digest.ts';
import type { ProofOptions } from '../../src/adapters/sip/push/push-credentials.ts';
import { arrivesOnce, closes, WAITS } from '../controls/push-outcome.ts';
import { clientSdp, type PushStage, pushStage } from '../controls/push-stage.ts';
import { headerOf } from '../controls/scripted-peer-flow.ts';

let push: PushStage;
afterEach(() => push.close());

interface Row {
  readonly title: string;
  play(): Promise<void>;
  /** What left the server for the client, all told. */
  readonly wire: readonly string[];
}

const TIMER = ['Session-Expires: 90;refresher=uac', 'Require: timer'];
const own = { username: 'store', ha1: { MD5: '0123456789abcdef0123456789abcdef' } };
const proof: ProofOptions = {
  own: (realm) => (realm === 'example.org' ? own : undefined),
  hash: sipDigestHash,
};
const challenge = (name: string, nonce: string) => [
  `${name}: Digest realm="example.org", nonce="${nonce}", qop="auth"`,
];
const contact = () => [`Contact: ${push.contact}`];

/** The session stands: the message is pushed, and the push ends as it should. */
async function completes(): Promise<void> {
  await push.bind();
  push.acknowledge();
  await closes(push);
  expect(push.pushed()).toHaveLength(1);
}

const ROWS: readonly Row[] = [
  {
    title: 'unreliable 1xx, then 2xx → ACK, pushed [RFC 3261 §13.2.2.1]',
    async play() {
      push.reply(push.invite, '100 Trying', { tag: '' });
      push.reply(push.invite, '180 Ringing', { headers: contact() });
      push.reply(push.invite, '183 Session Progress', { headers: contact() });
      await push.accept();
      await completes();
    },
    wire: ['INVITE 1', 'ACK 1', 'BYE 2'],
  },
  {
    title: 'reliable 1xx → PRACK each, then 2xx → ACK, pushed [RFC 3262 §4]',
    async play() {
      const early = (rseq: number) => [
        `Contact: ${push.contact}`,
        'Require: 100rel',
        `RSeq: ${rseq}`,
      ];
      push.reply(push.invite, '180 Ringing', { headers: early(7) });
      const first = await push.next();
      expect([headerOf(first, 'RAck'), headerOf(first, 'CSeq')]).toEqual(['7 1 INVITE', '2 PRACK']);
      push.reply(first, '200 OK');
      push.reply(push.invite, '183 Session Progress', { headers: early(8) });
      const second = await push.next();
      expect(headerOf(second, 'RAck')).toBe('8 1 INVITE');
      push.reply(second, '200 OK');
      // Repeated, because the client missed our PRACK: acknowledged already (RFC 3262 §4).
      push.reply(push.invite, '183 Session Progress', { headers: early(8) });
      await push.accept();
      await completes();
    },
    wire: ['INVITE 1', 'PRACK 2', 'PRACK 3', 'ACK 1', 'BYE 4'],
  },
  {
    title: 'forked 1xx, one 2xx → that dialog alone [RFC 3261 §13.2.2.4]',
    async play() {
      push.reply(push.invite, '180 Ringing', { tag: 'a', headers: contact() });
      push.reply(push.invite, '180 Ringing', { tag: 'b', headers: contact() });
      expect(headerOf(await push.accept({ tag: 'b' }), 'To')).toMatch(/;tag=b$/);
      await completes();
    },
    wire: ['INVITE 1', 'ACK 1 to b', 'BYE 2 to b'],
  },
  {
    title: 'several 2xx → ACK each, BYE to all but the first [RFC 3261 §13.2.2.4, A-37]',
    async play() {
      await push.accept({ tag: 'a' });
      for (const tag of ['b', 'c']) {
        await push.accept({ tag });
        push.reply(await push.next(), '200 OK');
      }
      await completes();
    },
    wire: [
      ...['INVITE 1', 'ACK 1 to a', 'ACK 1 to b', 'BYE 2 to b', 'ACK 1 to c', 'BYE 2 to c'],
      'BYE 2 to a',
    ],
  },
  {
    title: '2xx without SDP → ACK, BYE, push-incapable [RFC 3261 §13.2.2.4, A-34]',
    async play() {
      push.reply(push.invite, '200 OK', { headers: contact() });
      await push.next();
      push.reply(await push.next(), '200 OK');
      const mailbox = 'push-incapable';
      expect(await push.fate()).toEqual({ end: 'notAcceptable', mailbox });
      await arrivesOnce(push, mailbox);
    },
    wire: ['INVITE 1', 'ACK 1', 'BYE 2', 'INVITE 1', 'ACK 1', 'BYE 2'],
  },
  {
    title: '2xx that will not receive → ACK, BYE, push-incapable [RFC 3264 §6.1, A-34]',
    async play() {
      const sdp = clientSdp({ direction: 'a=inactive' });
      push.reply(push.invite, '200 OK', { headers: contact(), sdp });
      await push.next();
      push.reply(await push.next(), '200 OK');
      const mailbox = 'push-incapable';
      expect(await push.fate()).toEqual({ end: 'notAcceptable', mailbox });
      await arrivesOnce(push, mailbox);
    },
    wire: ['INVITE 1', 'ACK 1', 'BYE 2', 'INVITE 1', 'ACK 1', 'BYE 2'],
  },
  {
    title: '422 with Min-SE → again with that interval, pushed [RFC 4028 §7.3, §7.4]',
    async play() {
      const first = push.invite;
      push.reply(first, '422 Session Interval Too Small', { headers: ['Min-SE: 3600'] });
      await push.next();
      const second = await push.invited();
      expect(headerOf(second, 'Min-SE')).toBe('3600');
      expect(headerOf(second, 'Session-Expires')).toMatch(/^3600;/);
      for (const name of ['Call-ID', 'From', 'To']) {
        expect(headerOf(second, name)).toBe(headerOf(first, name));
      }
      await push.accept({ headers: ['Session-Expires: 3600;refresher=uac', 'Require: timer'] });
      await completes();
    },
    wire: ['INVITE 1', 'ACK 1', 'INVITE 2', 'ACK 2', 'BYE 3'],
  },
  {
    title: '401 with credentials for its realm → again with them, pushed [RFC 3261 §22.2]',
    async play() {
      push.reply(push.invite, '401 Unauthorized', { headers: challenge('WWW-Authenticate', 'n1') });
      await push.next();
      expect(headerOf(await push.invited(), 'Authorization')).toContain('nonce="n1"');
      expect(headerOf(await push.accept(), 'Authorization')).toContain('nonce="n1"');
      await completes();
    },
    wire: ['INVITE 1', 'ACK 1', 'INVITE 2', 'ACK 2', 'BYE 3'],
  },
  {
    title: '407 with credentials for its realm → again with them, pushed [RFC 3261 §22.3]',
    async play() {
      const asks = challenge('Proxy-Authenticate', 'n1');
      push.reply(push.invite, '407 Proxy Authentication Required', { headers: asks });
      await push.next();
      expect(headerOf(await push.invited(), 'Proxy-Authorization')).toContain('nonce="n1"');
      await push.accept();
      await completes();
    },
    wire: ['INVITE 1', 'ACK 1', 'INVITE 2', 'ACK 2', 'BYE 3'],
  },
  {
    title: '401 to our credentials → not again, back-off [RFC 3261 §22.1]',
    async play() {
      for (const nonce of ['n1', 'n2']) {
        const headers = challenge('WWW-Authenticate', nonce);
        push.reply(push.invite, '401 Unauthorized', { headers });
        await push.next();
        if (nonce === 'n1') await push.invited();
      }
      const mailbox = 'back-off 30 s';
      expect(await push.fate()).toEqual({ end: 'refused 401', mailbox });
      await arrivesOnce(push, mailbox);
    },
    wire: ['INVITE 1', 'ACK 1', 'INVITE 2', 'ACK 2', 'INVITE 1', 'ACK 1', 'BYE 2'],
  },
  {
    title: 'the interval is half over → our UPDATE, the push goes on [RFC 4028 §7.2, §10]',
    async play() {
      await push.accept({ headers: ['Allow: INVITE, ACK, BYE, UPDATE', ...TIMER] });
      await push.bind();
      await push.pass(45_000);
      push.reply(await push.next(), '200 OK', { headers: [...contact(), ...TIMER] });
      push.acknowledge();
      await closes(push);
    },
    wire: ['INVITE 1', 'ACK 1', 'UPDATE 2', 'BYE 3'],
  },
  {
    title: 'the same without UPDATE → our re-INVITE; theirs meanwhile → 491 [RFC 3261 §14.2]',
    async play() {
      await push.accept({ headers: ['Allow: INVITE, ACK, BYE', ...TIMER] });
      await push.bind();
      await push.pass(45_000);
      const ours = await push.next();
      const theirs = push.within('INVITE', 1, {}, clientSdp());
      expect(await push.ask(theirs)).toMatch(/^SIP\/2\.0 491 /);
      push.send(push.within('ACK', 1, { Via: headerOf(theirs, 'Via') }));
      push.reply(ours, '200 OK', { headers: [...contact(), ...TIMER], sdp: clientSdp() });
      expect(headerOf(await push.next(), 'CSeq')).toBe('2 ACK');
      push.acknowledge();
      await closes(push);
    },
    wire: ['INVITE 1', 'ACK 1', 'INVITE 2', '491 INVITE', 'ACK 2', 'BYE 3'],
  },
  {
    title: 'our refresh → 481: the session is gone, BYE, back-off [RFC 4028 §10]',
    async play() {
      await push.accept({ headers: ['Allow: INVITE, ACK, BYE, UPDATE', ...TIMER] });
      await push.bind();
      await push.pass(45_000);
      push.reply(await push.next(), '481 Call/Transaction Does Not Exist');
      push.reply(await push.next(), '481 Call/Transaction Does Not Exist');
      const mailbox = 'back-off 30 s';
      expect(await push.fate()).toEqual({ end: 'sessionExpired', mailbox });
      await arrivesOnce(push, mailbox);
    },
    wire: ['INVITE 1', 'ACK 1', 'UPDATE 2', 'BYE 3', 'INVITE 1', 'ACK 1', 'BYE 2'],
  },
  {
    title: '487 to our CANCEL of an INVITE that rings for 120 s → waits [RFC 3261 §9.1, A-35]',
    async play() {
      push.reply(push.invite, '180 Ringing', { headers: contact() });
      await push.event('InviteProgressed');
      await push.pass(120_000);
      const cancel = await push.next();
      expect(headerOf(cancel, 'Via')).toBe(headerOf(push.invite, 'Via'));
      push.reply(cancel, '200 OK');
      push.reply(push.invite, '487 Request Terminated');
      await push.next();
      expect(await push.fate()).toEqual({ end: 'noAnswer', mailbox: WAITS });
      await arrivesOnce(push, WAITS);
    },
    wire: ['INVITE 1', 'CANCEL 1', 'ACK 1', 'INVITE 1', 'ACK 1', 'BYE 2'],
  },
  {
    title: '2xx that crosses our CANCEL → ACK, BYE, waits [RFC 3261 §9.1, §15]',
    async play() {
      push.reply(push.invite, '180 Ringing', { headers: contact() });
      await push.event('InviteProgressed');
      await push.pass(120_000);
      const cancel = await push.next();
      await push.accept();
      push.reply(cancel, '200 OK');
      push.reply(await push.next(), '200 OK');
      expect(await push.fate()).toEqual({ end: 'noAnswer', mailbox: WAITS });
      await arrivesOnce(push, WAITS);
    },
    wire: ['INVITE 1', 'CANCEL 1', 'ACK 1', 'BYE 2', 'INVITE 1', 'ACK 1', 'BYE 2'],
  },
];

describe.each(['udp', 'tcp'] as const)('the push INVITE is answered over %s', (transport) => {
  for (const { title, play, wire } of ROWS) {
    test(title, async () => {
      push = await pushStage(transport, { proof });
      await play();
      expect(await push.heard()).toEqual(wire);
    });
  }
});
