/** The session timer of RFC 4028: refreshed where that is ours and possible, ended in time elsewhere. */
import { describe, expect, it } from 'vitest';
import type {
  InviteAnsweredData,
  RefreshRefusedData,
} from '../../../src/machines/delivery/events.ts';
import {
  ACCOUNT,
  delivery,
  deliveryEvent as event,
  deliveryHistory as history,
} from '../../controls/delivery-events.ts';
import { after, decided, START_MS } from '../../controls/histories.ts';

const inviting = history('inviting');
const timed = history('pushing, with a session timer');
const due = (name: 'refresh' | 'duration', seconds: number) =>
  `startTimer(name: ${name}, dueAt: +${seconds} s, ` +
  `event: ${name === 'refresh' ? 'RefreshDue' : 'SessionExpired'})`;

describe('the answer says how long [RFC 4028 §10]', () => {
  const answered = (data: Partial<InviteAnsweredData>) =>
    decided(delivery, inviting, event('InviteAnswered', data));

  it.each(['INVITE,UPDATE', 'BYE, UPDATE, INVITE'])(
    'inviting: InviteAnswered, Allow: %s → refresh at half of it, the end before it expires [REF-4028-1]',
    (allow) => {
      const told = answered({ sessionExpiresSeconds: 90, refresher: 'uac', allow });
      expect(told).toContain(`${due('refresh', 45)} ${due('duration', 60)}`);
    },
  );

  it('inviting: InviteAnswered, the client refreshes → no refresh of ours, BYE in time [T-19]', () => {
    const told = answered({ allow: 'UPDATE', refresher: 'uas', sessionExpiresSeconds: 90 });
    expect(told).toContain(due('duration', 60));
    expect(told).not.toContain('refresh');
  });

  it.each<[string, Partial<InviteAnsweredData>]>([
    ['no Allow', {}],
    ['no UPDATE in Allow', { allow: 'INVITE, ACK, BYE' }],
    ['another method that only looks like it', { allow: 'INVITE, X-UPDATE' }],
  ])('inviting: InviteAnswered, %s → refreshed by INVITE [RFC 4028 §7.4]', (_, data) => {
    const input = event('InviteAnswered', { ...data, sessionExpiresSeconds: 90 }, { id: 'a' });
    expect(decided(delivery, inviting, input)).toContain(
      `${due('refresh', 45)} ${due('duration', 60)}`,
    );
    const refreshDue = event('RefreshDue', { dueAt: START_MS + 45_000 }, { atMs: 45_000 });
    expect(decided(delivery, [...inviting, input], refreshDue)).toContain('method: INVITE');
  });

  it.each([
    [4, 2.666],
    [96, 64],
    [300, 268],
    [932, 900],
    [1_800, 900],
  ])(
    'inviting: InviteAnswered, %d s without a refresh → ends after %d s, never later than A-29',
    (sessionExpiresSeconds, seconds) => {
      expect(answered({ sessionExpiresSeconds })).toContain(due('duration', seconds));
    },
  );

  it('inviting: a 1xx allowed UPDATE and the 2xx says nothing → refreshed [IM-11.3.2.3-18]', () => {
    const allow = event('InviteProgressed', { status: 183, allow: 'INVITE, UPDATE' }, { id: 'p' });
    const input = event('InviteAnswered', { sessionExpiresSeconds: 90 });
    expect(decided(delivery, [...inviting, allow], input)).toContain(due('refresh', 45));
  });
});

