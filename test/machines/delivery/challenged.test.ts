/** 401 and 407: answered once with credentials, a stale nonce once more (RFC 3261 §22). */
import { describe, expect, it } from 'vitest';
import type { Stamped } from '../../../src/engine/decide.ts';
import {
  delivery,
  deliveryEvent as event,
  deliveryHistory as history,
} from '../../controls/delivery-events.ts';
import { decided, START_MS } from '../../controls/histories.ts';

const inviting = history('inviting');
const challenge = (nonce: string, stale = false) => ({
  lines: [`Digest realm="core", nonce="${nonce}"`],
  stale,
});
const refused = (status: number, nonce: string, more: { stale?: boolean; cseq?: number } = {}) =>
  event(
    'InviteRefused',
    { status, inviteCseq: more.cseq ?? 1, challenge: challenge(nonce, more.stale) },
    { id: `refused ${status} ${nonce}` },
  );
/** Nonces that the effect answers, and for the how manieth time. */
function used(decision: string, name: string): string {
  const effect = decision.split(`${name}(`)[1] ?? '';
  const found = /(?:^|, )credentials: (\{.*?\}\})/.exec(effect)?.[1];
  if (found === undefined) return 'none';
  const credentials = JSON.parse(found) as Record<string, { lines: string[]; nc: number }>;
  return Object.entries(credentials)
    .map(([by, { lines, nc }]) => `${by} ${/nonce="(\w+)"/.exec(lines[0] ?? '')?.[1]} ${nc}`)
    .join(', ');
}
const proved = [...inviting, refused(407, 'n1')];

