import type { Verdict } from '../answer.ts';

/** 64*T1: so long a sender may repeat a request, in this transaction or another (RFC 3261 §17.1.2). */
const KEPT_MS = 32_000;
/** Outcomes kept at most; the oldest go first. */
const KEPT_MAX = 50_000;

/** One message on its way. */
export interface Pending {
  /** What its sender was told. `kept`: also for when it comes again. */
  settle(verdict: Verdict, kept: 'kept' | 'forgotten'): void;
}

export interface RecentMessages {
  /** What a message that came before is answered with; `undefined`: it did not come. */
  verdictOf(key: string): Promise<Verdict> | Verdict | undefined;
  begin(key: string): Pending;
}

/**
 * Messages that are being passed on, and what became of those that were: the same one in another
 * transaction, as of a core that takes another way, shares the outcome and is not passed on twice.
 */
export function recentMessages(now: () => number): RecentMessages {
  const pending = new Map<string, Promise<Verdict>>();
  /** In the order of their end. */
  const ended = new Map<string, { readonly verdict: Verdict; readonly untilMs: number }>();

  /** One sweep in place of a timer for each. */
  function sweep(): void {
    for (const [key, { untilMs }] of ended) {
      if (untilMs > now() && ended.size <= KEPT_MAX) return;
      ended.delete(key);
    }
  }

  return {
    verdictOf(key) {
      sweep();
      return pending.get(key) ?? ended.get(key)?.verdict;
    },
    begin(key) {
      let tell: (verdict: Verdict) => void = () => {};
      pending.set(
        key,
        new Promise((resolve) => {
          tell = resolve;
        }),
      );
      return {
        settle(verdict, kept) {
          pending.delete(key);
          if (kept === 'kept') ended.set(key, { verdict, untilMs: now() + KEPT_MS });
          sweep();
          tell(verdict);
        },
      };
    },
  };
}
