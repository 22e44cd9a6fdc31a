/** One append, for as long as its outcome is unknown. */
import { reasonOf } from './judge.ts';
import type { Append, Clock, EventStore } from './ports.ts';
import { within } from './within.ts';

/**
 * An append of unknown outcome is repeated until its input has waited for so long; the answer is
 * then `unknown`. Well below the 32 s (64*T1) after which a SIP client gives up.
 */
export const UNKNOWN_FOR_MS = 20_000;
/** What waited behind such an append is still tried for so long. */
const APPEND_WAIT_MIN_MS = 1_000;
const UNKNOWN_RETRY_MS = 250;

/** `failed`: the store threw, which repeating does not mend; it may have written all the same. */
export type Appended = Append | { readonly outcome: 'failed'; readonly reason: string };

export interface AppendingOptions {
  readonly store: EventStore;
  readonly clock: Clock;
  onFault(stream: string, fault: unknown): void;
}

/**
 * Appends with the same ids and revision until the outcome is known, or the first input has waited
 * for too long. `onDoubt` is told whenever the events may or may not have been written.
 */
export async function appendUntilKnown(
  { store, clock, onFault }: AppendingOptions,
  parameters: Parameters<EventStore['append']>,
  waiting: { readonly since: number; onDoubt(): void },
): Promise<Appended> {
  const until = Math.max(waiting.since + UNKNOWN_FOR_MS, clock.now() + APPEND_WAIT_MIN_MS);
  for (;;) {
    let result: Append | undefined;
    try {
      result = await within(clock, until - clock.now(), store.append(...parameters));
    } catch (fault) {
      onFault(parameters[0], fault);
      waiting.onDoubt();
      return { outcome: 'failed', reason: reasonOf(fault) };
    }
    result ??= { outcome: 'unknown', reason: 'the store does not answer' };
    if (result.outcome !== 'unknown') return result;
    waiting.onDoubt();
    if (clock.now() >= until) return result;
    await new Promise<void>((resolve) => clock.timer(UNKNOWN_RETRY_MS, resolve));
  }
}
