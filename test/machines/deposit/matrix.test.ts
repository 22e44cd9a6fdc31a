import { expect, it } from 'vitest';
import type { Stamped } from '../../../src/engine/decide.ts';
import {
  deposit,
  depositEvent,
  depositEventTypes,
  depositHistories,
} from '../../controls/deposit-events.ts';
import { START_MS } from '../../controls/histories.ts';
import { matrix } from '../matrix.ts';

const now = { id: 'now', atMs: 10_000 } as const;
const lateOffer = depositEvent('DepositOffered', {}, now);
const { end: _, ...withoutEnd } = lateOffer.data as { readonly end: unknown };

const inputs: readonly (readonly [what: string, input: Stamped])[] = [
  ['DepositOffered', depositEvent('DepositOffered', {}, now)],
  ['DepositOffered, no offer in it', { ...lateOffer, data: withoutEnd }],
  ['DepositRefused', depositEvent('DepositRefused', {}, now)],
  ['AckReceived', depositEvent('AckReceived', {}, now)],
  [
    'AckReceived, an answer',
    depositEvent('AckReceived', { end: { path: ['msrp://h:1/a;tcp'], setup: 'passive' } }, now),
  ],
  ['AckReceived, unacceptable', depositEvent('AckReceived', { unacceptable: 'port 0' }, now)],
  ['AckMissed', depositEvent('AckMissed', {}, now)],
  ['ChannelBound', depositEvent('ChannelBound', {}, now)],
  ['MessageCompleted', depositEvent('MessageCompleted', {}, now)],
  ['DepositAborted', depositEvent('DepositAborted', {}, now)],
  ['ChannelLost', depositEvent('ChannelLost', {}, now)],
  ['IdleElapsed', depositEvent('IdleElapsed', {}, now)],
  ['SessionRefreshed', depositEvent('SessionRefreshed', {}, now)],
  ['SessionExpired', depositEvent('SessionExpired', {}, now)],
  ['SessionExpired, stale', depositEvent('SessionExpired', { dueAt: START_MS }, now)],
  ['ByeReceived', depositEvent('ByeReceived', {}, now)],
  ['ByeAnswered', depositEvent('ByeAnswered', {}, now)],
  ['GraceElapsed', depositEvent('GraceElapsed', {}, now)],
  ['GraceElapsed, stale', depositEvent('GraceElapsed', { dueAt: START_MS }, now)],
  ['DepositInterrupted', depositEvent('DepositInterrupted', {}, now)],
  [
    'DepositInterrupted, cancelled',
    depositEvent('DepositInterrupted', { cause: 'cancelled' }, now),
  ],
  ['an event of no chart', { ...now, type: 'Nonsense', at: START_MS, data: {} }],
];

it('deposit: every state × every input → outcome, target and effects', async () => {
  const driven: ReadonlySet<string> = new Set(inputs.map(([, { type }]) => type));
  expect(depositEventTypes.filter((type) => !driven.has(type))).toEqual([]);
  await expect(matrix(deposit, depositHistories, inputs)).toMatchFileSnapshot('./matrix.txt');
});
