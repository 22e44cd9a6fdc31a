import type { Clock } from '../../src/engine/ports.ts';

/** A clock that stands still until it is told to move. */
export interface SimulatedClock extends Clock {
  /**
   * Moves on by `ms`. Timers that fall due call back in the order of their due time, those of the
   * same instant in the order they were set; `now()` is then exactly their due time. A timer set
   * by a callback runs too when it falls due within the same `ms`.
   */
  advance(ms: number): void;
  /** Timers that are set and have neither called back nor been cancelled. */
  pending(): number;
  /** When the next timer is due, in epoch milliseconds. */
  nextDueAt(): number | undefined;
}

/** A clock that starts at `startMs` (epoch milliseconds) and moves by `advance` alone. */
export function simulatedClock(startMs = 0): SimulatedClock {
  let nowMs = startMs;
  let serial = 0;
  const timers = new Map<number, { readonly dueMs: number; readonly callback: () => void }>();

  const next = (): number | undefined => {
    let best: number | undefined;
    let bestDueMs = Number.POSITIVE_INFINITY;
    // Insertion order is the order of setting, so the first of the earliest wins.
    for (const [id, { dueMs }] of timers) {
      if (dueMs < bestDueMs) {
        best = id;
        bestDueMs = dueMs;
      }
    }
    return best;
  };

  return {
    now: () => nowMs,
    timer(delayMs, callback) {
      serial += 1;
      const id = serial;
      timers.set(id, { dueMs: nowMs + Math.max(0, delayMs), callback });
      return () => {
        timers.delete(id);
      };
    },
    advance(ms) {
      const untilMs = nowMs + ms;
      for (let id = next(); id !== undefined; id = next()) {
        const timer = timers.get(id);
        if (timer === undefined || timer.dueMs > untilMs) break;
        timers.delete(id);
        nowMs = Math.max(nowMs, timer.dueMs);
        timer.callback();
      }
      nowMs = untilMs;
    },
    pending: () => timers.size,
    nextDueAt() {
      const id = next();
      return id === undefined ? undefined : timers.get(id)?.dueMs;
    },
  };
}