describe('the refresh [RFC 4028 §10]', () => {
  const short = [
    ...inviting,
    event('InviteAnswered', { sessionExpiresSeconds: 90, allow: 'UPDATE' }, { id: 'answered' }),
  ];
  const refreshDue = event('RefreshDue', { dueAt: START_MS + 45_000 }, { id: 'due', atMs: 45_000 });
  const refreshing = [...short, refreshDue];

  it('pushing: RefreshDue → asks refreshSession with the next CSeq [T-20]', () => {
    expect(decided(delivery, timed, event('RefreshDue'))).toBe(
      `stays stopTimer(name: refresh) refreshSession(account: ${ACCOUNT}, dialog: x, cseq: 2, ` +
        'method: UPDATE, sessionExpiresSeconds: 1800)',
    );
    const given = [...timed, event('RefreshDue')];
    expect(decided(delivery, given, event('ChannelLost'))).toContain('cseq: 3');
  });

  it('pushing: RefreshDue with another due time, or after the refresh → ignored', () => {
    expect(decided(delivery, timed, event('RefreshDue', { dueAt: START_MS }))).toBe('ignored');
    const given = [...timed, event('RefreshDue')];
    expect(decided(delivery, given, event('RefreshDue'))).toBe('ignored');
  });

  it('pushing: SessionRefreshed → both times anew, by what the answer says', () => {
    const input = event('SessionRefreshed', { sessionExpiresSeconds: 120 }, { atMs: 46_000 });
    expect(decided(delivery, refreshing, input)).toBe(
      `stays ${due('refresh', 106)} ${due('duration', 134)}`,
    );
    const given = [...refreshing, input];
    const stale = event('SessionExpired', { dueAt: START_MS + 60_000 }, { atMs: 60_000 });
    expect(decided(delivery, given, stale)).toBe('ignored');
  });

  it('pushing: SessionRefreshed again and again → the push ends all the same [A-29]', () => {
    const input = event('SessionRefreshed', {}, { atMs: 880_000 });
    expect(decided(delivery, refreshing, input)).toContain(due('duration', 900));
  });

  it.each([
    ['408', 408],
    ['481', 481],
    ['200 with another session', 200],
  ])('pushing: the refresh was answered %s → bye', (_, status) => {
    const input = { ...event('SessionExpired'), data: { status } };
    expect(decided(delivery, refreshing, input)).toMatch(/^→ bye closeChannel/);
  });

  it.each([422, 488, 500, 503])(
    'pushing: the refresh was answered %d and nothing else → goes on, until shortly before it expires',
    (status) => {
      const input = { ...event('SessionExpired'), data: { status } };
      expect(decided(delivery, refreshing, input)).toBe('ignored');
      const expired = event('SessionExpired', { dueAt: START_MS + 60_000 }, { atMs: 60_000 });
      expect(decided(delivery, refreshing, expired)).toMatch(/^→ bye /);
    },
  );

  const refusal = (data: Partial<RefreshRefusedData>, id = 'refused') => ({
    ...event('SessionExpired', {}, { id, atMs: 46_000 }),
    data: { status: 491, ...data },
  });

  it.each([
    ['491, with its pause', { status: 491, retryAfterMs: 3_210 }, 49.21],
    ['500 with Retry-After', { status: 500, retryAfterMs: 7_000 }, 53],
    ['503 with Retry-After: 0', { status: 503, retryAfterMs: 0 }, 48.1],
  ])('pushing: the refresh was answered %s → again then [RFC 3261 §14.1]', (_, data, seconds) => {
    const refused = refusal(data);
    expect(decided(delivery, refreshing, refused)).toBe(`stays ${due('refresh', seconds)}`);
    const dueAt = START_MS + seconds * 1_000;
    const again = event('RefreshDue', { dueAt }, { atMs: seconds * 1_000 });
    expect(decided(delivery, [...refreshing, refused], again)).toContain('cseq: 3');
  });

  it('pushing: 422 → again at once for as long as is asked, which all later ones say [RFC 4028 §7.4]', () => {
    const refused = refusal({ status: 422, minSeSeconds: 120 });
    expect(decided(delivery, refreshing, refused)).toBe(
      `stays refreshSession(account: ${ACCOUNT}, dialog: x, cseq: 3, method: UPDATE, ` +
        'sessionExpiresSeconds: 120, minSeSeconds: 120)',
    );
    const granted = event('SessionRefreshed', {}, { id: 'granted', atMs: 47_000 });
    const given = [...refreshing, refused, granted];
    const next = event('RefreshDue', { dueAt: START_MS + 92_000 }, { atMs: 92_000 });
    expect(decided(delivery, given, next)).toContain('minSeSeconds: 120');
    expect(decided(delivery, refreshing, refusal({ status: 422, minSeSeconds: 90 }))).toBe(
      'ignored',
    );
  });

  it('pushing: refused again and again → left to its end; one that is granted begins anew', () => {
    const refusals = [0, 1, 2, 3].map((index) => refusal({ retryAfterMs: 2_100 }, `r${index}`));
    const given = [...refreshing, ...refusals];
    expect(decided(delivery, given, refusal({ retryAfterMs: 2_100 }))).toBe('ignored');
    const granted = event('SessionRefreshed', {}, { id: 'granted', atMs: 47_000 });
    const anew = decided(delivery, [...given, granted], refusal({ retryAfterMs: 2_100 }));
    expect(anew).toContain('name: refresh');
  });

  it('pushing: the last message is acknowledged while a refresh is under way → BYE above it [T-20]', () => {
    const one = [...history('pushing, one outcome missing')];
    const timer = event('SessionRefreshed', { sessionExpiresSeconds: 90, refresher: 'uac' });
    const asked = event('RefreshDue', { dueAt: START_MS + 45_000 }, { id: 'due', atMs: 45_000 });
    const given = [...one, { ...timer, id: 'timer' }, asked];
    expect(decided(delivery, given, event('PushAcknowledged'))).toMatch(/^→ bye .*cseq: 3/);
    const done = [...given, event('PushAcknowledged', {}, { id: 'done' })];
    expect(decided(delivery, done, event('SessionRefreshed'))).toBe('ignored');
  });

  it.each(['bye, all acknowledged', 'ended, completed', 'inviting'])(
    '%s: RefreshDue, SessionRefreshed, SessionExpired → ignored',
    (name) => {
      const types = ['RefreshDue', 'SessionRefreshed', 'SessionExpired'] as const;
      const outcomes = types.map((type) => decided(delivery, history(name), event(type)));
      expect(outcomes).toEqual(['ignored', 'ignored', 'ignored']);
    },
  );
});

