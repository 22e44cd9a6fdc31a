import { expect, it } from 'vitest';
import {
  delivery,
  deliveryEvent,
  deliveryEventTypes,
  deliveryHistories,
  unacceptableAnswer,
} from '../../controls/delivery-events.ts';
import { START_MS } from '../../controls/histories.ts';
import { matrix } from '../matrix.ts';

const now = { id: 'now', atMs: 10_000 } as const;

const inviteTransactionTimedOut = {
  ...deliveryEvent('InviteTimedOut', {}, now),
  data: { by: 'transaction' },
};

const inputs = [
  ['DeliveryOpened', deliveryEvent('DeliveryOpened', {}, now)],
  ['InviteProgressed', deliveryEvent('InviteProgressed', {}, now)],
  ['InviteProgressed, new Allow', deliveryEvent('InviteProgressed', { allow: 'INVITE' }, now)],
  ['InviteAnswered', deliveryEvent('InviteAnswered', {}, now)],
  [
    'InviteAnswered, session timer',
    deliveryEvent('InviteAnswered', { sessionExpiresSeconds: 90 }, now),
  ],
  [
    'InviteAnswered, unacceptable',
    deliveryEvent('InviteAnswered', { answer: unacceptableAnswer }, now),
  ],
  ['InviteAnswered, by a fork', deliveryEvent('InviteAnswered', { toTag: 'fork' }, now)],
  ['InviteRefused', deliveryEvent('InviteRefused', {}, now)],
  ['InviteTimedOut, transaction', inviteTransactionTimedOut],
  ['InviteTimedOut, guard', deliveryEvent('InviteTimedOut', {}, now)],
  ['InviteTimedOut, stale', deliveryEvent('InviteTimedOut', { dueAt: START_MS }, now)],
  ['ChannelBound', deliveryEvent('ChannelBound', {}, now)],
  ['SnapshotTaken', deliveryEvent('SnapshotTaken', {}, now)],
  ['SnapshotTaken, empty', deliveryEvent('SnapshotTaken', { count: 0 }, now)],
  ['SnapshotExtended', deliveryEvent('SnapshotExtended', {}, now)],
  ['SnapshotExtended, not newer', deliveryEvent('SnapshotExtended', { through: 2 }, now)],
  ['PushAcknowledged', deliveryEvent('PushAcknowledged', {}, now)],
  ['PushFailed', deliveryEvent('PushFailed', {}, now)],
  ['PushFailed, takes back', deliveryEvent('PushFailed', { takesBack: true }, now)],
  ['ChannelLost', deliveryEvent('ChannelLost', {}, now)],
  ['RefreshDue', deliveryEvent('RefreshDue', {}, now)],
  ['RefreshDue, stale', deliveryEvent('RefreshDue', { dueAt: START_MS }, now)],
  ['SessionRefreshed', deliveryEvent('SessionRefreshed', { sessionExpiresSeconds: 90 }, now)],
  ['SessionExpired', deliveryEvent('SessionExpired', {}, now)],
  ['SessionExpired, stale', deliveryEvent('SessionExpired', { dueAt: START_MS }, now)],
  ['SessionExpired, 491', { ...deliveryEvent('SessionExpired', {}, now), data: { status: 491 } }],
  ['SessionExpired, 481', { ...deliveryEvent('SessionExpired', {}, now), data: { status: 481 } }],
  ['ByeReceived', deliveryEvent('ByeReceived', {}, now)],
  ['ByeAnswered', deliveryEvent('ByeAnswered', {}, now)],
  ['GraceElapsed', deliveryEvent('GraceElapsed', {}, now)],
  ['GraceElapsed, stale', deliveryEvent('GraceElapsed', { dueAt: START_MS }, now)],
  ['DeliveryInterrupted', deliveryEvent('DeliveryInterrupted', {}, now)],
  ['an event of no chart', { ...now, type: 'Nonsense', at: START_MS, data: {} }],
] as const;

it('delivery: every state × every input → outcome, target and effects', async () => {
  const driven: ReadonlySet<string> = new Set(inputs.map(([, { type }]) => type));
  expect(deliveryEventTypes.filter((type) => !driven.has(type))).toEqual([]);
  await expect(matrix(delivery, deliveryHistories, inputs)).toMatchFileSnapshot('./matrix.txt');
});
