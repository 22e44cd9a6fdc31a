import { describe, expect, it } from 'vitest';
import type { DeliveryCause, DeliveryEndedData } from '../../../src/machines/mailbox/events.ts';
import { decided, START_MS } from '../../controls/histories.ts';
import {
  mailboxEvent as event,
  mailboxHistory as history,
  mailbox,
} from '../../controls/mailbox-events.ts';

const CLIENT_LEFT = { delivery: 'e2', acknowledged: 0, failed: 1 } as const;
const delivering = history('delivering');

function ended(data: Partial<DeliveryEndedData>) {
  return event('DeliveryEnded', { ...CLIENT_LEFT, ...data });
}
function refused(status: number, more: Partial<DeliveryEndedData> = {}) {
  return ended({ cause: 'refused', status, ...more });
}
/** A flag shows when a new message opens nothing; the pending back-off, by its timer. */
const message = event('MessageDeferred');
const opens = '→ delivering openDelivery(delivery: now)';
const backsOff = '→ registered startTimer(name: retry, dueAt: +30 s, event: RetryDue)';
const waits = '→ registered';

describe('delivering: DeliveryEnded, cause → what then', () => {
  it('completed, all acknowledged, nothing left → registered', () => {
    expect(decided(mailbox, delivering, event('DeliveryEnded'))).toBe('→ registered');
  });

  it('completed, another came meanwhile → the guard opens the next delivery [A-32]', () => {
    const given = [...delivering, message];
    expect(decided(mailbox, given, event('DeliveryEnded'))).toBe(
      'stays openDelivery(delivery: now)',
    );
  });

  it.each([404, 408, 410, 430, 480, 486, 487, 600, 603])(
    'refused with %i → nothing until the next registration [A-35]',
    (status) => {
      expect(decided(mailbox, delivering, refused(status))).toBe(waits);
      expect(decided(mailbox, [...delivering, refused(status)], message)).toBe('stays');
    },
  );

  it('no answer → nothing until the next registration [A-35]', () => {
    const input = ended({ cause: 'noAnswer' });
    expect(decided(mailbox, delivering, input)).toBe(waits);
    expect(decided(mailbox, [...delivering, input], message)).toBe('stays');
  });

  it.each([415, 488, 606])('refused with %i → no push until the next registration', (status) => {
    expect(decided(mailbox, delivering, refused(status))).toBe(waits);
    expect(decided(mailbox, [...delivering, refused(status)], message)).toBe('stays');
  });

  it('answer not acceptable → no push until the next registration [A-34]', () => {
    const input = ended({ cause: 'notAcceptable' });
    expect(decided(mailbox, delivering, input)).toBe(waits);
    expect(decided(mailbox, [...delivering, input], message)).toBe('stays');
  });

  it.each(['restart', 'takeover'] as const)('%s → one try at once, then back-off', (cause) => {
    expect(decided(mailbox, delivering, ended({ cause }))).toBe(
      'stays openDelivery(delivery: now)',
    );
    const first = { ...ended({ cause }), id: 'e3' };
    const second = ended({ cause, delivery: 'e3' });
    expect(decided(mailbox, [...delivering, first], second)).toBe(backsOff);
  });

  it.each<DeliveryCause>(['channelLost', 'sessionExpired', 'peerBye', 'completedWithFailures'])(
    '%s → back-off',
    (cause) => {
      expect(decided(mailbox, delivering, ended({ cause }))).toBe(backsOff);
      expect(decided(mailbox, [...delivering, ended({ cause })], message)).toBe(
        '→ delivering stopTimer(name: retry) openDelivery(delivery: now)',
      );
    },
  );

  it.each([
    ...[300, 302, 305, 380, 400, 401, 403, 405, 407, 413, 420, 421, 422, 481, 482, 483, 485, 491],
    ...[494, 500, 501, 503, 504, 513, 580, 604, 699],
  ])('refused with %i → back-off', (status) => {
    expect(decided(mailbox, delivering, refused(status))).toBe(backsOff);
  });

  it('refused with 503 and Retry-After → back-off as long as that', () => {
    expect(decided(mailbox, delivering, refused(503, { retryAfterMs: 7_000 }))).toBe(
      '→ registered startTimer(name: retry, dueAt: +7 s, event: RetryDue)',
    );
  });

  it('a cause that a later version may add → back-off', () => {
    const cause = 'somethingNew' as DeliveryCause;
    expect(decided(mailbox, delivering, ended({ cause }))).toBe(backsOff);
  });

  it('a failure after which nothing is left → no back-off', () => {
    const input = ended({ cause: 'channelLost', acknowledged: 1, failed: 0 });
    expect(decided(mailbox, delivering, input)).toBe('→ registered');
  });

  it.each(['noAnswer', 'notAcceptable', 'channelLost', 'restart', 'refused'] as const)(
    'registered again meanwhile: DeliveryEnded %s → the next delivery opens [A-33]',
    (cause) => {
      const given = history('delivering, registered again meanwhile');
      expect(decided(mailbox, given, ended({ cause, status: 480 }))).toBe(
        'stays openDelivery(delivery: now)',
      );
    },
  );

  it('DeliveryEnded of another delivery → ignored', () => {
    expect(decided(mailbox, delivering, ended({ delivery: 'foreign' }))).toBe('ignored');
  });

  it('registered: DeliveryEnded reported again → ignored', () => {
    const given = [...delivering, event('DeliveryEnded')];
    expect(decided(mailbox, given, event('DeliveryEnded'))).toBe('ignored');
  });
});

