/** What the expiry timer of a mailbox does: the earliest message goes, or the timer was early. */
import type { Input, Submit } from '../engine/input.ts';
import type { Clock, Views } from '../engine/ports.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import { under } from '../projections/change.ts';
import {
  expiryView,
  type MessageRow,
  mailboxView,
  messageView,
} from '../projections/waiting-messages.ts';
import { mailboxStream } from './account.ts';

/** A deposit that arrives between look-up and decision makes the look-up stale: look again. */
const LOOKS_MAX = 8;
/** In a mailbox that fills so fast, the expiry has time. */
const LOOK_AGAIN_MS = 1_000;
/** Rows that are read at once; two of them are wanted. */
const PAGE_ROWS = 4;

export interface ExpiryOptions {
  readonly submit: Submit;
  readonly views: Views;
  readonly clock: Clock;
  onFault(where: string, fault: unknown): void;
}

/**
 * Submits MessageExpired for the message that expires first, or ExpiryChecked when none is due: the
 * one that armed the timer was delivered meanwhile. The mailbox re-arms the timer for the next.
 */
export async function expireEarliest(options: ExpiryOptions, stream: string): Promise<void> {
  for (let looks = 1; ; looks += 1) {
    const outcome = await options.submit(stream, await expiryInput(options, stream));
    if (outcome.outcome !== 'refused' || outcome.reason !== 'stale') return;
    if (looks % LOOKS_MAX !== 0) continue;
    await new Promise<void>((resolve) => options.clock.timer(LOOK_AGAIN_MS, resolve));
  }
}

interface Expiring {
  readonly id: string;
  readonly expiresAt: number;
  readonly row: MessageRow;
  readonly from: 'waiting' | 'held' | 'parked';
}

/** Kept messages by their expiry, earliest first. A row of another one is told of and passed over. */
async function* expiring(options: ExpiryOptions, account: string): AsyncGenerator<Expiring> {
  const { views, onFault } = options;
  let range = under(account);
  for (;;) {
    const rows = await views.range(expiryView, { ...range, limit: PAGE_ROWS });
    for (const [key, { id }] of rows) {
      const row = await views.get(messageView, id);
      const from = row?.state;
      if (row && (from === 'waiting' || from === 'held' || from === 'parked')) {
        yield { id, expiresAt: Number(key.split(' ')[1]), row, from };
      } else {
        onFault(mailboxStream(account), `${id} is to expire and is not kept: rebuild the views`);
      }
    }
    const last = rows.at(-1);
    if (!last || rows.length < PAGE_ROWS) return;
    range = { ...range, from: `${last[0]}!` };
  }
}

async function expiryInput(options: ExpiryOptions, stream: string): Promise<Input> {
  const { views, clock } = options;
  const account = parseStreamName(stream).id;
  const at = clock.now();
  const asOf = (await views.get(mailboxView, account))?.deferred ?? 0;
  const earliest: Expiring[] = [];
  for await (const one of expiring(options, account)) if (earliest.push(one) === 2) break;
  const [first, second] = earliest;
  if (first && first.expiresAt <= at) {
    const { id, expiresAt, from } = first;
    const { revision, bytes, source } = first.row;
    return {
      type: 'MessageExpired',
      at,
      data: {
        ...{ id, revision, from, bytes, expiresAt },
        ...(source === undefined ? {} : { source }),
        ...{ next: second?.expiresAt ?? null, asOf },
      },
      cause: `expired ${id}`,
    };
  }
  const next = first?.expiresAt ?? null;
  return {
    type: 'ExpiryChecked',
    at,
    data: { next, asOf },
    cause: `expiry checked ${asOf} ${next ?? 'none'} ${at}`,
  };
}
