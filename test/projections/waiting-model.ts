import type { ViewStore } from '../../src/engine/ports.ts';
import type { Recorded } from '../../src/engine/recorded.ts';
import { parseStreamName } from '../../src/engine/stream-name.ts';
import type { DeliveryEvent } from '../../src/machines/delivery/events.ts';
import type { MailboxEvent } from '../../src/machines/mailbox/events.ts';
import {
  type MessageState,
  mailboxView,
  messageView,
  waitingView,
} from '../../src/projections/waiting-messages.ts';

interface Kept {
  readonly account: string;
  readonly id: string;
  readonly bytes: number;
  state: MessageState;
  /** Its place in the order of delivery. */
  place: number;
}

/** The messages of every account as one plain list, told by the log and nothing else. */
export function messagesIn(log: readonly Recorded[]): readonly Kept[] {
  const kept = new Map<string, Kept>();
  const become = (id: string, state: MessageState) => {
    const message = kept.get(id);
    if (message) message.state = state;
  };
  for (const event of log) {
    const fact = event as (MailboxEvent | DeliveryEvent) & Recorded;
    const { id: account } = parseStreamName(event.stream);
    switch (fact.type) {
      case 'MessageDeferred': {
        const { id, bytes, held } = fact.data;
        const state = held ? 'held' : 'waiting';
        kept.set(id, { account, id, bytes, state, place: event.revision });
        break;
      }
      case 'MessageReleased': {
        become(fact.data.id, 'waiting');
        const message = kept.get(fact.data.id);
        if (message) message.place = event.revision;
        break;
      }
      case 'MessageHeld':
        become(fact.data.id, 'held');
        break;
      case 'MessageParked':
        become(fact.data.id, 'parked');
        break;
      case 'MessageExpired':
        become(fact.data.id, 'expired');
        break;
      case 'MessageDeleted':
        become(fact.data.id, 'deleted');
        break;
      case 'PushAcknowledged':
        become(fact.data.id, 'delivered');
        break;
      case 'PushFailed':
        if (fact.data.takesBack) become(fact.data.id, 'waiting');
    }
  }
  return [...kept.values()];
}

/** What the views must say of that list: waiting ids in order, and the counts. */
export function modelOf(messages: readonly Kept[], account: string) {
  const mine = messages.filter((message) => message.account === account);
  const within = (state: MessageState) => mine.filter((message) => message.state === state);
  const here = [...within('waiting'), ...within('held'), ...within('parked')];
  return {
    waiting: within('waiting')
      .sort((a, b) => a.place - b.place)
      .map(({ id }) => id),
    states: Object.fromEntries(mine.map(({ id, state }) => [id, state])),
    counts: {
      waiting: within('waiting').length,
      held: within('held').length,
      parked: within('parked').length,
      bytes: here.reduce((sum, { bytes }) => sum + bytes, 0),
      deferred: mine.length,
    },
  };
}

/** The same, as the views have it. */
export async function viewsOf(views: ViewStore, account: string) {
  const waiting = await views.range(waitingView, { from: `${account} `, to: `${account}!` });
  const rows = await views.range(messageView);
  const counts = await views.get(mailboxView, account);
  return {
    waiting: waiting.map(([, { id }]) => id),
    states: Object.fromEntries(
      rows.filter(([, row]) => row.account === account).map(([id, { state }]) => [id, state]),
    ),
    counts: counts ?? { waiting: 0, held: 0, parked: 0, bytes: 0, deferred: 0 },
  };
}
