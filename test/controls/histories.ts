import {
  type Chart,
  type Decision,
  replay,
  type Stamped,
  type State,
} from '../../src/engine/decide.ts';

/** When every example history begins: 2026-11-22 12:00 UTC. */
export const START_MS = 1_795_348_800_000;

/** The state after a history; every event of it must be one that the chart accepts. */
export function after<Context>(chart: Chart<Context>, given: readonly Stamped[]): State<Context> {
  return replay(chart, given);
}

/** What the chart decides on `input` after a history, as one line; see `told`. */
export function decided<Context>(
  chart: Chart<Context>,
  given: readonly Stamped[],
  input: Stamped,
): string {
  const state = after(chart, given);
  return told(state, chart.decide(state, input));
}

/**
 * A decision as a line that a person can read: `refused: <reason>`, `ignored`, or the state it leads
 * to and the effects in order, times relative to `START_MS`.
 */
export function told(before: State, decision: Decision): string {
  if (decision.outcome === 'refused') return `refused: ${decision.reason}`;
  if (decision.outcome === 'ignored') return 'ignored';
  const to = decision.state.value === before.value ? 'stays' : `→ ${decision.state.value}`;
  return [to, ...decision.effects.map(({ name, params }) => `${name}(${written(params)})`)].join(
    ' ',
  );
}

/** The names of the effects of a decision, in order; none when it is not accepted. */
export function effectNames(decision: Decision): readonly string[] {
  return decision.outcome === 'accepted' ? decision.effects.map(({ name }) => name) : [];
}

function written(params: unknown): string {
  return Object.entries(params as Record<string, unknown>)
    .map(([key, value]) => `${key}: ${value === null ? 'null' : plain(key, value)}`)
    .join(', ');
}

function plain(key: string, value: unknown): string {
  if (key === 'dueAt' && typeof value === 'number') {
    const seconds = (value - START_MS) / 1000;
    return `${seconds < 0 ? '−' : '+'}${Math.abs(seconds)} s`;
  }
  if (key === 'dialog') return (value as { readonly toTag: string }).toTag;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
