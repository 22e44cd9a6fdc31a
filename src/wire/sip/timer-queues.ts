/**
 * Time as the transaction layer needs it. `now()` is in milliseconds and only differences are
 * used, so it should be monotonic: a wall clock that is set forward ends transactions early.
 */
export interface TransactionClock {
  now(): number;
  /** Calls back once, `delayMs` from now; the returned function cancels. */
  timer(delayMs: number, callback: () => void): () => void;
}

/** One thing that waits. Opaque: made by `after`, given to `cancel`. */
export interface Wait {
  readonly value: unknown;
  readonly due: (value: never) => void;
  dueMs: number;
  queue: Queue | undefined;
  earlier: Wait | undefined;
  later: Wait | undefined;
}

interface Queue {
  readonly delayMs: number;
  first: Wait | undefined;
  last: Wait | undefined;
  stopTimer: (() => void) | undefined;
}

export interface TimerQueues {
  /** Calls `due(value)` once, `delayMs` from now. */
  after<Value>(delayMs: number, due: (value: Value) => void, value: Value): Wait;
  /** Does nothing when it already called or was cancelled. */
  cancel(wait: Wait | undefined): void;
  size(): number;
  /** The one that falls due next among those that wait `delayMs`. */
  next(delayMs: number): Wait | undefined;
  /** Forgets all that waits. */
  close(): void;
}

/**
 * Timers of few different lengths. All that wait equally long fall due in the order they began,
 * so a queue and one timer of the clock serve each length: beginning, cancelling and ending a wait
 * cost O(1), and 300,000 waits hold one timer of the host.
 */
export function timerQueues(clock: TransactionClock): TimerQueues {
  const queues = new Map<number, Queue>();
  let waiting = 0;

  const unlink = (queue: Queue, wait: Wait): void => {
    if (wait.earlier === undefined) queue.first = wait.later;
    else wait.earlier.later = wait.later;
    if (wait.later === undefined) queue.last = wait.earlier;
    else wait.later.earlier = wait.earlier;
    wait.queue = undefined;
    wait.earlier = undefined;
    wait.later = undefined;
    waiting -= 1;
  };

  const arm = (queue: Queue): void => {
    if (queue.first === undefined || queue.stopTimer !== undefined) return;
    // Never longer than the queue's own length, whatever the clock was set to meanwhile.
    const delayMs = Math.min(queue.delayMs, Math.max(0, queue.first.dueMs - clock.now()));
    queue.stopTimer = clock.timer(delayMs, () => {
      queue.stopTimer = undefined;
      expire(queue);
      arm(queue);
    });
  };

  const expire = (queue: Queue): void => {
    const nowMs = clock.now();
    for (let wait = queue.first; wait !== undefined; wait = queue.first) {
      if (wait.dueMs > nowMs) {
        // The clock was set back: what is left begins its wait anew.
        if (wait.dueMs - nowMs > queue.delayMs) restart(queue, nowMs);
        return;
      }
      unlink(queue, wait);
      wait.due(wait.value as never);
    }
  };

  const restart = (queue: Queue, nowMs: number): void => {
    for (let wait = queue.first; wait !== undefined; wait = wait.later) {
      wait.dueMs = nowMs + queue.delayMs;
    }
  };

  return {
    after(delayMs, due, value) {
      let queue = queues.get(delayMs);
      if (queue === undefined) {
        queue = { delayMs, first: undefined, last: undefined, stopTimer: undefined };
        queues.set(delayMs, queue);
      }
      const earlier = queue.last;
      const dueMs = clock.now() + delayMs;
      const wait: Wait = { value, due, dueMs, queue, earlier, later: undefined };
      if (earlier === undefined) queue.first = wait;
      else earlier.later = wait;
      queue.last = wait;
      waiting += 1;
      arm(queue);
      return wait;
    },
    cancel(wait) {
      const queue = wait?.queue;
      if (wait === undefined || queue === undefined) return;
      unlink(queue, wait);
      if (queue.first === undefined) {
        queue.stopTimer?.();
        queue.stopTimer = undefined;
      }
    },
    size: () => waiting,
    next: (delayMs) => queues.get(delayMs)?.first,
    close() {
      for (const queue of queues.values()) {
        queue.stopTimer?.();
        for (let wait = queue.first; wait !== undefined; wait = queue.first) unlink(queue, wait);
      }
      queues.clear();
    },
  };
}