describe('back-off', () => {
  const backingOff = history('registered, backing off');

  it('registered: RetryDue → a delivery opens', () => {
    expect(decided(mailbox, backingOff, event('RetryDue'))).toBe(
      '→ delivering stopTimer(name: retry) openDelivery(delivery: now)',
    );
  });

  it('registered: RetryDue of an earlier back-off → ignored, the pause goes on [A-33]', () => {
    const stale = event('RetryDue', { dueAt: START_MS + 29_999 });
    expect(decided(mailbox, backingOff, stale)).toBe('ignored');
  });

  it('delivering: RetryDue → ignored, a delivery has opened since', () => {
    expect(decided(mailbox, delivering, event('RetryDue'))).toBe('ignored');
  });

  it('a second failure in a row → the pause doubles, the twentieth → at most one hour', () => {
    const again = { ...event('RetryDue'), id: 'e4' };
    const second = ended({ cause: 'channelLost', delivery: 'e4' });
    expect(decided(mailbox, [...backingOff, again], second)).toBe(
      '→ registered startTimer(name: retry, dueAt: +60 s, event: RetryDue)',
    );
    const many = Array.from({ length: 19 }, () => [
      { ...message, id: 'next' },
      ended({ cause: 'channelLost', delivery: 'next' }),
    ]).flat();
    const given = [...backingOff, ...many, { ...message, id: 'last' }];
    expect(decided(mailbox, given, ended({ cause: 'channelLost', delivery: 'last' }))).toBe(
      '→ registered startTimer(name: retry, dueAt: +3600 s, event: RetryDue)',
    );
  });

  it('a registration overtakes the pause even while an expiry is being looked into [T-06]', () => {
    const given = [
      ...history('delivering'),
      event('MessageDeferred', { expiresAt: START_MS }),
      ended({ cause: 'channelLost' }),
      event('SubscriberRegistered', { asOf: 1 }),
    ];
    expect(decided(mailbox, given, event('MessageExpired', { asOf: 2 }))).toBe(
      '→ delivering stopTimer(name: expiry) openDelivery(delivery: now)',
    );
  });

  it('it does not outlive the registration: offline delivery off, registered, on → opens', () => {
    const given = [
      ...history('delivering, deregistered meanwhile'),
      ended({ cause: 'channelLost' }),
      event('OfflineDeliverySet', { active: false }),
      event('SubscriberRegistered', { asOf: 2 }),
    ];
    expect(decided(mailbox, given, event('OfflineDeliverySet', { active: true }))).toBe(opens);
  });

  it('it does not outlive the registration: one client of two stays after all → opens', () => {
    const given = [
      ...history('delivering, deregistered meanwhile'),
      ended({ cause: 'channelLost' }),
    ];
    const stays = event('SubscriberDeregistered', { asOf: 2, expiresAt: START_MS + 60_000 });
    expect(decided(mailbox, given, stays)).toBe(
      '→ delivering startTimer(name: registration, dueAt: +60 s, event: RegistrationExpired) ' +
        'openDelivery(delivery: now)',
    );
  });
});
