import { describe, expect, it } from 'vitest';
import type { PushFailedData } from '../../../src/machines/delivery/events.ts';
import {
  ACCOUNT,
  delivery,
  deliveryEvent as event,
  deliveryHistory as history,
} from '../../controls/delivery-events.ts';
import { decided, START_MS } from '../../controls/histories.ts';

const unbound = history('pushing, no channel');
const bound = history('pushing, bound, no snapshot');
const two = history('pushing, two outcomes missing');
const one = history('pushing, one outcome missing');
const byeAfter = (atMs: number, ackFirst = false) =>
  `→ bye stopTimer(name: duration) sendBye(account: ${ACCOUNT}, dialog: x, cseq: 2, ` +
  `surplus: false, ackFirst: ${ackFirst}) ` +
  `startTimer(name: grace, dueAt: +${2 + atMs / 1000} s, event: GraceElapsed)`;
/** Nothing more is sent behind the BYE: the channel goes first (T-12). */
const brokenOff = (ackFirst = false) =>
  byeAfter(0, ackFirst).replace('→ bye', '→ bye closeChannel()');
const ended = (cause: string, counts: string) =>
  `closeChannel() reportDelivery(account: ${ACCOUNT}, cause: ${cause}, unconfirmed: false, ${counts})`;

describe('the channel and the snapshot', () => {
  it('pushing: ChannelBound → asks pushMessages up to the opening event [IM-11.3.2.7-1]', () => {
    expect(decided(delivery, unbound, event('ChannelBound'))).toBe(
      `stays pushMessages(account: ${ACCOUNT}, through: 2)`,
    );
  });

  it('pushing: ChannelBound again → ignored', () => {
    expect(decided(delivery, bound, event('ChannelBound'))).toBe('ignored');
  });

  it('inviting: ChannelBound → refused', () => {
    const given = history('inviting');
    expect(decided(delivery, given, event('ChannelBound'))).toBe('refused: unexpected');
  });

  it('pushing: SnapshotTaken → its messages are awaited', () => {
    expect(decided(delivery, bound, event('SnapshotTaken'))).toBe('stays');
  });

  it('pushing: SnapshotTaken of nothing → bye', () => {
    expect(decided(delivery, bound, event('SnapshotTaken', { count: 0 }))).toBe(byeAfter(0));
  });

  it('pushing: SnapshotTaken twice → refused', () => {
    expect(decided(delivery, two, event('SnapshotTaken'))).toBe('refused: taken');
  });

  it('pushing: SnapshotExtended → one more outcome is awaited [A-32]', () => {
    const given = [...one, event('SnapshotExtended')];
    expect(decided(delivery, given, event('PushAcknowledged'))).toBe('stays');
  });

  it.each([
    ['before the snapshot', bound, event('SnapshotExtended')],
    ['to where it already reaches', two, event('SnapshotExtended', { through: 2 })],
  ])('pushing: SnapshotExtended %s → refused', (_, given, input) => {
    expect(decided(delivery, given, input)).toBe('refused: extendsNothing');
  });

  it('bye: SnapshotExtended → refused', () => {
    const given = history('bye, all acknowledged');
    expect(decided(delivery, given, event('SnapshotExtended'))).toBe('refused: unexpected');
  });
});

describe('outcomes', () => {
  it('pushing: PushAcknowledged, not the last → no BYE yet [T-11]', () => {
    expect(decided(delivery, two, event('PushAcknowledged'))).toBe('stays');
  });

  it('pushing: PushAcknowledged of the last → bye, asks sendBye [IM-11.3.2.7-9]', () => {
    expect(decided(delivery, one, event('PushAcknowledged'))).toBe(byeAfter(0));
  });

  it('pushing: PushFailed of the last → bye, asks sendBye [T-11]', () => {
    expect(decided(delivery, one, event('PushFailed'))).toBe(byeAfter(0));
  });

  it.each(['PushAcknowledged', 'PushFailed'] as const)(
    'pushing: %s before the snapshot → refused',
    (type) => {
      expect(decided(delivery, bound, event(type))).toBe('refused: noSnapshot');
    },
  );

  it('pushing: PushFailed that takes an acknowledgement back → still one is missing', () => {
    const takenBack = event('PushFailed', { takesBack: true });
    expect(decided(delivery, one, takenBack)).toBe('stays');
    const given = [...one, takenBack, event('PushAcknowledged')];
    expect(decided(delivery, given, event('ByeAnswered'))).toContain(
      ended('completedWithFailures', 'acknowledged: 1, failed: 1'),
    );
  });

  it('pushing: PushFailed that takes back what was never acknowledged → refused', () => {
    const takenBack = event('PushFailed', { takesBack: true });
    expect(decided(delivery, two, takenBack)).toBe('refused: nothingToTakeBack');
  });

  it.each(['PushAcknowledged', 'PushFailed'] as const)('ended: %s → refused', (type) => {
    expect(decided(delivery, history('ended, completed'), event(type))).toBe('refused: ended');
  });

  it.each<[string, Partial<PushFailedData>, string]>([
    ['a 413', { outcome: 'failed', attempt: true }, 'completedWithFailures'],
    ['a time-out', { outcome: 'timeout', attempt: false }, 'completedWithFailures'],
    [
      'a message that cannot be built',
      { outcome: 'unsent', reason: 'tooLarge', attempt: false },
      'completedWithFailures',
    ],
    ['an expired message', { outcome: 'unsent', reason: 'expired', attempt: false }, 'completed'],
  ])('pushing: the last outcome is %s → reported so that the next delivery pauses', (...row) => {
    const [, failure, cause] = row;
    const given = [...one, event('PushFailed', failure)];
    expect(decided(delivery, given, event('ByeAnswered'))).toContain(
      ended(cause, 'acknowledged: 1, failed: 1'),
    );
  });
});

describe('the session cannot go on', () => {
  it('pushing: ChannelLost → bye, reported as that', () => {
    expect(decided(delivery, two, event('ChannelLost'))).toBe(byeAfter(0));
    const given = [...two, event('ChannelLost')];
    expect(decided(delivery, given, event('ByeAnswered'))).toContain(
      ended('channelLost', 'acknowledged: 0, failed: 0'),
    );
  });

  it('pushing: ByeReceived → ended, the rest stays [A-31]', () => {
    expect(decided(delivery, one, event('ByeReceived'))).toBe(
      `→ ended stopTimer(name: duration) ${ended('peerBye', 'acknowledged: 1, failed: 0')}`,
    );
  });

  it('pushing: SessionExpired, the guard of every push → bye [A-29]', () => {
    expect(decided(delivery, two, event('SessionExpired'))).toBe(brokenOff());
  });

  it('pushing: SessionExpired with another due time → ignored', () => {
    expect(decided(delivery, two, event('SessionExpired', { dueAt: START_MS }))).toBe('ignored');
  });

  it('pushing: DeliveryInterrupted → bye, the ACK goes out again first', () => {
    expect(decided(delivery, two, event('DeliveryInterrupted'))).toBe(brokenOff(true));
  });
});
