/** What the engine itself has to say is said until it is known to be in the log, or not to be. */
import type { Submit } from '../engine/input.ts';
import type { Clock } from '../engine/ports.ts';

/** First pause before an input of unknown outcome is submitted again; doubled up to the second. */
export const INSIST_FIRST_MS = 1_000;
export const INSIST_MAX_MS = 60_000;

export interface Insistence {
  /** Resolves `unknown` only after `cease`. */
  readonly submit: Submit;
  /** Inputs of unknown outcome are left to the next start. */
  cease(): void;
}

/**
 * A timer that fired or an acknowledgement that came is told once: when the log cannot take it, it
 * must not be forgotten. The same input again is the same event: it is recorded at most once.
 */
export function insist(submit: Submit, clock: Clock): Insistence {
  let ceased = false;
  const wakes = new Set<() => void>();

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.timer(ms, () => wake());
      const wake = () => {
        cancel();
        wakes.delete(wake);
        resolve();
      };
      wakes.add(wake);
    });
  }

  return {
    async submit(stream, input, reply) {
      for (let pauseMs = INSIST_FIRST_MS; ; pauseMs = Math.min(2 * pauseMs, INSIST_MAX_MS)) {
        const outcome = await submit(stream, input, reply);
        if (outcome.outcome !== 'unknown' || ceased) return outcome;
        await pause(pauseMs);
      }
    },
    cease() {
      ceased = true;
      for (const wake of [...wakes]) wake();
    },
  };
}