describe('the INVITE', () => {
  it.each([
    [401, 'server n1 1'],
    [407, 'proxy n1 1'],
  ])('inviting: %d that there are credentials for → again, CSeq + 1 [RFC 3261 §22.2]', (...row) => {
    const [status, credentials] = row;
    const told = decided(delivery, inviting, refused(status, 'n1'));
    expect(told).toMatch(/^stays sendInvite\(.*inviteCseq: 2/);
    expect(used(told, 'sendInvite')).toBe(credentials);
  });

  it('inviting: 401 without credentials of ours → refused, back-off [A-35]', () => {
    const told = decided(delivery, inviting, event('InviteRefused', { status: 401 }));
    expect(told).toContain('cause: refused, status: 401');
  });

  it('inviting: refused again → refused: the password is wrong', () => {
    const told = decided(delivery, proved, refused(407, 'n2', { cseq: 2 }));
    expect(told).toContain('→ ended');
  });

  it('inviting: the nonce was stale → once more, not twice [RFC 7616 §3.3]', () => {
    const stale = refused(407, 'n2', { cseq: 2, stale: true });
    expect(used(decided(delivery, proved, stale), 'sendInvite')).toBe('proxy n2 1');
    const third = refused(407, 'n3', { cseq: 3, stale: true });
    expect(decided(delivery, [...proved, stale], third)).toContain('→ ended');
  });

  it('inviting: proxy and client ask one after the other → both are answered [RFC 3261 §22.3]', () => {
    const told = decided(delivery, proved, refused(401, 's1', { cseq: 2 }));
    expect(used(told, 'sendInvite')).toBe('server s1 1, proxy n1 2');
  });

  it('inviting: 422, then 407 → the interval is carried on, and the other way round', () => {
    const tooBrief = (cseq: number) =>
      event(
        'InviteRefused',
        { status: 422, minSeSeconds: 3600, inviteCseq: cseq },
        { id: 'brief' },
      );
    const told = decided(delivery, [...inviting, tooBrief(1)], refused(407, 'n1', { cseq: 2 }));
    expect(told).toContain('inviteCseq: 3, minSeSeconds: 3600');
    const other = decided(delivery, proved, tooBrief(2));
    expect(other).toContain('inviteCseq: 3, minSeSeconds: 3600');
    expect(used(other, 'sendInvite')).toBe('proxy n1 2');
  });

  it('cancelling: 401 → ended: nobody wants it any more', () => {
    const given = history('cancelling, ringing');
    expect(decided(delivery, given, refused(401, 'n1'))).toMatch(/^→ ended/);
  });
});

describe('what follows in its dialog', () => {
  const answered = event('InviteAnswered', { inviteCseq: 2 }, { id: 'answered' });
  const pushing = [...proved, answered];

  it('the ACK repeats the credentials of its INVITE [RFC 3261 §22.1]', () => {
    const told = decided(delivery, proved, answered);
    expect(used(told, 'sendAck')).toBe('proxy n1 1');
    const fork = event('InviteAnswered', { toTag: 'fork', inviteCseq: 2 });
    const surplus = decided(delivery, pushing, fork);
    expect(used(surplus, 'sendAck')).toBe('proxy n1 1');
    expect(used(surplus, 'sendBye')).toBe('proxy n1 2');
  });

  it('PRACK, refresh and BYE use the nonce once more each, counted [RFC 7616 §3.4]', () => {
    const rang = event('InviteProgressed', { toTag: 'x', rseq: 1 }, { id: 'rang' });
    const ringing = [...proved, rang];
    expect(used(decided(delivery, proved, rang), 'sendPrack')).toBe('proxy n1 2');
    const timed = event(
      'InviteAnswered',
      { inviteCseq: 2, sessionExpiresSeconds: 90 },
      { id: 'answered' },
    );
    expect(used(decided(delivery, ringing, timed), 'sendAck')).toBe('proxy n1 1');
    const due = event('RefreshDue', { dueAt: START_MS + 45_000 }, { id: 'due', atMs: 45_000 });
    const given = [...ringing, timed];
    expect(used(decided(delivery, given, due), 'refreshSession')).toBe('proxy n1 3');
    const bye = decided(delivery, [...given, due], event('ChannelLost'));
    expect(used(bye, 'sendBye')).toBe('proxy n1 4');
  });

  it('after a restart the ACK goes again with its own, the BYE with the next', () => {
    const told = decided(delivery, pushing, event('DeliveryInterrupted'));
    expect(used(told, 'sendBye')).toBe('proxy n1 2');
    expect(told).toMatch(/inviteCredentials: \{"proxy":\{"lines":\[.*\],"nc":1\}\}/);
  });
});

describe('the BYE', () => {
  const bye = history('bye, all acknowledged');
  const asked = (nonce: string, stale = false): Stamped =>
    event(
      'ByeAnswered',
      { status: 401, challenge: challenge(nonce, stale) },
      { id: `asked ${nonce}` },
    );

  it('bye: 401 → once more, with credentials and the next CSeq; then it is over', () => {
    const told = decided(delivery, bye, asked('n1'));
    expect(told).toMatch(/^stays sendBye\(.*cseq: 3/);
    expect(used(told, 'sendBye')).toBe('server n1 1');
    expect(decided(delivery, [...bye, asked('n1')], asked('n2'))).toMatch(/^→ ended/);
    expect(decided(delivery, [...bye, asked('n1')], asked('n2', true))).toMatch(/^stays sendBye/);
    expect(decided(delivery, [...bye, asked('n1')], event('ByeAnswered'))).toMatch(/^→ ended/);
  });

  it('bye: the INVITE was challenged before, the BYE is, too → answered once as well', () => {
    const given = [
      ...proved,
      event('InviteAnswered', { inviteCseq: 2 }, { id: 'answered' }),
      event('ChannelLost', {}, { id: 'lost' }),
    ];
    const told = decided(delivery, given, {
      ...asked('n9'),
      data: { status: 407, challenge: challenge('n9') },
    });
    expect(used(told, 'sendBye')).toBe('proxy n9 1');
  });
});

describe('the refresh', () => {
  const timed = history('pushing, with a session timer');
  const due = event('RefreshDue', {}, { id: 'due' });
  const asked = (nonce: string): Stamped => ({
    ...event('SessionExpired', {}, { id: `asked ${nonce}` }),
    data: { status: 407, challenge: challenge(nonce) },
  });

  it('pushing: 407 → again at once with credentials and the next CSeq, once', () => {
    const told = decided(delivery, [...timed, due], asked('n1'));
    expect(told).toMatch(/^stays refreshSession\(.*cseq: 3/);
    expect(used(told, 'refreshSession')).toBe('proxy n1 1');
    expect(decided(delivery, [...timed, due, asked('n1')], asked('n2'))).toBe('ignored');
  });
});
