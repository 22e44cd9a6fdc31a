/**
 * What came by sessions of Large Message mode: which sessions are open, which of their messages have
 * not found their place yet, and which contents of the blob store are needed.
 */
import type { Change, Projection, View } from '../engine/ports.ts';
import type { Recorded } from '../engine/recorded.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import type { DeliveryEvent } from '../machines/delivery/events.ts';
import type { DepositEvent } from '../machines/deposit/events.ts';
import type { LargeSource, MailboxEvent } from '../machines/mailbox/events.ts';
import { key, put, remove } from './change.ts';

/** A session that was offered and has not ended; key: deposit id. */
export interface OpenDepositRow {
  readonly state: string;
}

/** A message that came whole, and is not in the mailbox or still held there; key: deposit id, id. */
export interface UnsettledRow {
  readonly account: string;
  /** SHA-256 of the body, when that is in the blob store. */
  readonly blob?: string;
}

/** One row for each message that needs a content; key: its SHA-256, Message-ID. */
export type BlobRow = Record<string, never>;

export const openDepositView: View<OpenDepositRow> = { name: 'openDeposits' };
export const unsettledView: View<UnsettledRow> = { name: 'unsettled' };
export const blobView: View<BlobRow> = { name: 'blobs' };

function needed({ blob }: LargeSource, id: string): Change[] {
  return blob === undefined ? [] : [put(blobView, key(blob, id), {})];
}

function unneeded({ blob }: LargeSource, id: string): Change[] {
  return blob === undefined ? [] : [remove(blobView, key(blob, id))];
}

function settled({ deposit }: LargeSource, id: string): Change {
  return remove(unsettledView, key(deposit, id));
}

function depositChanges(event: Recorded, fact: DepositEvent): readonly Change[] {
  const { id: deposit } = parseStreamName(event.stream);
  const { from, to = '' } = event.meta;
  const changes: Change[] = [];
  if (from !== to) {
    const isOver = to === 'ended';
    changes.push(
      isOver ? remove(openDepositView, deposit) : put(openDepositView, deposit, { state: to }),
    );
  }
  if (fact.type === 'MessageCompleted') {
    const { id, account, sha256, parts } = fact.data;
    const row = parts.body === undefined ? { account, blob: sha256 } : { account };
    changes.push(put(unsettledView, key(deposit, id), row));
  } else if (fact.type === 'DepositAborted' && fact.data.id !== undefined) {
    changes.push(remove(unsettledView, key(deposit, fact.data.id)));
  }
  return changes;
}

function mailboxChanges(fact: MailboxEvent): readonly Change[] {
  switch (fact.type) {
    case 'MessageDeferred': {
      const { id, source, held } = fact.data;
      if (source === undefined) return [];
      return [...needed(source, id), ...(held ? [] : [settled(source, id)])];
    }
    case 'MessageReleased': {
      const { id, source } = fact.data;
      return source === undefined ? [] : [settled(source, id)];
    }
    case 'MessageExpired':
    case 'MessageDeleted': {
      const { id, source } = fact.data;
      return source === undefined ? [] : [...unneeded(source, id), settled(source, id)];
    }
    default:
      return [];
  }
}

function deliveryChanges(fact: DeliveryEvent): readonly Change[] {
  if (fact.type === 'PushAcknowledged') {
    const { id, source } = fact.data;
    return source === undefined ? [] : unneeded(source, id);
  }
  if (fact.type !== 'PushFailed' || !fact.data.takesBack) return [];
  const { id, source } = fact.data;
  return source === undefined ? [] : needed(source, id);
}

export const largeMessages: Projection = {
  name: 'largeMessages',
  version: 1,
  views: [openDepositView, unsettledView, blobView].map(({ name }) => name),
  project(event) {
    switch (parseStreamName(event.stream).category) {
      case 'deposit':
        return depositChanges(event, event as DepositEvent & Recorded);
      case 'mailbox':
        return mailboxChanges(event as MailboxEvent & Recorded);
      case 'delivery':
        return deliveryChanges(event as DeliveryEvent & Recorded);
      default:
        return [];
    }
  },
};
