import { describe, expect, it } from 'vitest';
import {
  ACCOUNT,
  delivery,
  deliveryEvent as event,
  deliveryHistory as history,
} from '../../controls/delivery-events.ts';
import { decided, START_MS } from '../../controls/histories.ts';

const done = history('bye, all acknowledged');
const cut = history('bye, channel lost, one outcome missing');
const ended = (cause: string, counts: string, unconfirmed = false) =>
  `→ ended stopTimer(name: grace) closeChannel() reportDelivery(account: ${ACCOUNT}, ` +
  `cause: ${cause}, unconfirmed: ${unconfirmed}, ${counts})`;

describe('bye', () => {
  it.each([200, 408, 481])('bye: ByeAnswered with %i → ended, cause kept', (status) => {
    expect(decided(delivery, done, event('ByeAnswered', { status }))).toBe(
      ended('completed', 'acknowledged: 1, failed: 0'),
    );
  });

  it('bye: ByeReceived, both said BYE → ended, cause kept [RFC 3261 §15]', () => {
    expect(decided(delivery, done, event('ByeReceived'))).toBe(
      ended('completed', 'acknowledged: 1, failed: 0'),
    );
  });

  it('bye: GraceElapsed → ended, the BYE is not confirmed', () => {
    expect(decided(delivery, done, event('GraceElapsed'))).toBe(
      ended('completed', 'acknowledged: 1, failed: 0', true),
    );
  });

  it('bye: GraceElapsed with another due time → ignored', () => {
    expect(decided(delivery, done, event('GraceElapsed', { dueAt: START_MS }))).toBe('ignored');
  });

  it('bye: PushAcknowledged that came late → still counted', () => {
    const given = [...cut, event('PushAcknowledged')];
    expect(decided(delivery, given, event('ByeAnswered'))).toBe(
      ended('channelLost', 'acknowledged: 1, failed: 0'),
    );
  });

  it('bye: PushFailed that came late → still counted', () => {
    const given = [...cut, event('PushFailed')];
    expect(decided(delivery, given, event('ByeAnswered'))).toBe(
      ended('channelLost', 'acknowledged: 0, failed: 1'),
    );
  });

  it('bye: PushFailed takes the only acknowledgement back → it stays waiting [A-31]', () => {
    const given = [...done, event('PushFailed', { takesBack: true })];
    expect(decided(delivery, given, event('ByeAnswered'))).toBe(
      ended('completedWithFailures', 'acknowledged: 0, failed: 1'),
    );
  });

  it.each(['PushAcknowledged', 'PushFailed'] as const)(
    'bye: %s beyond the snapshot → refused',
    (type) => {
      expect(decided(delivery, done, event(type))).toBe('refused: unexpected');
    },
  );

  it('bye: PushFailed takes back what was never acknowledged → refused', () => {
    const takenBack = event('PushFailed', { takesBack: true });
    expect(decided(delivery, cut, takenBack)).toBe('refused: nothingToTakeBack');
  });

  it.each(['PushAcknowledged', 'PushFailed'] as const)(
    'bye without a snapshot: %s → refused',
    (type) => {
      const given = [...history('pushing, bound, no snapshot'), event('ChannelLost')];
      expect(decided(delivery, given, event(type))).toBe('refused: noSnapshot');
    },
  );

  it('bye: ChannelLost → ignored, the session is over anyway', () => {
    expect(decided(delivery, done, event('ChannelLost'))).toBe('ignored');
  });

  it('bye: DeliveryInterrupted → the ACK and a BYE with the next CSeq go out again [T-20]', () => {
    const input = event('DeliveryInterrupted', {}, { atMs: 1_000 });
    expect(decided(delivery, done, input)).toBe(
      `stays closeChannel() stopTimer(name: grace) sendBye(account: ${ACCOUNT}, dialog: x, cseq: 3, ` +
        'surplus: false, ackFirst: true) startTimer(name: grace, dueAt: +3 s, event: GraceElapsed)',
    );
  });
});

describe('ended', () => {
  it.each(['ByeReceived', 'ByeAnswered', 'GraceElapsed', 'ChannelLost', 'InviteRefused'] as const)(
    'ended: %s → ignored',
    (type) => {
      expect(decided(delivery, history('ended, completed'), event(type))).toBe('ignored');
    },
  );

  it.each(['DeliveryInterrupted', 'SnapshotTaken', 'ChannelBound'] as const)(
    'ended: %s → refused',
    (type) => {
      expect(decided(delivery, history('ended, completed'), event(type))).toBe(
        'refused: unexpected',
      );
    },
  );
});
