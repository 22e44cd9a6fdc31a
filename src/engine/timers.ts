/**
 * Durable timers: the log says which run, this keeps one clock timer for the earliest of them. What
 * fires is submitted as an event with its `dueAt`; the chart ignores one that is stale.
 */
import type { Clock } from './ports.ts';
import type { TimerMark } from './recorded.ts';

export interface Timer extends TimerMark {
  readonly stream: string;
  readonly name: string;
}

export interface Timers {
  start(timer: Timer): void;
  stop(stream: string, name: string): void;
  /** How many run. */
  count(): number;
  /** Fires none any more. */
  close(): void;
}

/** Replaced and stopped timers may fill half of the heap, and this many more. */
const PASSED_OVER_MAX = 64;
/** Clocks of hosts take 32 bits of milliseconds: a later timer is looked at again after a day. */
const LOOK_AGAIN_MS = 86_400_000;

/** What is due fires in slices, so that all else is heard in between. */
const FIRE_AT_ONCE_MAX = 500;

export function createTimers(clock: Clock, fire: (timer: Timer) => void): Timers {
  /** Running timers by stream and name; the heap may hold replaced ones, which are passed over. */
  const running = new Map<string, Timer>();
  const heap: Timer[] = [];
  let cancel: (() => void) | undefined;
  let closed = false;

  const keyOf = (stream: string, name: string) => `${stream} ${name}`;
  const dueAt = (index: number) => heap[index]?.dueAt ?? Number.POSITIVE_INFINITY;

  function swap(a: number, b: number): void {
    const [left, right] = [heap[a], heap[b]];
    if (left && right) [heap[a], heap[b]] = [right, left];
  }

  function push(timer: Timer): void {
    heap.push(timer);
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (dueAt(parent) <= dueAt(at)) return;
      swap(parent, at);
      at = parent;
    }
  }

  /** Takes out what was replaced or stopped; heap order is put right by inserting anew. */
  function compact(): void {
    if (heap.length <= 2 * running.size + PASSED_OVER_MAX) return;
    heap.length = 0;
    for (const timer of running.values()) push(timer);
  }

  function pop(): Timer | undefined {
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || !last) return first;
    heap[0] = last;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const smaller = dueAt(left + 1) < dueAt(left) ? left + 1 : left;
      if (dueAt(smaller) >= dueAt(at)) return first;
      swap(smaller, at);
      at = smaller;
    }
  }

  function arm(): void {
    cancel?.();
    cancel = undefined;
    const first = heap[0];
    if (!first || closed) return;
    const delayMs = Math.min(Math.max(first.dueAt - clock.now(), 0), LOOK_AGAIN_MS);
    cancel = clock.timer(delayMs, fireDue);
  }

  function fireDue(): void {
    const now = clock.now();
    let fired = 0;
    while (!closed && heap[0] && heap[0].dueAt <= now && fired < FIRE_AT_ONCE_MAX) {
      const timer = pop();
      if (!timer || running.get(keyOf(timer.stream, timer.name)) !== timer) continue;
      fired += 1;
      running.delete(keyOf(timer.stream, timer.name));
      fire(timer);
    }
    arm();
  }

  return {
    start(timer) {
      running.set(keyOf(timer.stream, timer.name), timer);
      push(timer);
      compact();
      if (heap[0] === timer) arm();
    },
    stop(stream, name) {
      running.delete(keyOf(stream, name));
      compact();
    },
    count: () => running.size,
    close() {
      closed = true;
      cancel?.();
    },
  };
}
