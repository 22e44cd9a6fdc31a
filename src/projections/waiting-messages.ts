/**
 * The message store: which messages wait for whom, in the order in which they became pushable, and
 * what became of each. Octets stay in the log; a row says where.
 */
import type { Change, Projection, View } from '../engine/ports.ts';
import type { Position, Recorded } from '../engine/recorded.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import type { DeliveryEvent } from '../machines/delivery/events.ts';
import type {
  LargeSource,
  MailboxEvent,
  MessageDeferredData,
  Priority,
  RemovalData,
} from '../machines/mailbox/events.ts';
import { fold, key, put, remove } from './change.ts';

/** One row for each message that a delivery opened now would push; key: account, revision. */
export interface WaitingRow {
  readonly id: string;
}

export type MessageState = 'waiting' | 'held' | 'parked' | 'delivered' | 'expired' | 'deleted';

/** One row for each message ever deferred; key: id. */
export interface MessageRow {
  readonly account: string;
  readonly state: MessageState;
  readonly kind: 'message' | 'large';
  /** Where its octets are: revision in the mailbox's stream, and position in the log. */
  readonly deferred: number;
  /** Present: they are in the stream of the session that it came by, and in the blob store. */
  readonly source?: LargeSource;
  readonly position: Position;
  /** Mailbox revision at which it became pushable: its place in the order of delivery. */
  readonly revision: number;
  readonly receivedAt: number;
  readonly bytes: number;
  readonly priority?: Priority;
  readonly expiresAt?: number;
  /** Failed pushes that count, since it was deferred or released. */
  readonly attempts: number;
  /** The delivery that had the last word, and when the message left the waiting ones. */
  readonly delivery?: string;
  readonly endedAt?: number;
}

/** Waiting, held and parked messages that expire; key: account, time, id. */
export interface ExpiryRow {
  readonly id: string;
}

/** Waiting messages with failed pushes; key: account, id. */
export interface AttemptRow {
  readonly attempts: number;
}

/** One row for each account that ever had a message; key: account. */
export interface MailboxRow {
  readonly waiting: number;
  readonly held: number;
  readonly parked: number;
  /** Octets of the messages above. */
  readonly bytes: number;
  /** MessageDeferred events so far: `asOf` of what is derived from these views. */
  readonly deferred: number;
}

export const waitingView: View<WaitingRow> = { name: 'waiting' };
export const messageView: View<MessageRow> = { name: 'messages' };
export const expiryView: View<ExpiryRow> = { name: 'expiries' };
export const attemptView: View<AttemptRow> = { name: 'attempts' };
export const mailboxView: View<MailboxRow> = { name: 'mailboxes' };

const EMPTY: MailboxRow = { waiting: 0, held: 0, parked: 0, bytes: 0, deferred: 0 };

function tally(account: string, change: (row: MailboxRow) => MailboxRow): Change {
  return fold(mailboxView, account, (row) => change(row ?? EMPTY));
}

function become(id: string, next: (row: MessageRow) => MessageRow): Change {
  return fold(messageView, id, (row) => row && next(row));
}

function expiryKey(account: string, id: string, expiresAt: number | undefined): string | undefined {
  return expiresAt === undefined ? undefined : key(account, expiresAt, id);
}

