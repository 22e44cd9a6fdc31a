import { Command } from 'commander';
import { type Phase, phase, type State } from '../../engine/decide.ts';
import type { Position, Recorded } from '../../engine/recorded.ts';
import { streamName } from '../../engine/stream-name.ts';
import { accountFrom } from './account-from.ts';
import type { Session, Store } from './command-line.ts';
import { foldStep } from './fold.ts';
import { EXIT } from './problem.ts';
import {
  notFound,
  onStore,
  placeIn,
  type StoreOptions,
  withReadingOptions,
} from './store-access.ts';
import { jsonLine, listing, table, utc } from './table.ts';

interface ReplayOptions extends StoreOptions {
  readonly at?: string;
}

interface Folded {
  readonly events: readonly { readonly event: Recorded; readonly state: State }[];
  readonly state: State;
  readonly disagreements: readonly string[];
}

async function foldStream(
  { charts }: Session,
  store: Store,
  stream: {
    readonly category: 'mailbox' | 'delivery';
    readonly id: string;
    /** The last position to fold; `undefined`: all. */
    readonly at: Position | undefined;
  },
): Promise<Folded> {
  const { category, id, at } = stream;
  const chart = charts[category];
  if (!chart) throw new Error(`this release has no chart for ${category} streams`);
  const events: { event: Recorded; state: State }[] = [];
  const disagreements: string[] = [];
  let state = chart.initial;
  for await (const event of store.read(streamName(category, id))) {
    if (at !== undefined && event.position > at) break;
    const step = foldStep(chart, state, event);
    state = step.state;
    events.push({ event, state });
    if (step.disagreement !== undefined) disagreements.push(step.disagreement);
  }
  return { events, state, disagreements };
}

function currentDelivery({ context }: State): string | undefined {
  return (context as { readonly delivery?: string | null }).delivery ?? undefined;
}

function lastOf(folded: readonly Folded[]): Position | undefined {
  return folded
    .map(({ events }) => events.at(-1)?.event.position ?? '')
    .sort()
    .at(-1);
}

interface PhaseStep {
  readonly position: Position;
  readonly at: number;
  readonly phase: Phase;
  readonly by: string;
}

/** The path of phases: mailbox and deliveries in log order, one step for each change. */
function pathOf(mailbox: Folded, deliveries: ReadonlyMap<string, Folded>): readonly PhaseStep[] {
  const moves = [mailbox, ...deliveries.values()]
    .flatMap(({ events }) => events)
    .sort((a, b) => (a.event.position < b.event.position ? -1 : 1));
  const states = new Map<string, string>();
  const path: PhaseStep[] = [];
  const stream = mailbox.events[0]?.event.stream;
  let current: string | undefined;
  for (const { event, state } of moves) {
    if (event.stream === stream) current = currentDelivery(state);
    states.set(event.stream, state.value);
    const delivery = current === undefined ? undefined : streamName('delivery', current);
    const now = phase(states.get(stream ?? '') ?? 'idle', delivery && states.get(delivery));
    if (path.at(-1)?.phase !== now) {
      path.push({ position: event.position, at: event.at, phase: now, by: event.type });
    }
  }
  return path;
}

async function replayAccount(
  session: Session,
  store: Store,
  options: ReplayOptions & { readonly account: string },
): Promise<number> {
  const { account } = options;
  const at = options.at === undefined ? undefined : await placeIn(store, options.at);
  const mailbox = await foldStream(session, store, { category: 'mailbox', id: account, at });
  if (mailbox.events.length === 0) {
    const until = at === undefined ? '' : ` at or before ${at}`;
    const todo = 'see restante mailbox list for those there are';
    return notFound(session, `${account} has no event${until}`, todo);
  }
  const ids = new Set(mailbox.events.map(({ state }) => currentDelivery(state)));
  const deliveries = new Map<string, Folded>();
  for (const id of ids) {
    if (id === undefined) continue;
    deliveries.set(id, await foldStream(session, store, { category: 'delivery', id, at }));
  }
  const id = currentDelivery(mailbox.state);
  const delivery = id === undefined ? undefined : deliveries.get(id);
  const disagreements = [mailbox, ...deliveries.values()].flatMap((one) => one.disagreements);
  const path = pathOf(mailbox, deliveries);
  const begun = delivery && delivery.events.length > 0 ? delivery : undefined;
  const result = {
    account,
    at: at ?? lastOf([mailbox, ...deliveries.values()]),
    phase: phase(mailbox.state.value, begun?.state.value),
    mailbox: mailbox.state,
    delivery: id === undefined ? null : { id, ...begun?.state },
    path,
    disagreements,
  };
  await session.output.write(options.json ? jsonLine(result) : textOf(result));
  return disagreements.length === 0 ? EXIT.ok : EXIT.finding;
}

interface Result {
  readonly account: string;
  readonly at: Position | undefined;
  readonly phase: Phase;
  readonly mailbox: State;
  readonly delivery: ({ readonly id: string } & Partial<State>) | null;
  readonly path: readonly PhaseStep[];
  readonly disagreements: readonly string[];
}

function contextText(context: unknown): string {
  const entries = Object.entries(context as Record<string, unknown>);
  return listing(entries.map(([name, value]) => [`  ${name}`, JSON.stringify(value)]));
}

function textOf({ account, at, phase, mailbox, delivery, path, disagreements }: Result): string {
  const steps = path.map((step) => [step.position, utc(step.at), step.phase, step.by]);
  const agreement =
    disagreements.length === 0
      ? 'recorded and folded states agree\n'
      : `recorded and folded states DISAGREE:\n${disagreements.map((one) => `  ${one}\n`).join('')}`;
  const delivering = delivery
    ? `\ndelivery ${delivery.id}: ${delivery.value ?? 'not begun'}\n${
        delivery.context === undefined ? '' : contextText(delivery.context)
      }`
    : '';
  return [
    listing([
      ['account', account],
      ['at', at],
      ['phase', phase],
    ]),
    `\nmailbox: ${mailbox.value}\n${contextText(mailbox.context)}`,
    delivering,
    `\npath:\n${table(['position', 'time', 'phase', 'by'], steps)}`,
    `\n${agreement}`,
  ].join('');
}

export function replayCommand(session: Session): Command {
  return withReadingOptions(new Command('replay'))
    .argument('<ACCOUNT>')
    .description(
      'fold a mailbox and its deliveries from the log: where it stood, and how it got there',
    )
    .option('--at <POSITION>', 'as of this position (default: the end of the log)')
    .addHelpText(
      'after',
      '\nExits with 1 when the log records other states than the fold finds.\n\nExamples:\n' +
        '  restante replay alice@example.org\n' +
        '  restante replay alice@example.org --at 1200 --json',
    )
    .action((text: string, options: ReplayOptions) =>
      onStore(session, { ...options, access: 'read' }, async (store) => {
        const account = accountFrom(text);
        if (account !== undefined) return replayAccount(session, store, { ...options, account });
        return notFound(session, `${text} is no account`, 'write it like alice@example.org');
      }),
    );
}
