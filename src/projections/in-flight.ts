/**
 * What is open: running timers, mailboxes that are delivering, deliveries that have not ended.
 * Recovery reads it after a restart. All of it stands in the envelopes, so no chart is needed.
 */
import type { Change, Projection, View } from '../engine/ports.ts';
import type { Recorded } from '../engine/recorded.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import { key, put, remove } from './change.ts';

/** Key: stream, timer name. */
export interface TimerRow {
  readonly stream: string;
  readonly name: string;
  readonly dueAt: number;
  readonly event: string;
}

/** A mailbox in `delivering`; key: account. */
export interface DeliveringRow {
  readonly delivery: string;
}

/** A delivery that was opened and has not ended; key: delivery id. */
export interface OpenDeliveryRow {
  readonly state: string;
}

export const timerView: View<TimerRow> = { name: 'timers' };
export const deliveringView: View<DeliveringRow> = { name: 'delivering' };
export const openDeliveryView: View<OpenDeliveryRow> = { name: 'openDeliveries' };

function timerChanges(event: Recorded): Change[] {
  return Object.entries(event.meta.timers ?? {}).map(([name, mark]) => {
    const at = key(event.stream, name);
    return mark
      ? put(timerView, at, { stream: event.stream, name, ...mark })
      : remove(timerView, at);
  });
}

export const inFlight: Projection = {
  name: 'inFlight',
  version: 1,
  views: [timerView.name, deliveringView.name, openDeliveryView.name],
  project(event) {
    const { from, to, effects } = event.meta;
    if (to === undefined) return [];
    const changes = timerChanges(event);
    const { category, id } = parseStreamName(event.stream);
    if (category === 'mailbox') {
      // The end of one delivery can open the next in the same transition: look at the effect.
      if (effects?.includes('openDelivery')) {
        changes.push(put(deliveringView, id, { delivery: event.id }));
      } else if (from === 'delivering' && to !== 'delivering') {
        changes.push(remove(deliveringView, id));
      }
    } else if (category === 'delivery' && from !== to) {
      changes.push(
        to === 'ended' ? remove(openDeliveryView, id) : put(openDeliveryView, id, { state: to }),
      );
    }
    return changes;
  },
};
