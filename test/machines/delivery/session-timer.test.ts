/** The session timer of RFC 4028: refreshed where that is ours and possible, ended in time elsewhere. */
import { describe, expect, it } from 'vitest';
import type { InviteAnsweredData } from '../../../src/machines/delivery/events.ts';
import {
  ACCOUNT,
  delivery,
  deliveryEvent as event,
  deliveryHistory as history,
} from '../../controls/delivery-events.ts';
import { decided, START_MS } from '../../controls/histories.ts';

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

  it.each([408, 481])('pushing: the refresh was answered %d → bye', (status) => {
    const input = { ...event('SessionExpired'), data: { status } };
    expect(decided(delivery, refreshing, input)).toMatch(/^→ bye /);
  });

  it.each([422, 491, 500, 503])(
    'pushing: the refresh was answered %d → goes on, until shortly before it expires',
    (status) => {
      const input = { ...event('SessionExpired'), data: { status } };
      expect(decided(delivery, refreshing, input)).toBe('ignored');
      const expired = event('SessionExpired', { dueAt: START_MS + 60_000 }, { atMs: 60_000 });
      expect(decided(delivery, refreshing, expired)).toMatch(/^→ bye /);
    },
  );

  it.each(['bye, all acknowledged', 'ended, completed', 'inviting'])(
    '%s: RefreshDue, SessionRefreshed, SessionExpired → ignored',
    (name) => {
      const types = ['RefreshDue', 'SessionRefreshed', 'SessionExpired'] as const;
      const outcomes = types.map((type) => decided(delivery, history(name), event(type)));
      expect(outcomes).toEqual(['ignored', 'ignored', 'ignored']);
    },
  );
});
