import type { SimulatedClock } from './simulated-clock.ts';

/** Lets everything run that waits for no clock and no socket. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** Moves the clock on in steps, so that what a timer caused can set the next one. */
export async function pass(clock: SimulatedClock, ms: number): Promise<void> {
  const until = clock.now() + ms;
  await settled();
  for (let due = clock.nextDueAt(); due !== undefined && due <= until; due = clock.nextDueAt()) {
    clock.advance(Math.max(0, due - clock.now()));
    await settled();
  }
  clock.advance(until - clock.now());
  await settled();
}
