import type { Phase } from '../../src/engine/decide.ts';

/** One row of a chart: what an event leads to in a state. */
export interface Row {
  /** A state, or `any` for what holds in every state that says nothing of its own. */
  readonly state: string;
  /** `always` for the transition that needs no event. */
  readonly event: string;
  readonly guard: string | null;
  readonly target: string | null;
  readonly refusal: string | null;
  readonly effects: readonly string[];
  readonly accepted: boolean;
  readonly clauses: readonly string[];
}

interface Transition {
  readonly guard?: string;
  readonly target?: string;
  readonly actions?: unknown;
  readonly meta?: { readonly clauses?: readonly string[] };
}

type Handlers = Readonly<Record<string, Transition | readonly Transition[]>>;

interface Node {
  readonly on?: Handlers;
  readonly always?: Transition | readonly Transition[];
}

/** What of an XState machine the pages are made of. */
export interface Drawable {
  readonly id: string;
  readonly config: unknown;
  readonly implementations: { readonly actions: unknown };
}

interface Action {
  readonly type: string;
  readonly params?: unknown;
}

function actionsOf({ actions }: Transition): readonly Action[] {
  if (actions === undefined) return [];
  const list = (Array.isArray(actions) ? actions : [actions]) as readonly (string | Action)[];
  return list.map((action) => (typeof action === 'string' ? { type: action } : action));
}

function nodesOf({ config }: Drawable): { root: Node; states: Readonly<Record<string, Node>> } {
  const root = config as Node & { readonly states: Readonly<Record<string, Node>> };
  return { root, states: root.states };
}

/** Every transition of a chart, in the order of the source. */
export function rowsOf(machine: Drawable): readonly Row[] {
  const { root, states } = nodesOf(machine);
  const known = machine.implementations.actions as Readonly<Record<string, { type?: string }>>;
  const row = (state: string, event: string, transition: Transition): Row => {
    const actions = actionsOf(transition);
    const refusal = actions.find(({ type }) => type === 'refuse');
    const effects = actions.filter(
      ({ type }) => type !== 'refuse' && known[type]?.type !== 'xstate.assign',
    );
    return {
      state,
      event,
      guard: transition.guard ?? null,
      target: transition.target?.replace(/^\./, '') ?? null,
      refusal: (refusal?.params as { readonly reason: string } | undefined)?.reason ?? null,
      effects: [...new Set(effects.map(({ type }) => type))],
      accepted: refusal === undefined && (actions.length > 0 || transition.target !== undefined),
      clauses: transition.meta?.clauses ?? [],
    };
  };
  const rows = (state: string, { on = {}, always = [] }: Node): readonly Row[] =>
    [...Object.entries(on), ['always', always] as const].flatMap(([event, handlers]) =>
      [handlers].flat().map((transition) => row(state, event, transition as Transition)),
    );
  return [
    ...Object.entries(states).flatMap(([name, node]) => rows(name, node)),
    ...rows('any', root),
  ];
}

export interface Edge {
  readonly from: string;
  readonly to: string;
  readonly label: string;
}

/** The moves between states; what holds in any state is drawn from each that does not override it. */
export function edgesOf(machine: Drawable): readonly Edge[] {
  const { states } = nodesOf(machine);
  return rowsOf(machine).flatMap(({ state, event, guard, target }) => {
    if (target === null) return [];
    const froms =
      state === 'any'
        ? Object.keys(states).filter((name) => states[name]?.on?.[event] === undefined)
        : [state];
    const label = guard === null ? event : `${event} [${guard}]`;
    return froms.filter((from) => from !== target).map((from) => ({ from, to: target, label }));
  });
}

function mermaid(initial: string, edges: readonly Edge[]): string {
  const labels = new Map<string, string[]>();
  for (const { from, to, label } of edges) {
    const arrow = `${from} --> ${to}`;
    labels.set(arrow, [...(labels.get(arrow) ?? []), label]);
  }
  const lines = [...labels].map(
    ([arrow, events]) => `  ${arrow}: ${[...new Set(events)].join('<br/>')}`,
  );
  return ['```mermaid', 'stateDiagram-v2', `  [*] --> ${initial}`, ...lines, '```'].join('\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function outcome({ refusal, target, accepted }: Row): string {
  if (refusal !== null) return `refused: ${refusal}`;
  if (target !== null) return `→ ${target}`;
  return accepted ? 'stays' : 'ignored';
}

const NOTE =
  'Generated from the chart by `npx vitest run test/machines/diagrams.test.ts -u`; a test fails ' +
  'when this page is stale.';

/** The page of one chart: diagram, then every transition state by state. */
export function chartPage(machine: Drawable): string {
  const rows = rowsOf(machine);
  const { initial } = machine.config as { readonly initial: string };
  const sections = [...new Set(rows.map(({ state }) => state))].map((state) => {
    const title = state === 'any' ? 'In any state that does not say otherwise' : state;
    const cells = rows
      .filter((row) => row.state === state)
      .map((row) => [
        row.event === '*' ? 'anything else' : row.event,
        row.guard ?? '',
        outcome(row),
        row.effects.join(', '),
        row.clauses.join(', '),
      ]);
    return `## ${title}\n\n${table(['event', 'when', 'outcome', 'asks for', 'clauses'], cells)}`;
  });
  return `${[
    `# The ${machine.id} chart`,
    NOTE,
    mermaid(initial, edgesOf(machine)),
    'Rows of one event are tried from the top; the first whose condition holds is taken. A timer ' +
      'is asked for only when there is one to start or to stop.',
    ...sections,
  ].join('\n\n')}\n`;
}

/** The page of the product's path: both charts seen through `phase`. */
export function phasePage(
  phase: (mailbox: string, delivery: string | undefined) => Phase,
  mailbox: Drawable,
  delivery: Drawable,
): string {
  // `delivering` is left when the delivery has ended, and entered before there is one.
  const edges = [
    ...edgesOf(mailbox).map(({ from, to, label }) => ({
      from: phase(from, from === 'delivering' ? 'ended' : undefined),
      to: phase(to, undefined),
      label,
    })),
    ...edgesOf(delivery).map(({ from, to, label }) => ({
      from: phase('delivering', from),
      to: phase('delivering', to),
      label,
    })),
  ].filter(({ from, to }) => from !== to);
  const names = Object.keys(nodesOf(delivery).states);
  const rows = Object.keys(nodesOf(mailbox).states).flatMap((state) =>
    state === 'delivering'
      ? ['none yet', ...names].map((name) => [
          state,
          name,
          phase(state, name === 'none yet' ? undefined : name),
        ])
      : [[state, 'none', phase(state, undefined)]],
  );
  return `${[
    '# Where a subscriber stands',
    'idle → registered → inviting → pushing → bye: the mailbox and its current delivery as one path.',
    NOTE,
    mermaid('idle', edges),
    table(['mailbox', 'delivery', 'phase'], rows),
  ].join('\n\n')}\n`;
}
