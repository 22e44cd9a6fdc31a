import { afterEach, expect, it, vi } from 'vitest';
import { hostClock, steadyClock } from '../../../src/adapters/host/clock.ts';

afterEach(() => vi.useRealTimers());

it('the wall clock is set on by 30 s → what lasts does not notice', () => {
  vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 });
  const before = { wall: hostClock.now(), steady: steadyClock.now() };
  vi.setSystemTime(1_030_000);
  expect(hostClock.now() - before.wall).toBe(30_000);
  expect(steadyClock.now() - before.steady).toBeLessThan(30_000);
});
