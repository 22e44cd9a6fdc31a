import fc from 'fast-check';
import { expect } from 'vitest';

const SEED_DEFAULT = 20261122;

/**
 * Holds a property of something that takes its turns, with the suite's seed (`RESTANTE_SEED`). A
 * failure begins with one line that repeats exactly that case.
 */
export async function holdsAsync<Values>(
  property: fc.IAsyncProperty<Values>,
  numRuns: number,
): Promise<void> {
  const { currentTestName = '', testPath = '' } = expect.getState();
  const path = process.env.RESTANTE_PATH;
  const details = await fc.check(property, {
    seed: Number(process.env.RESTANTE_SEED ?? SEED_DEFAULT),
    numRuns,
    ...(path === undefined ? {} : { path }),
  });
  if (!details.failed) return;
  const file = testPath.slice(testPath.lastIndexOf('/test/') + 1);
  const title = currentTestName.replace(/^.* > /, '').replace(/[^\w ]/g, '.');
  throw new Error(
    `RESTANTE_SEED=${details.seed} RESTANTE_PATH=${details.counterexamplePath} ` +
      `npx vitest run ${file} -t '${title}'\n${fc.defaultReportMessage(details)}`,
    { cause: details.errorInstance },
  );
}
