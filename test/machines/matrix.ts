import type { Chart, Stamped } from '../../src/engine/decide.ts';
import { decided } from '../controls/histories.ts';

/**
 * Drives every input into every state and writes what came of it as a text that a person can read.
 * Driven rather than read from the chart: XState does not tell `{}` from an event it does not know.
 */
export function matrix<Context>(
  chart: Chart<Context>,
  histories: Readonly<Record<string, readonly Stamped[]>>,
  inputs: readonly (readonly [what: string, input: Stamped])[],
): string {
  const width = Math.max(...inputs.map(([what]) => what.length));
  const sections = Object.entries(histories).map(([state, given]) =>
    [
      `## ${state}`,
      ...inputs.map(([what, input]) => `${what.padEnd(width)}  ${decided(chart, given, input)}`),
    ].join('\n'),
  );
  return `${[`# ${chart.name}: every state × every input`, ...sections].join('\n\n')}\n`;
}