describe('what a refresh changes, whoever asked for it [RFC 4028 §9]', () => {
  const input = (data: object) => event('SessionRefreshed', data, { id: 'r', atMs: 10_000 });

  it('pushing: the client takes the refresh over → ours is stopped, BYE in time', () => {
    expect(decided(delivery, timed, input({ refresher: 'uas', sessionExpiresSeconds: 90 }))).toBe(
      `stays stopTimer(name: refresh) ${due('duration', 70)}`,
    );
  });

  it('pushing: it leaves the refresh to us → at half of the interval', () => {
    const given = [...timed, input({ refresher: 'uas', sessionExpiresSeconds: 90 })];
    const back = { ...input({ refresher: 'uac' }), id: 'back' };
    expect(decided(delivery, given, back)).toBe(
      `stays ${due('refresh', 55)} ${due('duration', 70)}`,
    );
  });

  it('pushing: no refresher, no interval → as before', () => {
    const told = decided(delivery, timed, input({}));
    expect(told).toBe(
      `stays stopTimer(name: refresh) ${due('refresh', 910)} ${due('duration', 900)}`,
    );
  });

  it('pushing: a new Contact → the BYE goes there [RFC 3261 §12.2]', () => {
    const given = [...timed, input({ remoteTarget: 'sip:moved@192.0.2.18' })];
    const decision = delivery.decide(after(delivery, given), event('ChannelLost'));
    expect(JSON.stringify(decision)).toContain('"remoteTarget":"sip:moved@192.0.2.18"');
  });

  it.each([
    ['allowed', 'INVITE, UPDATE', due('refresh', 55)],
    ['not allowed', 'INVITE', ''],
  ])('pushing: the client brings up a timer, UPDATE is %s → ours or its own', (_, allow, ours) => {
    const given = [...inviting, event('InviteAnswered', { allow }, { id: 'answered' })];
    const told = decided(delivery, given, input({ sessionExpiresSeconds: 90 }));
    expect(told).toBe(['stays', ours, due('duration', 70)].filter((one) => one !== '').join(' '));
  });

  it('pushing: the first timer comes with a refresh → it runs from then', () => {
    const untimed = history('pushing, two outcomes missing');
    const told = decided(delivery, untimed, input({ refresher: 'uac', sessionExpiresSeconds: 90 }));
    expect(told).toBe(`stays ${due('refresh', 55)} ${due('duration', 70)}`);
  });
});
