/** Folds recorded streams through the charts and says where log and charts part. */
import type { Chart, State } from '../../engine/decide.ts';
import type { Recorded } from '../../engine/recorded.ts';

export interface Step {
  readonly state: State;
  /** What the record says and the chart does not; absent: they agree. */
  readonly disagreement?: string;
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}

/** One recorded event over the state before it. The state stays when the chart does not accept. */
export function foldStep(chart: Chart, state: State, event: Recorded): Step {
  const { from, to, effects = [] } = event.meta;
  const decision = chart.decide(state, event);
  const place = `${event.stream}#${event.revision} ${event.type}`;
  if (decision.outcome !== 'accepted') {
    const how = decision.outcome === 'refused' ? `refused: ${decision.reason}` : 'ignored';
    return { state, disagreement: `${place} is recorded, but now ${how} in ${state.value}` };
  }
  const next = decision.state;
  if (from !== state.value || to !== next.value) {
    const disagreement = `${place} recorded ${from}→${to}, the fold says ${state.value}→${next.value}`;
    return { state: next, disagreement };
  }
  const names = decision.effects.map(({ name }) => name);
  if (same(names, effects)) return { state: next };
  const disagreement = `${place} recorded effects [${effects.join(' ')}], the fold says [${names.join(' ')}]`;
  return { state: next, disagreement };
}
