/** What the expiry timer of a mailbox does: the earliest message goes, or the timer was early. */
import type { Input, Submit } from '../engine/input.ts';
import type { Clock, Views } from '../engine/ports.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import { under } from '../projections/change.ts';
import { expiryView, mailboxView, messageView } from '../projections/waiting-messages.ts';

/** A deposit that arrives between look-up and decision makes the look-up stale: look again. */
const LOOKS_MAX = 8;
/** In a mailbox that fills so fast, the expiry has time. */
const LOOK_AGAIN_MS = 1_000;

export interface ExpiryOptions {
  readonly submit: Submit;
  readonly views: Views;
  readonly clock: Clock;
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

async function expiryInput({ views, clock }: ExpiryOptions, stream: string): Promise<Input> {
  const account = parseStreamName(stream).id;
  const at = clock.now();
  const asOf = (await views.get(mailboxView, account))?.deferred ?? 0;
  const rows = await views.range(expiryView, { ...under(account), limit: 2 });
  const times = rows.map(([key]) => Number(key.split(' ')[1]));
  const [first, second] = times;
  const id = rows[0]?.[1].id;
  const row = id === undefined ? undefined : await views.get(messageView, id);
  const due = first !== undefined && first <= at;
  const from = row?.state;
  if (due && id && row && (from === 'waiting' || from === 'held' || from === 'parked')) {
    const { revision, bytes } = row;
    return {
      type: 'MessageExpired',
      at,
      data: { id, revision, from, bytes, expiresAt: first, next: second ?? null, asOf },
      cause: `expired ${id}`,
    };
  }
  return {
    type: 'ExpiryChecked',
    at,
    data: { next: first ?? null, asOf },
    cause: `expiry checked ${asOf} ${first ?? 'none'} ${at}`,
  };
}
