/**
 * Histories that a rule of the charts prevents, as an exhaustive exploration found them when the rule
 * was switched off. Each must stay impossible. Those of the runner and of recovery are tested there.
 */
import { describe, expect, it } from 'vitest';
import { replay } from '../../src/engine/decide.ts';
import {
  ACCOUNT,
  delivery,
  deliveryHistory,
  deliveryEvent as seen,
} from '../controls/delivery-events.ts';
import { decided, START_MS } from '../controls/histories.ts';
import { mailboxEvent as event, mailbox, mailboxHistory } from '../controls/mailbox-events.ts';

const delivering = mailboxHistory('delivering');
const failed = { acknowledged: 0, failed: 1 } as const;
const opensNext = 'stays openDelivery(delivery: now)';
const reRegistered = event('SubscriberRegistered', { asOf: 1 });
const refused486 = { delivery: 'e4', cause: 'refused', status: 486, ...failed } as const;
const backsOff = (seconds: number) =>
  `→ registered startTimer(name: retry, dueAt: +${seconds} s, event: RetryDue)`;

describe('mailbox', () => {
  it('C-02: registers again while ringing, the old contact says 480 → tried again', () => {
    const given = [...delivering, reRegistered];
    const input = event('DeliveryEnded', { ...failed, cause: 'refused', status: 480 });
    expect(decided(mailbox, given, input)).toBe(opensNext);
  });

  it('C-03: deregisters and registers during a delivery → no second delivery', () => {
    const given = [...delivering, event('SubscriberDeregistered')];
    const input = event('SubscriberRegistered', { asOf: 2 });
    expect(decided(mailbox, given, input)).toBe(
      'stays startTimer(name: registration, dueAt: +3600 s, event: RegistrationExpired)',
    );
  });

  it('C-04: a message comes before the snapshot and is pushed with it → no empty INVITE', () => {
    const given = [...delivering, event('MessageDeferred')];
    const input = event('DeliveryEnded', { acknowledged: 2 });
    expect(decided(mailbox, given, input)).toBe('→ registered');
  });

  it('C-04: a REPORT took the only acknowledgement back → it is tried again, after a pause', () => {
    const input = event('DeliveryEnded', { ...failed, cause: 'completedWithFailures' });
    expect(decided(mailbox, delivering, input)).toBe(backsOff(30));
  });

  it('C-04: a message comes after the snapshot → the end itself opens the next delivery', () => {
    const given = [...delivering, event('MessageDeferred')];
    expect(decided(mailbox, given, event('DeliveryEnded'))).toBe(opensNext);
  });

  const expiresSoon = [
    event('MessageDeferred', { expiresAt: START_MS + 10_000 }),
    { ...event('SubscriberRegistered'), id: 'e2' },
  ];
  const late = { atMs: 20_000 };

  it('C-05: the message expired while inviting → its end opens nothing', () => {
    const input = event('DeliveryEnded', { acknowledged: 0, failed: 1 }, late);
    expect(decided(mailbox, expiresSoon, input)).toBe(
      '→ registered startTimer(name: expiry, dueAt: +10 s, event: MessageExpired)',
    );
  });

  it('C-06: the expiry timer fired while delivering → armed again at the end, for the past', () => {
    expect(decided(mailbox, expiresSoon, event('MessageExpired', {}, late))).toBe(
      'refused: delivering',
    );
    const input = event('DeliveryEnded', { ...failed, cause: 'refused', status: 480 }, late);
    expect(decided(mailbox, expiresSoon, input)).toBe(
      '→ registered startTimer(name: expiry, dueAt: +10 s, event: MessageExpired)',
    );
  });

  it('C-07: the second-earliest expiry comes from the view, and is refused when it is old', () => {
    const given = [
      event('MessageDeferred', { expiresAt: START_MS + 10_000 }),
      event('MessageDeferred', { expiresAt: START_MS + 15_000 }),
    ];
    const expired = (asOf: number) =>
      event('MessageExpired', { next: START_MS + 15_000, asOf }, late);
    expect(decided(mailbox, given, expired(2))).toBe(
      'stays startTimer(name: expiry, dueAt: +15 s, event: MessageExpired)',
    );
    expect(decided(mailbox, given, expired(1))).toBe('refused: stale');
  });

  it.each(['MessageDeleted', 'MessageHeld'] as const)('C-08: %s while it is sent → no', (type) => {
    expect(decided(mailbox, delivering, event(type))).toBe('refused: delivering');
  });

  it.each([
    ['the peer says BYE mid-push', 'peerBye'],
    ['a message failed', 'completedWithFailures'],
  ] as const)('C-10: %s → the rest is tried again, after a pause', (_, cause) => {
    expect(decided(mailbox, delivering, event('DeliveryEnded', { ...failed, cause }))).toBe(
      backsOff(30),
    );
  });

  const byeLost = [
    ...delivering,
    event('DeliveryEnded', { ...failed, cause: 'channelLost', unconfirmed: true }),
    { ...event('RetryDue'), id: 'e4' },
  ];

  it('C-13: the BYE was lost, the client is still in the old session: 486 → back-off', () => {
    expect(decided(mailbox, byeLost, event('DeliveryEnded', refused486))).toBe(backsOff(60));
  });

  it('C-13: the same with a restart in between that sent nothing → back-off', () => {
    const given = [
      ...byeLost,
      { ...event('DeliveryEnded', { ...failed, delivery: 'e4', cause: 'restart' }), id: 'e5' },
    ];
    const input = event('DeliveryEnded', { ...refused486, delivery: 'e5' });
    expect(decided(mailbox, given, input)).toBe(backsOff(30));
  });

  it('C-13: a session was confirmed since → 486 means what it says', () => {
    const given = [
      ...byeLost,
      event('DeliveryEnded', { ...failed, delivery: 'e4', cause: 'peerBye', unconfirmed: false }),
      { ...event('MessageDeferred'), id: 'e6' },
    ];
    const input = event('DeliveryEnded', { ...refused486, delivery: 'e6' });
    expect(decided(mailbox, given, input)).toBe('→ registered');
  });

  it('C-18: offline delivery is switched on while registered → a delivery opens', () => {
    const given = mailboxHistory('registered, offline delivery off, one message waits');
    const input = event('OfflineDeliverySet', { active: true });
    expect(decided(mailbox, given, input)).toBe('→ delivering openDelivery(delivery: now)');
  });
});

