/** A message that was deferred and turned out to have been delivered leaves the mailbox again. */
import { mailboxStream } from '../../../deferral/account.ts';
import type { Submit } from '../../../engine/input.ts';
import type { Clock, Views } from '../../../engine/ports.ts';
import type { RemovalData } from '../../../machines/mailbox/events.ts';
import { type MessageRow, messageView } from '../../../projections/waiting-messages.ts';

/** While a delivery has the mailbox, nothing may leave it: first pause, doubled up to the second. */
const AGAIN_FIRST_MS = 500;
const AGAIN_MAX_MS = 60_000;
/** Together longer than any push session (`push.maxDuration`, 15 min). */
const TRIES_MAX = 24;

export interface WithdrawContext {
  readonly views: Views;
  readonly clock: Clock;
  readonly tell: Submit;
  onFault(where: string, fault: unknown): void;
}

/**
 * Resolves to what became of it: `withdrawn`, or `gone` when the mailbox was rid of it before, be it
 * by a push: then its recipient has it twice.
 */
export async function withdraw(
  { views, clock, tell, onFault }: WithdrawContext,
  account: string,
  id: string,
): Promise<'withdrawn' | 'gone' | 'kept'> {
  const stream = mailboxStream(account);
  let pauseMs = AGAIN_FIRST_MS;
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const data = removalOf(await views.get(messageView, id), id);
    if (!data) return 'gone';
    const outcome = await tell(stream, {
      type: 'MessageDeleted',
      at: clock.now(),
      data: { ...data, by: 'forward' },
      cause: `withdrawn ${id}`,
    });
    if (outcome.outcome === 'accepted') return 'withdrawn';
    const waitMs = pauseMs;
    await new Promise<void>((resolve) => clock.timer(waitMs, resolve));
    pauseMs = Math.min(2 * pauseMs, AGAIN_MAX_MS);
  }
  onFault(stream, `${id} was delivered late and still waits: it will be delivered again`);
  return 'kept';
}

function removalOf(row: MessageRow | undefined, id: string): RemovalData | undefined {
  const from = row?.state;
  if (!row || (from !== 'waiting' && from !== 'held' && from !== 'parked')) return undefined;
  const { revision, bytes, expiresAt } = row;
  return { id, revision, from, bytes, ...(expiresAt === undefined ? {} : { expiresAt }) };
}
