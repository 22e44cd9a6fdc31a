import type { Clock } from './ports.ts';

/** Waits for the work, but no longer than `ms`: `undefined` when it takes longer. */
export function within<Result>(
  clock: Clock,
  ms: number,
  work: Promise<Result>,
): Promise<Result | undefined> {
  return new Promise((resolve, reject) => {
    const cancel = clock.timer(ms, () => resolve(undefined));
    work.then(resolve, reject).then(cancel);
  });
}
