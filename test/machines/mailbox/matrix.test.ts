import { expect, it } from 'vitest';
import { START_MS } from '../../controls/histories.ts';
import {
  mailbox,
  mailboxEvent,
  mailboxEventTypes,
  mailboxHistories,
} from '../../controls/mailbox-events.ts';
import { matrix } from '../matrix.ts';

const HOUR_MS = 3_600_000;
const now = { id: 'now', atMs: 10_000 } as const;

const inputs = [
  ['MessageDeferred', mailboxEvent('MessageDeferred', {}, now)],
  ['MessageDeferred, held', mailboxEvent('MessageDeferred', { held: true }, now)],
  ['MessageDeferred, unreachable', mailboxEvent('MessageDeferred', { unreachable: true }, now)],
  [
    'MessageDeferred, expires in 20 s',
    mailboxEvent('MessageDeferred', { expiresAt: START_MS + 30_000 }, now),
  ],
  ['SubscriberRegistered, first', mailboxEvent('SubscriberRegistered', { asOf: 0 }, now)],
  ['SubscriberRegistered, second', mailboxEvent('SubscriberRegistered', { asOf: 1 }, now)],
  [
    'SubscriberRegistered, second, no IM client left',
    mailboxEvent('SubscriberRegistered', { asOf: 1, expiresAt: null }, now),
  ],
  ['SubscriberDeregistered, the last', mailboxEvent('SubscriberDeregistered', {}, now)],
  [
    'SubscriberDeregistered, one of two',
    mailboxEvent('SubscriberDeregistered', { expiresAt: START_MS + 2 * HOUR_MS }, now),
  ],
  ['RegistrationExpired', mailboxEvent('RegistrationExpired', {}, now)],
  ['RegistrationExpired, stale', mailboxEvent('RegistrationExpired', { dueAt: START_MS }, now)],
  ['OfflineDeliverySet, off', mailboxEvent('OfflineDeliverySet', { active: false }, now)],
  ['OfflineDeliverySet, on', mailboxEvent('OfflineDeliverySet', { active: true }, now)],
  ['DeliveryEnded, completed', mailboxEvent('DeliveryEnded', {}, now)],
  [
    'DeliveryEnded, 480',
    mailboxEvent('DeliveryEnded', { cause: 'refused', status: 480, acknowledged: 0 }, now),
  ],
  [
    'DeliveryEnded, channel lost',
    mailboxEvent('DeliveryEnded', { cause: 'channelLost', acknowledged: 0 }, now),
  ],
  ['DeliveryEnded, of another', mailboxEvent('DeliveryEnded', { delivery: 'foreign' }, now)],
  ['RetryDue', mailboxEvent('RetryDue', {}, now)],
  ['RetryDue, stale', mailboxEvent('RetryDue', { dueAt: START_MS }, now)],
  ['MessageExpired', mailboxEvent('MessageExpired', {}, now)],
  ['MessageExpired, stale', mailboxEvent('MessageExpired', { asOf: 0 }, now)],
  ['ExpiryChecked', mailboxEvent('ExpiryChecked', { next: START_MS + 90_000 }, now)],
  ['ExpiryChecked, stale', mailboxEvent('ExpiryChecked', { asOf: 0 }, now)],
  ['MessageDeleted', mailboxEvent('MessageDeleted', {}, now)],
  ['MessageParked', mailboxEvent('MessageParked', {}, now)],
  ['MessageParked, by another', mailboxEvent('MessageParked', { delivery: 'foreign' }, now)],
  ['MessageHeld', mailboxEvent('MessageHeld', {}, now)],
  ['MessageReleased', mailboxEvent('MessageReleased', {}, now)],
  ['an event of no chart', { ...now, type: 'Nonsense', at: START_MS, data: {} }],
] as const;

it('mailbox: every state × every input → outcome, target and effects', async () => {
  const driven: ReadonlySet<string> = new Set(inputs.map(([, { type }]) => type));
  expect(mailboxEventTypes.filter((type) => !driven.has(type))).toEqual([]);
  await expect(matrix(mailbox, mailboxHistories, inputs)).toMatchFileSnapshot('./matrix.txt');
});
