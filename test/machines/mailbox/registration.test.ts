import { describe, expect, it } from 'vitest';
import { decided, START_MS } from '../../controls/histories.ts';
import {
  mailboxEvent as event,
  mailboxHistory as history,
  mailbox,
} from '../../controls/mailbox-events.ts';

const watched = 'startTimer(name: registration, dueAt: +3600 s, event: RegistrationExpired)';
const again = event('SubscriberRegistered', { asOf: 1 });

describe('SubscriberRegistered', () => {
  it('idle: SubscriberRegistered, nothing waits → registered [IM-11.3.2.3-1]', () => {
    expect(decided(mailbox, [], event('SubscriberRegistered'))).toBe(`→ registered ${watched}`);
  });

  it('idle: SubscriberRegistered, a message waits → a delivery opens [IM-11.3.2.3-3]', () => {
    const given = history('idle, one message waits');
    expect(decided(mailbox, given, event('SubscriberRegistered'))).toBe(
      `→ delivering ${watched} openDelivery(delivery: now)`,
    );
  });

  it.each([
    'registered, one message waits until the next registration',
    'registered, the client cannot take a push',
  ])('%s: SubscriberRegistered → a delivery opens [A-33]', (name) => {
    expect(decided(mailbox, history(name), again)).toBe(
      `→ delivering ${watched} openDelivery(delivery: now)`,
    );
  });

  it('registered, backing off: SubscriberRegistered → a delivery opens [A-33]', () => {
    expect(decided(mailbox, history('registered, backing off'), again)).toBe(
      `→ delivering stopTimer(name: retry) ${watched} openDelivery(delivery: now)`,
    );
  });

  it('registered: SubscriberRegistered derived from an older one → refused', () => {
    const given = history('registered, empty');
    expect(decided(mailbox, given, event('SubscriberRegistered'))).toBe('refused: stale');
  });

  it('delivering: SubscriberRegistered → the delivery goes on [A-33]', () => {
    expect(decided(mailbox, history('delivering'), again)).toBe(`stays ${watched}`);
  });

  it('idle: SubscriberRegistered without an IM client → no delivery [T-06]', () => {
    const given = history('idle, one message waits');
    const input = event('SubscriberRegistered', { expiresAt: null });
    expect(decided(mailbox, given, input)).toBe('stays');
  });

  it('registered: SubscriberRegistered that leaves no IM client → idle [T-06]', () => {
    const input = event('SubscriberRegistered', { asOf: 1, expiresAt: null });
    expect(decided(mailbox, history('registered, empty'), input)).toBe(
      '→ idle stopTimer(name: registration)',
    );
  });

  it('delivering: SubscriberRegistered that leaves no IM client → idle at its end', () => {
    const input = event('SubscriberRegistered', { asOf: 1, expiresAt: null });
    const given = [...history('delivering'), input];
    const ended = event('DeliveryEnded', { cause: 'channelLost', acknowledged: 0 });
    expect(decided(mailbox, given, ended)).toBe('→ idle');
  });
});

describe('the registration is lost', () => {
  it.each(['registered, empty', 'registered, backing off'])(
    '%s: SubscriberDeregistered of the last client → idle',
    (name) => {
      expect(decided(mailbox, history(name), event('SubscriberDeregistered'))).toBe(
        '→ idle stopTimer(name: registration)',
      );
    },
  );

  it('registered: SubscriberDeregistered of one of two → stays until the other expires', () => {
    const input = event('SubscriberDeregistered', { expiresAt: START_MS + 7_200_000 });
    expect(decided(mailbox, history('registered, empty'), input)).toBe(
      'stays startTimer(name: registration, dueAt: +7200 s, event: RegistrationExpired)',
    );
  });

  it('registered: SubscriberDeregistered derived from an older one → refused', () => {
    const input = event('SubscriberDeregistered', { asOf: 0 });
    expect(decided(mailbox, history('registered, empty'), input)).toBe('refused: stale');
  });

  it('registered: RegistrationExpired → idle', () => {
    expect(decided(mailbox, history('registered, empty'), event('RegistrationExpired'))).toBe(
      '→ idle stopTimer(name: registration)',
    );
  });

  it('registered: RegistrationExpired of a registration since renewed → ignored', () => {
    const input = event('RegistrationExpired', { dueAt: START_MS });
    expect(decided(mailbox, history('registered, empty'), input)).toBe('ignored');
  });

  it('delivering: SubscriberDeregistered of one of two → the delivery goes on', () => {
    const input = event('SubscriberDeregistered', { expiresAt: START_MS + 7_200_000 });
    expect(decided(mailbox, history('delivering'), input)).toBe(
      'stays startTimer(name: registration, dueAt: +7200 s, event: RegistrationExpired)',
    );
  });

  it.each(['SubscriberDeregistered', 'RegistrationExpired'] as const)(
    'delivering: %s → idle, but only when the delivery ended',
    (type) => {
      const lost = event(type);
      expect(decided(mailbox, history('delivering'), lost)).toBe(
        'stays stopTimer(name: registration)',
      );
      const given = [...history('delivering'), lost];
      expect(decided(mailbox, given, event('DeliveryEnded'))).toBe('→ idle');
    },
  );
});

describe('OfflineDeliverySet', () => {
  it('registered: OfflineDeliverySet on, a message waits → a delivery opens', () => {
    const given = history('registered, offline delivery off, one message waits');
    const input = event('OfflineDeliverySet', { active: true });
    expect(decided(mailbox, given, input)).toBe('→ delivering openDelivery(delivery: now)');
  });

  it('delivering: OfflineDeliverySet off → the delivery goes on, the next does not open', () => {
    expect(decided(mailbox, history('delivering'), event('OfflineDeliverySet'))).toBe('stays');
    const given = [...history('delivering'), event('OfflineDeliverySet'), again];
    const ended = event('DeliveryEnded', { acknowledged: 0, cause: 'peerBye' });
    expect(decided(mailbox, given, ended)).toBe('→ registered');
  });

  it('idle: OfflineDeliverySet to what it is → ignored', () => {
    expect(decided(mailbox, [], event('OfflineDeliverySet', { active: true }))).toBe('ignored');
  });
});
