import type { Clock } from '../../engine/ports.ts';

/** The host's clock. Its timers keep a process alive only while something listens. */
export const hostClock: Clock = {
  now: () => Date.now(),
  timer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** For what lasts: its `now()` is no date, and a step of the wall clock does not reach it. */
export const steadyClock: Clock = { ...hostClock, now: () => performance.now() };
