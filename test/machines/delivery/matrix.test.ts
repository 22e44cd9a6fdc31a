import { expect, it } from 'vitest';
import type { Stamped } from '../../../src/engine/decide.ts';
import type { RefreshRefusedData } from '../../../src/machines/delivery/events.ts';
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

const challenge = { lines: ['Digest realm="core", nonce="n"'], stale: false };

function refused(data: RefreshRefusedData): Stamped {
  return { ...deliveryEvent('SessionExpired', {}, now), data };
}

const inputs: readonly (readonly [what: string, input: Stamped])[] = [
  ['DeliveryOpened', deliveryEvent('DeliveryOpened', {}, now)],
  ['InviteProgressed', deliveryEvent('InviteProgressed', {}, now)],
  ['InviteProgressed, new Allow', deliveryEvent('InviteProgressed', { allow: 'INVITE' }, now)],
  ['InviteProgressed, reliable', deliveryEvent('InviteProgressed', { toTag: 'x', rseq: 7 }, now)],
  ['InviteProgressed, outdated', deliveryEvent('InviteProgressed', { inviteCseq: 1 }, now)],
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
  ['InviteAnswered, outdated', deliveryEvent('InviteAnswered', { inviteCseq: 1 }, now)],
  ['InviteRefused', deliveryEvent('InviteRefused', {}, now)],
  ['InviteRefused, outdated', deliveryEvent('InviteRefused', { inviteCseq: 1 }, now)],
  ['InviteRefused, 422', deliveryEvent('InviteRefused', { status: 422, minSeSeconds: 3_600 }, now)],
  ['InviteRefused, 407', deliveryEvent('InviteRefused', { status: 407, challenge }, now)],
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
  ['SessionRefreshed, by them', deliveryEvent('SessionRefreshed', { refresher: 'uas' }, now)],
  ['SessionExpired, 500', refused({ status: 500 })],
  ['SessionExpired, 491', refused({ status: 491, retryAfterMs: 3_000 })],
  ['SessionExpired, 481', refused({ status: 481 })],
  ['SessionExpired, 422', refused({ status: 422, minSeSeconds: 3_600 })],
  ['SessionExpired, 407', refused({ status: 407, challenge })],
  ['ByeReceived', deliveryEvent('ByeReceived', {}, now)],
  ['ByeAnswered', deliveryEvent('ByeAnswered', {}, now)],
  ['ByeAnswered, 401', deliveryEvent('ByeAnswered', { status: 401, challenge }, now)],
  ['GraceElapsed', deliveryEvent('GraceElapsed', {}, now)],
  ['GraceElapsed, stale', deliveryEvent('GraceElapsed', { dueAt: START_MS }, now)],
  ['DeliveryInterrupted', deliveryEvent('DeliveryInterrupted', {}, now)],
  ['an event of no chart', { ...now, type: 'Nonsense', at: START_MS, data: {} }],
];

it('delivery: every state × every input → outcome, target and effects', async () => {
  const driven: ReadonlySet<string> = new Set(inputs.map(([, { type }]) => type));
  expect(deliveryEventTypes.filter((type) => !driven.has(type))).toEqual([]);
  await expect(matrix(delivery, deliveryHistories, inputs)).toMatchFileSnapshot('./matrix.txt');
});
