/** What falls due when: one timer for all of it, however much it is. */
import type { Clock } from '../../../engine/ports.ts';

const SWEEP_MS = 1_000;

export interface DueTimes<Thing> {
  /** Calls `due` with it at `at` (epoch milliseconds) or up to a second later, and not before. */
  set(thing: Thing, at: number): void;
  clear(thing: Thing): void;
  close(): void;
}

export function dueTimes<Thing>(clock: Clock, due: (thing: Thing) => void): DueTimes<Thing> {
  /** By second, so that a sweep looks at what is due and at nothing else. */
  const bySecond = new Map<number, Set<Thing>>();
  const secondOf = new Map<Thing, number>();
  let swept = Math.floor(clock.now() / SWEEP_MS);
  let stop = clock.timer(SWEEP_MS, sweep);

  function sweep(): void {
    stop = clock.timer(SWEEP_MS, sweep);
    const now = Math.floor(clock.now() / SWEEP_MS);
    for (; swept < now; swept += 1) {
      const things = bySecond.get(swept);
      bySecond.delete(swept);
      for (const thing of things ?? []) {
        secondOf.delete(thing);
        due(thing);
      }
    }
  }

  function clear(thing: Thing): void {
    const second = secondOf.get(thing);
    if (second === undefined) return;
    secondOf.delete(thing);
    const things = bySecond.get(second);
    things?.delete(thing);
    if (things?.size === 0) bySecond.delete(second);
  }

  return {
    set(thing, at) {
      clear(thing);
      const second = Math.max(Math.floor(at / SWEEP_MS), swept);
      secondOf.set(thing, second);
      const things = bySecond.get(second);
      if (things) things.add(thing);
      else bySecond.set(second, new Set([thing]));
    },
    clear,
    close: () => stop(),
  };
}
