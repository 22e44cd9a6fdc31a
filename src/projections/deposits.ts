/** What was deposited already, so that a repeated MESSAGE is stored once (RFC 3428 §8 idempotence). */
import type { Projection, View } from '../engine/ports.ts';
import type { Recorded } from '../engine/recorded.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import type { MailboxEvent } from '../machines/mailbox/events.ts';
import { put } from './change.ts';

/** Key: the digest of (account, Call-ID, From-tag, CSeq number). */
export interface DepositRow {
  readonly id: string;
}

export const depositView: View<DepositRow> = { name: 'deposits' };

export const deposits: Projection = {
  name: 'deposits',
  version: 1,
  views: [depositView.name],
  project(event) {
    if (parseStreamName(event.stream).category !== 'mailbox') return [];
    const fact = event as MailboxEvent & Recorded;
    return fact.type === 'MessageDeferred'
      ? [put(depositView, fact.data.deposit, { id: fact.data.id })]
      : [];
  },
};
