/** Folds recorded streams through the charts and says where log and charts part. */
import type { Chart, State } from '../../engine/decide.ts';
import type { Position, Recorded } from '../../engine/recorded.ts';
import { parseStreamName } from '../../engine/stream-name.ts';
import type { Store } from './command-line.ts';

export interface Folded {
  readonly events: readonly { readonly event: Recorded; readonly state: State }[];
  readonly state: State;
  readonly disagreements: readonly string[];
}

export type Charts = Readonly<Record<string, Chart>>;

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

/** A whole stream, or up to the last position that counts. */
export async function foldStream(
  charts: Charts,
  store: Store,
  { stream, at }: { readonly stream: string; readonly at: Position | undefined },
): Promise<Folded> {
  const { category } = parseStreamName(stream);
  const chart = charts[category];
  if (!chart) throw new Error(`this release has no chart for ${category} streams`);
  const events: { event: Recorded; state: State }[] = [];
  const disagreements: string[] = [];
  let state = chart.initial;
  for await (const event of store.read(stream)) {
    if (at !== undefined && event.position > at) break;
    const step = foldStep(chart, state, event);
    state = step.state;
    events.push({ event, state });
    if (step.disagreement !== undefined) disagreements.push(step.disagreement);
  }
  return { events, state, disagreements };
}
