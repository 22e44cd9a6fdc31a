import { expect } from 'vitest';
import { mutated, randomBelow } from './mutations.ts';

const SEED = Number(process.env.RESTANTE_SEED ?? 20261122);
const ONE_CASE = process.env.RESTANTE_CASE;

/** A slice for each run of the suite, the whole for `script/verify`. */
export const FUZZ_CASES = process.env.RESTANTE_VERIFY === '1' ? 1_000_000 : 15_000;

/**
 * Takes `cases` damaged messages through `take`, which throws when something is wrong. The error
 * begins with the line that repeats the case. A long run says how far it is.
 */
export function fuzz(
  corpus: readonly Uint8Array[],
  cases: number,
  take: (octets: Uint8Array, below: (limit: number) => number) => void,
): void {
  expect(corpus.length).toBeGreaterThan(0);
  const [first, last] = ONE_CASE === undefined ? [0, cases] : [Number(ONE_CASE), +ONE_CASE + 1];
  for (let index = first; index < last; index += 1) {
    // Multiplied apart, so that seeds beside each other share no case.
    const below = randomBelow(Math.imul(SEED, 0x9e3779b1) ^ Math.imul(index, 0x85ebca6b));
    const octets = mutated(corpus, below);
    try {
      take(octets, below);
    } catch (cause) {
      const { currentTestName = '', testPath = '' } = expect.getState();
      const file = testPath.slice(testPath.lastIndexOf('/test/') + 1);
      const title = currentTestName.replace(/^.* > /, '').replace(/[^\w ]/g, '.');
      const text = JSON.stringify(new TextDecoder('latin1').decode(octets.subarray(0, 1_000)));
      throw new Error(
        `RESTANTE_SEED=${SEED} RESTANTE_CASE=${index} npx vitest run ${file} -t '${title}'\n` +
          `${cause instanceof Error ? cause.stack : String(cause)}\n${text}`,
      );
    }
    if (index > 0 && index % 100_000 === 0) console.info(`fuzz: ${index} of ${cases} cases`);
  }
}
