import { describe, expect, it } from 'vitest';
import { decided, START_MS } from '../../controls/histories.ts';
import {
  mailboxEvent as event,
  mailboxHistory as history,
  mailbox,
  numbered,
} from '../../controls/mailbox-events.ts';

const DELIVERING = 'delivering';
const opens = '→ delivering openDelivery(delivery: now)';

describe('a message is deferred', () => {
  it('idle: MessageDeferred → kept [IM-11.3.2.5-1]', () => {
    expect(decided(mailbox, [], event('MessageDeferred'))).toBe('stays');
  });

  it('idle: MessageDeferred that expires → its expiry is watched [REF-3428-3]', () => {
    const input = event('MessageDeferred', { expiresAt: START_MS + 60_000 });
    expect(decided(mailbox, [], input)).toBe(
      'stays startTimer(name: expiry, dueAt: +60 s, event: MessageExpired)',
    );
  });

  it('idle: MessageDeferred that expires later than another → the timer is left alone', () => {
    const given = history('idle, one message waits that expires');
    const input = event('MessageDeferred', { expiresAt: START_MS + 90_000 });
    expect(decided(mailbox, given, input)).toBe('stays');
  });

  it('registered: MessageDeferred → a delivery opens [IM-11.3.2.3-3]', () => {
    expect(decided(mailbox, history('registered, empty'), event('MessageDeferred'))).toBe(opens);
  });

  it('registered: MessageDeferred during a back-off → a delivery opens, the retry is off', () => {
    expect(decided(mailbox, history('registered, backing off'), event('MessageDeferred'))).toBe(
      '→ delivering stopTimer(name: retry) openDelivery(delivery: now)',
    );
  });

  describe('registered: MessageDeferred of a client that could not be reached', () => {
    const unreached = event('MessageDeferred', { unreachable: true });

    it('→ no delivery at once, but after a pause', () => {
      const paused = 'startTimer(name: retry, dueAt: +30 s, event: RetryDue)';
      expect(decided(mailbox, history('registered, empty'), unreached)).toBe(`stays ${paused}`);
    });

    it('then RetryDue or SubscriberRegistered → a delivery opens', () => {
      const given = [...history('registered, empty'), unreached];
      const due = event('RetryDue', { dueAt: START_MS + 30_000 });
      const again = event('SubscriberRegistered', { asOf: 1 });
      for (const input of [due, again]) {
        expect(decided(mailbox, given, input)).toMatch(/^→ delivering .*openDelivery/);
      }
    });

    it('during a back-off, or while delivering → nothing more', () => {
      expect(decided(mailbox, history('registered, backing off'), unreached)).toBe('stays');
      expect(decided(mailbox, history(DELIVERING), unreached)).toBe('stays');
    });
  });

  it('registered: MessageDeferred held → waits until released [A-25]', () => {
    const input = event('MessageDeferred', { held: true });
    expect(decided(mailbox, history('registered, empty'), input)).toBe('stays');
  });

  it('registered: MessageDeferred with offline delivery off → waits [IM-11.3.2.3-2]', () => {
    const given = history('registered, offline delivery off, one message waits');
    expect(decided(mailbox, given, event('MessageDeferred'))).toBe('stays');
  });

  it('delivering: MessageDeferred → kept, no second delivery [T-29]', () => {
    expect(decided(mailbox, history(DELIVERING), event('MessageDeferred'))).toBe('stays');
  });
});

