/** The history of deliveries: one row each, and an index by account. */
import type { Change, Projection, View } from '../engine/ports.ts';
import type { Recorded } from '../engine/recorded.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import type { DeliveryEvent } from '../machines/delivery/events.ts';
import type { DeliveryEndedData, MailboxEvent } from '../machines/mailbox/events.ts';
import { fold, key, put } from './change.ts';

/** Key: delivery id. */
export interface DeliveryRow {
  readonly account: string;
  readonly openedAt: number;
  /** State value of the delivery's chart. */
  readonly state: string;
  /** Messages of its snapshot. */
  readonly count: number;
  readonly acknowledged: number;
  readonly failed: number;
  /** As reported to the mailbox. */
  readonly cause?: DeliveryEndedData['cause'];
  readonly status?: number;
  readonly endedAt?: number;
}

/** Key: account, position of the first event. */
export interface AccountDeliveryRow {
  readonly delivery: string;
}

export const deliveryView: View<DeliveryRow> = { name: 'deliveries' };
export const accountDeliveryView: View<AccountDeliveryRow> = { name: 'accountDeliveries' };

function advance(row: DeliveryRow, fact: DeliveryEvent): DeliveryRow {
  switch (fact.type) {
    case 'SnapshotTaken':
    case 'SnapshotExtended':
      return { ...row, count: row.count + fact.data.count };
    case 'PushAcknowledged':
      return { ...row, acknowledged: row.acknowledged + 1 };
    case 'PushFailed':
      return {
        ...row,
        failed: row.failed + 1,
        acknowledged: row.acknowledged - (fact.data.takesBack ? 1 : 0),
      };
    default:
      return row;
  }
}

function deliveryChanges(event: Recorded, delivery: string): readonly Change[] {
  const fact = event as DeliveryEvent & Recorded;
  const state = event.meta.to ?? '';
  if (
    fact.type === 'DeliveryOpened' ||
    (fact.type === 'DeliveryInterrupted' && state === 'ended')
  ) {
    const { account } = fact.data;
    const opened: DeliveryRow = {
      account,
      openedAt: event.at,
      state,
      count: 0,
      acknowledged: 0,
      failed: 0,
    };
    return [
      fold(deliveryView, delivery, (row) => (row ? { ...row, state } : opened)),
      put(accountDeliveryView, key(account, event.position), { delivery }),
    ];
  }
  return [fold(deliveryView, delivery, (row) => row && { ...advance(row, fact), state })];
}

export const deliveries: Projection = {
  name: 'deliveries',
  version: 1,
  views: [deliveryView.name, accountDeliveryView.name],
  project(event) {
    const { category, id } = parseStreamName(event.stream);
    if (category === 'delivery') return deliveryChanges(event, id);
    if (category !== 'mailbox') return [];
    const fact = event as MailboxEvent & Recorded;
    if (fact.type !== 'DeliveryEnded') return [];
    const { delivery, cause, status } = fact.data;
    return [
      fold(
        deliveryView,
        delivery,
        (row) =>
          row && {
            ...row,
            cause,
            ...(status === undefined ? {} : { status }),
            endedAt: event.at,
          },
      ),
    ];
  },
};
