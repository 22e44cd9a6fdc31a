/** A clock with timers; the `Clock` port of the engine is one. */
export interface SessionClock {
  now(): number;
  timer(delayMs: number, callback: () => void): () => void;
}

/** Answers that are waited for, each for the same time, under one timer. */
export interface Transactions<Wait> {
  add(tid: string, wait: Wait): void;
  /** Removes and returns it. */
  take(tid: string): Wait | undefined;
  /** Counts the time of everything added at or after `since` from now on. */
  restart(since: number): void;
  clear(): void;
}

/** `expired` is told each wait that ran out, oldest first, after its removal. */
export function openTransactions<Wait>(
  clock: SessionClock,
  waitMs: number,
  expired: (wait: Wait) => void,
): Transactions<Wait> {
  /** In order of time, so the first is the oldest. */
  const waits = new Map<string, { at: number; readonly wait: Wait }>();
  let cancelTimer: (() => void) | undefined;

  /** The timer is set for the oldest and, when it fires, anew for the one that then is. */
  function arm(): void {
    const [oldest] = waits.values();
    if (cancelTimer !== undefined || oldest === undefined) return;
    cancelTimer = clock.timer(Math.max(0, oldest.at + waitMs - clock.now()), () => {
      cancelTimer = undefined;
      expire();
    });
  }

  function expire(): void {
    for (const [tid, { at, wait }] of waits) {
      if (at + waitMs > clock.now()) break;
      waits.delete(tid);
      expired(wait);
    }
    arm();
  }

  return {
    add(tid, wait) {
      waits.set(tid, { at: clock.now(), wait });
      arm();
    },
    take(tid) {
      const found = waits.get(tid);
      waits.delete(tid);
      return found?.wait;
    },
    restart(since) {
      for (const each of waits.values()) if (each.at >= since) each.at = clock.now();
    },
    clear() {
      waits.clear();
      cancelTimer?.();
      cancelTimer = undefined;
    },
  };
}