describe('a message is taken away or comes back', () => {
  it('registered: MessageReleased of a held message → a delivery opens [A-25]', () => {
    const given = history('registered, one held message');
    expect(decided(mailbox, given, event('MessageReleased'))).toBe(opens);
  });

  it('idle: MessageDeleted of the only message → no delivery at the next registration', () => {
    const given = [...history('idle, one message waits'), event('MessageDeleted')];
    expect(decided(mailbox, given, event('SubscriberRegistered'))).toBe(
      '→ registered startTimer(name: registration, dueAt: +3600 s, event: RegistrationExpired)',
    );
  });

  it('idle: MessageHeld of the only message → no delivery until MessageReleased', () => {
    const given = [
      ...history('idle, one message waits'),
      event('MessageHeld'),
      event('SubscriberRegistered'),
    ];
    expect(decided(mailbox, given, event('MessageReleased'))).toBe(opens);
  });

  it.each(['MessageDeleted', 'MessageHeld'] as const)('delivering: %s → refused', (type) => {
    expect(decided(mailbox, history(DELIVERING), event(type))).toBe('refused: delivering');
  });

  it('delivering: MessageReleased → counted, it waits for the next delivery', () => {
    const given = [...history(DELIVERING), event('MessageReleased')];
    expect(decided(mailbox, given, event('DeliveryEnded'))).toBe(
      'stays openDelivery(delivery: now)',
    );
  });

  it('delivering: MessageParked by the current delivery → not pushed again [A-31]', () => {
    const given = [...history(DELIVERING), event('MessageParked')];
    const input = event('DeliveryEnded', { cause: 'completedWithFailures', acknowledged: 0 });
    expect(decided(mailbox, given, input)).toBe('→ registered');
  });

  it('delivering: MessageParked by another delivery → refused', () => {
    const input = event('MessageParked', { delivery: 'foreign' });
    expect(decided(mailbox, history(DELIVERING), input)).toBe('refused: anotherDelivery');
  });

  it('registered: MessageParked → refused, nothing is being delivered', () => {
    const given = history('registered, empty');
    expect(decided(mailbox, given, event('MessageParked'))).toBe('refused: unexpected');
  });
});

describe('a message expires', () => {
  it('idle: MessageExpired, another stays → the timer moves to the next', () => {
    const given = history('idle, one message waits that expires');
    const input = event('MessageExpired', { next: START_MS + 90_000 });
    expect(decided(mailbox, given, input)).toBe(
      'stays startTimer(name: expiry, dueAt: +90 s, event: MessageExpired)',
    );
  });

  it('idle: MessageExpired of the last that could → the timer stops', () => {
    const given = history('idle, one message waits that expires');
    expect(decided(mailbox, given, event('MessageExpired'))).toBe('stays stopTimer(name: expiry)');
  });

  it.each(['MessageExpired', 'ExpiryChecked'] as const)(
    'idle: %s read before the newest message → refused',
    (type) => {
      const given = history('idle, one message waits that expires');
      expect(decided(mailbox, given, event(type, { asOf: 0 }))).toBe('refused: stale');
    },
  );

  it.each(['MessageExpired', 'ExpiryChecked'] as const)('delivering: %s → refused', (type) => {
    expect(decided(mailbox, history(DELIVERING), event(type))).toBe('refused: delivering');
  });

  it('registered: MessageExpired leaves another → only then a delivery opens', () => {
    const given = [...history('registered, the only message is overdue'), event('MessageDeferred')];
    const input = event('MessageExpired', { asOf: 2 });
    expect(decided(mailbox, given, input)).toBe(
      '→ delivering stopTimer(name: expiry) openDelivery(delivery: now)',
    );
  });

  it('registered: ExpiryChecked finds nothing overdue → a delivery opens', () => {
    const given = history('registered, the only message is overdue');
    const input = event('ExpiryChecked', { next: START_MS + 90_000 });
    expect(decided(mailbox, given, input)).toBe(
      '→ delivering startTimer(name: expiry, dueAt: +90 s, event: MessageExpired) ' +
        'openDelivery(delivery: now)',
    );
  });
});

it('idle: an event that no mailbox knows → refused', () => {
  const input = { type: 'Nonsense', id: 'now', at: START_MS, data: {} };
  expect(decided(mailbox, numbered(), input)).toBe('refused: unexpected');
});
