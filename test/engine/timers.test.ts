import { describe, expect, it } from 'vitest';
import { createTimers } from '../../src/engine/timers.ts';
import { START_MS } from '../controls/histories.ts';
import { simulatedClock } from '../controls/simulated-clock.ts';

const DAY_MS = 86_400_000;
/** Clocks of hosts count 32 bits of milliseconds, with a sign: 24.8 days. */
const HOST_TIMER_MAX_MS = 2 ** 31 - 1;

function stage() {
  const clock = simulatedClock(START_MS);
  const delays: number[] = [];
  const fired: string[] = [];
  const watched = {
    now: clock.now,
    timer(delayMs: number, callback: () => void) {
      delays.push(delayMs);
      return clock.timer(delayMs, callback);
    },
  };
  const timers = createTimers(watched, ({ stream, name, dueAt }) => {
    fired.push(`${stream} ${name} +${dueAt - START_MS}, at +${clock.now() - START_MS}`);
  });
  const start = (stream: string, name: string, afterMs: number) =>
    timers.start({ stream, name, dueAt: START_MS + afterMs, event: 'Due' });
  return { clock, delays, fired, timers, start };
}

describe('timers', () => {
  it('fire in the order of their due times, whatever the order they were set in', () => {
    const { clock, fired, start, timers } = stage();
    for (const afterMs of [500, 100, 300, 200, 400]) start(`s${afterMs}`, 'retry', afterMs);
    clock.advance(350);
    expect(fired).toEqual([
      's100 retry +100, at +100',
      's200 retry +200, at +200',
      's300 retry +300, at +300',
    ]);
    expect(timers.count()).toBe(2);
  });

  it('are replaced by name, to a later time and to an earlier one', () => {
    const { clock, fired, start } = stage();
    start('s', 'expiry', 100);
    start('s', 'expiry', 200);
    start('s', 'retry', 300);
    start('s', 'retry', 50);
    clock.advance(1_000);
    expect(fired).toEqual(['s retry +50, at +50', 's expiry +200, at +200']);
  });

  it('fire no more once they are stopped, and again when they are set again', () => {
    const { clock, fired, start, timers } = stage();
    start('s', 'expiry', 100);
    timers.stop('s', 'expiry');
    timers.stop('s', 'unheard of');
    clock.advance(200);
    expect(fired).toEqual([]);
    start('s', 'expiry', 300);
    clock.advance(200);
    expect(fired).toEqual(['s expiry +300, at +300']);
  });

  it('that are past due fire at the next opportunity', () => {
    const { clock, fired, start } = stage();
    start('s', 'expiry', -5_000);
    expect(fired).toEqual([]);
    clock.advance(0);
    expect(fired).toEqual(['s expiry +-5000, at +0']);
  });

  it('may be due beyond what a clock can count to', () => {
    const { clock, delays, fired, start } = stage();
    start('s', 'expiry', 30 * DAY_MS);
    clock.advance(30 * DAY_MS - 1);
    expect(fired).toEqual([]);
    clock.advance(1);
    expect(fired).toHaveLength(1);
    expect(Math.max(...delays)).toBeLessThan(HOST_TIMER_MAX_MS);
  });

  it('can be set by one that fires', () => {
    const clock = simulatedClock(START_MS);
    const fired: number[] = [];
    const timers = createTimers(clock, ({ dueAt, ...timer }) => {
      fired.push(dueAt - START_MS);
      if (fired.length < 3) timers.start({ ...timer, dueAt: dueAt + 10 });
    });
    timers.start({ stream: 's', name: 'retry', dueAt: START_MS + 10, event: 'Due' });
    clock.advance(100);
    expect(fired).toEqual([10, 20, 30]);
  });

  it('need one timer of the clock, and none after they are closed', () => {
    const { clock, fired, start, timers } = stage();
    for (let index = 0; index < 100; index += 1) start(`s${index}`, 'retry', 1_000 - index);
    expect(clock.pending()).toBe(1);
    timers.close();
    expect(clock.pending()).toBe(0);
    start('late', 'retry', 1);
    clock.advance(2_000);
    expect(fired).toEqual([]);
  });

  it('that are due together fire in slices, so that all else is heard in between', () => {
    const { clock, delays, fired, start } = stage();
    for (let index = 0; index < 2_000; index += 1) start(`s${index}`, 'retry', -index);
    const before = delays.length;
    clock.advance(0);
    expect(fired).toHaveLength(2_000);
    expect(delays.length - before).toBeGreaterThanOrEqual(3);
  });

  it('closed by one that fires, fire no more', () => {
    const clock = simulatedClock(START_MS);
    let fired = 0;
    const timers = createTimers(clock, () => {
      fired += 1;
      timers.close();
    });
    for (const name of ['a', 'b']) timers.start({ stream: 's', name, dueAt: START_MS, event: 'D' });
    clock.advance(1);
    expect(fired).toBe(1);
  });

  it('replaced 100,000 times take no more room than those that run', () => {
    const { clock, fired, start, timers } = stage();
    // The longest list of timers ever seen bounds the heap, since it is one of them.
    const push = Array.prototype.push;
    let longest = 0;
    Array.prototype.push = function watch(this: unknown[], ...items: unknown[]) {
      const length = push.apply(this, items);
      const [first] = items;
      if (typeof first === 'object' && first !== null && 'dueAt' in first) {
        longest = Math.max(longest, length);
      }
      return length;
    };
    try {
      for (let index = 0; index < 100_000; index += 1) {
        start(`s${index % 10}`, 'expiry', 1_000 + index);
        if (index % 3 === 0) timers.stop(`s${index % 10}`, 'expiry');
      }
    } finally {
      Array.prototype.push = push;
    }
    expect(longest).toBeLessThan(200);
    expect(timers.count()).toBeLessThanOrEqual(10);
    clock.advance(200_000);
    expect(fired.length).toBeLessThanOrEqual(10);
    expect(timers.count()).toBe(0);
  });
});

describe('timers and a wall clock that steps', () => {
  function stepping() {
    const steady = simulatedClock(0);
    const fired: string[] = [];
    let wallMs = START_MS;
    const clock = { now: () => wallMs + steady.now(), timer: steady.timer };
    const timers = createTimers(
      clock,
      ({ name }) => fired.push(`${name} after ${steady.now()}`),
      steady.now,
    );
    return {
      fired,
      advance: steady.advance,
      step(ms: number) {
        wallMs += ms;
      },
      start: (name: string, afterMs: number) =>
        timers.start({ stream: 's', name, dueAt: clock.now() + afterMs, event: 'Due' }),
    };
  }

  it('back: each fires when its delay has elapsed, those set since included', () => {
    const { advance, fired, start, step } = stepping();
    start('invite', 120_000);
    start('retry', 200_000);
    step(-3_600_000);
    advance(60_000);
    start('grace', 2_000);
    advance(1_000_000);
    expect(fired).toEqual(['grace after 62000', 'invite after 120000', 'retry after 200000']);
  });

  it('forward: what is due by it fires when it is next looked at', () => {
    const { advance, fired, start, step } = stepping();
    start('registration', 7 * DAY_MS);
    step(7 * DAY_MS);
    advance(3_600_000);
    expect(fired).toEqual(['registration after 3600000']);
  });

  it('back and forward again: what was set before fires as if nothing had happened', () => {
    const { advance, fired, start, step } = stepping();
    start('invite', 120_000);
    step(-3_600_000);
    start('expiry', 7 * DAY_MS);
    step(3_600_000);
    start('grace', 1_000);
    advance(120_000);
    expect(fired).toEqual(['grace after 1000', 'invite after 120000']);
  });
});