describe('delivery', () => {
  const ringing = deliveryHistory('inviting, ringing');
  const cancelling = deliveryHistory('cancelling, ringing');
  const ack = `sendAck(account: ${ACCOUNT}, dialog: x)`;

  it('C-09: a restart cancels, the client says 487 → reported as restart', () => {
    expect(decided(delivery, cancelling, seen('InviteRefused', { status: 487 }))).toContain(
      'cause: restart, unconfirmed: false',
    );
  });

  it.each([408, 481])(
    'C-09: the channel was lost, our BYE gets %i → reported as that',
    (status) => {
      const given = deliveryHistory('bye, channel lost, one outcome missing');
      expect(decided(delivery, given, seen('ByeAnswered', { status }))).toContain(
        'cause: channelLost',
      );
    },
  );

  it('C-12: interrupted while ringing → the old INVITE is waited for', () => {
    expect(replay(delivery, [...ringing, seen('DeliveryInterrupted')]).value).toBe('cancelling');
    expect(decided(delivery, cancelling, seen('InviteProgressed'))).toBe('ignored');
  });

  it.each([
    ['CANCEL', 'cancelling, ringing'],
    ['BYE', 'bye, all acknowledged'],
  ])('C-13: the %s is not answered in the grace → reported as unconfirmed', (_, name) => {
    expect(decided(delivery, deliveryHistory(name), seen('GraceElapsed'))).toContain(
      'unconfirmed: true',
    );
  });

  it('C-13: interrupted before anything was sent → says nothing of an older BYE', () => {
    expect(decided(delivery, [], seen('DeliveryInterrupted'))).not.toContain('unconfirmed');
  });

  it('C-14: crash after the 2xx → the ACK goes again before the BYE', () => {
    const given = deliveryHistory('pushing, no channel');
    expect(decided(delivery, given, seen('DeliveryInterrupted'))).toContain('ackFirst: true');
  });

  it('C-14: the CANCEL was lost and the delivery ended, a late 2xx → ACK and BYE', () => {
    const given = [...cancelling, seen('GraceElapsed')];
    expect(decided(delivery, given, seen('InviteAnswered'))).toBe(
      `stays ${ack} sendBye(account: ${ACCOUNT}, dialog: x, cseq: 2, surplus: true, ackFirst: false)`,
    );
  });

  it('C-19: the snapshot is empty → bye', () => {
    const given = deliveryHistory('pushing, bound, no snapshot');
    expect(replay(delivery, [...given, seen('SnapshotTaken', { count: 0 })]).value).toBe('bye');
  });

  it('C-22: an extension that reaches no further, after a take-back → adds nothing again', () => {
    const given = [
      ...deliveryHistory('pushing, one outcome missing'),
      seen('PushFailed', { takesBack: true }),
    ];
    expect(decided(delivery, given, seen('SnapshotExtended', { through: 2 }))).toBe(
      'refused: extendsNothing',
    );
  });
});