function deferredChanges(event: Recorded, account: string, data: MessageDeferredData): Change[] {
  const { id, kind, bytes, priority, expiresAt, held, source } = data;
  const row: MessageRow = {
    account,
    state: held ? 'held' : 'waiting',
    kind,
    deferred: event.revision,
    position: event.position,
    revision: event.revision,
    receivedAt: event.at,
    bytes,
    attempts: 0,
    ...(priority === undefined ? {} : { priority }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(source === undefined ? {} : { source }),
  };
  const changes = [
    put(messageView, id, row),
    tally(account, (mailbox) => ({
      ...mailbox,
      waiting: mailbox.waiting + (held ? 0 : 1),
      held: mailbox.held + (held ? 1 : 0),
      bytes: mailbox.bytes + bytes,
      deferred: mailbox.deferred + 1,
    })),
  ];
  if (!held) changes.push(put(waitingView, key(account, event.revision), { id }));
  const expires = expiryKey(account, id, expiresAt);
  if (expires) changes.push(put(expiryView, expires, { id }));
  return changes;
}

/** The message leaves the mailbox for good. */
function goneChanges(
  event: Recorded,
  account: string,
  data: RemovalData,
  state: 'expired' | 'deleted',
): Change[] {
  const changes = [
    remove(waitingView, key(account, data.revision)),
    remove(attemptView, key(account, data.id)),
    become(data.id, (row) => ({ ...row, state, endedAt: event.at })),
    tally(account, (mailbox) => ({
      ...mailbox,
      [data.from]: mailbox[data.from] - 1,
      bytes: mailbox.bytes - data.bytes,
    })),
  ];
  const expires = expiryKey(account, data.id, data.expiresAt);
  if (expires) changes.push(remove(expiryView, expires));
  return changes;
}

/** It stays in the mailbox, but is no longer pushed. */
function setAsideChanges(account: string, data: RemovalData, state: 'held' | 'parked'): Change[] {
  return [
    remove(waitingView, key(account, data.revision)),
    remove(attemptView, key(account, data.id)),
    become(data.id, (row) => ({ ...row, state })),
    tally(account, (mailbox) => ({
      ...mailbox,
      [data.from]: mailbox[data.from] - 1,
      [state]: mailbox[state] + (data.from === state ? 0 : 1),
    })),
  ];
}

function releasedChanges(
  event: Recorded,
  account: string,
  { id, from }: { readonly id: string; readonly from: 'held' | 'parked' },
): Change[] {
  return [
    put(waitingView, key(account, event.revision), { id }),
    // Whoever releases it gives it another chance.
    become(id, (row) => ({ ...row, state: 'waiting', revision: event.revision, attempts: 0 })),
    tally(account, (mailbox) => ({
      ...mailbox,
      [from]: mailbox[from] - 1,
      waiting: mailbox.waiting + 1,
    })),
  ];
}

function mailboxChanges(event: Recorded, fact: MailboxEvent): readonly Change[] {
  const account = parseStreamName(event.stream).id;
  switch (fact.type) {
    case 'MessageDeferred':
      return deferredChanges(event, account, fact.data);
    case 'MessageExpired':
      return goneChanges(event, account, fact.data, 'expired');
    case 'MessageDeleted':
      return goneChanges(event, account, fact.data, 'deleted');
    case 'MessageParked':
      return setAsideChanges(account, fact.data, 'parked');
    case 'MessageHeld':
      return setAsideChanges(account, fact.data, 'held');
    case 'MessageReleased':
      return releasedChanges(event, account, fact.data);
    default:
      return [];
  }
}

function deliveryChanges(event: Recorded, fact: DeliveryEvent): readonly Change[] {
  const delivery = parseStreamName(event.stream).id;
  if (fact.type === 'PushAcknowledged') {
    const { account, id, revision, bytes, expiresAt } = fact.data;
    const expires = expiryKey(account, id, expiresAt);
    return [
      remove(waitingView, key(account, revision)),
      remove(attemptView, key(account, id)),
      become(id, (row) => ({ ...row, state: 'delivered', delivery, endedAt: event.at })),
      tally(account, (mailbox) => ({
        ...mailbox,
        waiting: mailbox.waiting - 1,
        bytes: mailbox.bytes - bytes,
      })),
      ...(expires ? [remove(expiryView, expires)] : []),
    ];
  }
  if (fact.type !== 'PushFailed') return [];
  const { account, id, revision, bytes, expiresAt, attempt, takesBack } = fact.data;
  const changes: Change[] = [];
  const counted = attempt ? 1 : 0;
  if (takesBack) {
    const expires = expiryKey(account, id, expiresAt);
    changes.push(
      put(waitingView, key(account, revision), { id }),
      tally(account, (mailbox) => ({
        ...mailbox,
        waiting: mailbox.waiting + 1,
        bytes: mailbox.bytes + bytes,
      })),
    );
    if (expires) changes.push(put(expiryView, expires, { id }));
  }
  changes.push(
    become(id, ({ endedAt: _, ...row }) => ({
      ...row,
      state: 'waiting',
      delivery,
      attempts: row.attempts + counted,
    })),
  );
  if (attempt) {
    changes.push(
      fold(attemptView, key(account, id), (row) => ({ attempts: (row?.attempts ?? 0) + 1 })),
    );
  }
  return changes;
}

export const waitingMessages: Projection = {
  name: 'waitingMessages',
  version: 1,
  views: [waitingView, messageView, expiryView, attemptView, mailboxView].map(({ name }) => name),
  project(event) {
    const { category } = parseStreamName(event.stream);
    if (category === 'mailbox') return mailboxChanges(event, event as MailboxEvent & Recorded);
    if (category === 'delivery') return deliveryChanges(event, event as DeliveryEvent & Recorded);
    return [];
  },
};
