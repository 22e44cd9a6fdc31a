/**
 * Durable timers: the log says which run, this keeps one clock timer for the earliest of them. What
 * fires is submitted as an event with its `dueAt`; the chart ignores one that is stale.
 *
 * A timer fires when the wall clock says so, or when its delay has elapsed, whichever is first: a
 * wall clock that is set back must not keep a client ringing for an hour.
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

interface Armed extends Timer {
  /** By `elapsedMs`. */
  fireAt: number;
}

/** Replaced and stopped timers may fill half of the heap, and this many more. */
const PASSED_OVER_MAX = 64;
/** So often the wall clock is looked at; clocks of hosts take no more than 32 bits of milliseconds. */
const LOOK_AGAIN_MS = 3_600_000;
/** Less is drift, and not a step of the wall clock. */
const STEP_MIN_MS = 1_000;

/** What is due fires in slices, so that all else is heard in between. */
const FIRE_AT_ONCE_MAX = 500;

/** `elapsedMs` counts from any moment and, unlike the wall clock, never steps. */
export function createTimers(
  clock: Clock,
  fire: (timer: Timer) => void,
  elapsedMs: () => number = clock.now,
): Timers {
  /** Running timers by stream and name; the heap may hold replaced ones, which are passed over. */
  const running = new Map<string, Armed>();
  const heap: Armed[] = [];
  let cancel: (() => void) | undefined;
  let closed = false;
  let wallAheadMs = clock.now() - elapsedMs();

  const keyOf = (stream: string, name: string) => `${stream} ${name}`;
  const fireAt = (index: number) => heap[index]?.fireAt ?? Number.POSITIVE_INFINITY;

  function swap(a: number, b: number): void {
    const [left, right] = [heap[a], heap[b]];
    if (left && right) [heap[a], heap[b]] = [right, left];
  }

  function push(timer: Armed): void {
    heap.push(timer);
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (fireAt(parent) <= fireAt(at)) return;
      swap(parent, at);
      at = parent;
    }
  }

  /** Takes out what was replaced or stopped; heap order is put right by inserting anew. */
  function compact(): void {
    if (heap.length > 2 * running.size + PASSED_OVER_MAX) rebuild();
  }

  function rebuild(): void {
    heap.length = 0;
    for (const timer of running.values()) push(timer);
  }

  function fireAtOf({ dueAt }: Timer): number {
    return elapsedMs() + dueAt - clock.now();
  }

  /** A wall clock that was set forward makes timers due; one that was set back changes none. */
  function followWallClock(): void {
    const steppedMs = clock.now() - elapsedMs() - wallAheadMs;
    if (Math.abs(steppedMs) < STEP_MIN_MS) return;
    wallAheadMs += steppedMs;
    for (const timer of running.values()) timer.fireAt = Math.min(timer.fireAt, fireAtOf(timer));
    rebuild();
    arm();
  }

  function pop(): Armed | undefined {
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || !last) return first;
    heap[0] = last;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const smaller = fireAt(left + 1) < fireAt(left) ? left + 1 : left;
      if (fireAt(smaller) >= fireAt(at)) return first;
      swap(smaller, at);
      at = smaller;
    }
  }

  function arm(): void {
    cancel?.();
    cancel = undefined;
    const first = heap[0];
    if (!first || closed) return;
    const delayMs = Math.min(Math.max(Math.ceil(first.fireAt - elapsedMs()), 0), LOOK_AGAIN_MS);
    cancel = clock.timer(delayMs, fireDue);
  }

  function fireDue(): void {
    followWallClock();
    const now = elapsedMs();
    let fired = 0;
    while (!closed && heap[0] && heap[0].fireAt <= now && fired < FIRE_AT_ONCE_MAX) {
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
      followWallClock();
      const armed = { ...timer, fireAt: fireAtOf(timer) };
      running.set(keyOf(timer.stream, timer.name), armed);
      push(armed);
      compact();
      if (heap[0] === armed) arm();
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
