import { StoryFailure } from './story-failure.ts';

/** On loopback everything takes milliseconds; a busy machine may need seconds. */
export const WAIT_MS = 15_000;

export interface Bounds {
  /** Ends the wait at once. */
  readonly interrupted: AbortSignal;
  readonly withinMs?: number;
}

/** Resolves as `work` does, or rejects with a `StoryFailure` that says what was waited for. */
export async function bounded<Result>(
  what: string,
  work: Promise<Result>,
  { interrupted, withinMs = WAIT_MS }: Bounds,
): Promise<Result> {
  let stop = () => {};
  const end = new Promise<never>((_, reject) => {
    const interrupt = () => reject(new StoryFailure(`interrupted while waiting for ${what}`));
    const timer = setTimeout(() => {
      reject(new StoryFailure(`waited ${withinMs / 1000} s in vain for ${what}`));
    }, withinMs);
    interrupted.addEventListener('abort', interrupt, { once: true });
    stop = () => {
      clearTimeout(timer);
      interrupted.removeEventListener('abort', interrupt);
    };
    if (interrupted.aborted) interrupt();
  });
  try {
    return await Promise.race([work, end]);
  } finally {
    stop();
  }
}
