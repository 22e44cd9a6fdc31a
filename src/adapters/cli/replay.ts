import { Command } from 'commander';
import { type Phase, phase, type State } from '../../engine/decide.ts';
import type { Position } from '../../engine/recorded.ts';
import { streamName } from '../../engine/stream-name.ts';
import { visible } from '../../wire/visible.ts';
import { accountFrom } from './account-from.ts';
import type { Session, Store } from './command-line.ts';
import { type Folded, foldStream } from './fold.ts';
import { EXIT } from './problem.ts';
import { senderSessions, sessionsText } from './replay-sessions.ts';
import {
  notFound,
  onStore,
  placeIn,
  type StoreOptions,
  withReadingOptions,
} from './store-access.ts';
import { jsonLine, listing, table, utc } from './table.ts';

/** A session by its stream; no account looks like one: it has a host. */
const STREAM = /^(deposit|delivery)-[^@:]+$/;

interface ReplayOptions extends StoreOptions {
  readonly at?: string;
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
  const { charts } = session;
  const mailbox = await foldStream(charts, store, { stream: streamName('mailbox', account), at });
  const senders = await senderSessions(session, store, { account, at });
  if (mailbox.events.length === 0 && senders.folded.length === 0) {
    const until = at === undefined ? '' : ` at or before ${at}`;
    const todo = 'see restante mailbox list for those there are';
    return notFound(session, `${account} has no event${until}`, todo);
  }
  const ids = new Set(mailbox.events.map(({ state }) => currentDelivery(state)));
  const deliveries = new Map<string, Folded>();
  for (const id of ids) {
    if (id === undefined) continue;
    deliveries.set(id, await foldStream(charts, store, { stream: streamName('delivery', id), at }));
  }
  const id = currentDelivery(mailbox.state);
  const delivery = id === undefined ? undefined : deliveries.get(id);
  const all = [mailbox, ...deliveries.values(), ...senders.folded];
  const disagreements = all.flatMap((one) => one.disagreements);
  const path = pathOf(mailbox, deliveries);
  const begun = delivery && delivery.events.length > 0 ? delivery : undefined;
  const result = {
    account,
    at: at ?? lastOf(all),
    phase: phase(mailbox.state.value, begun?.state.value),
    mailbox: mailbox.state,
    delivery: id === undefined ? null : { id, ...begun?.state },
    sessions: { open: senders.open, ended: senders.ended },
    path,
    disagreements,
  };
  await session.output.write(
    options.json ? jsonLine(result) : textOf(result, sessionsText(senders)),
  );
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

function agreementText(disagreements: readonly string[]): string {
  if (disagreements.length === 0) return '\nrecorded and folded states agree\n';
  const lines = disagreements.map((one) => `  ${one}\n`).join('');
  return `\nrecorded and folded states DISAGREE:\n${lines}`;
}

function contextText(context: unknown): string {
  const entries = Object.entries(context as Record<string, unknown>);
  return listing(entries.map(([name, value]) => [`  ${name}`, JSON.stringify(value)]));
}

function textOf(
  { account, at, phase, mailbox, delivery, path, disagreements }: Result,
  sessions: string,
): string {
  const steps = path.map((step) => [step.position, utc(step.at), step.phase, step.by]);
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
    sessions,
    `\npath:\n${table(['position', 'time', 'phase', 'by'], steps)}`,
    agreementText(disagreements),
  ].join('');
}

/** One stream by itself: of a session of a sender, or of a delivery. */
async function replayStream(
  session: Session,
  store: Store,
  options: ReplayOptions & { readonly stream: string },
): Promise<number> {
  const { stream } = options;
  const at = options.at === undefined ? undefined : await placeIn(store, options.at);
  const folded = await foldStream(session.charts, store, { stream, at });
  const { events, state, disagreements } = folded;
  if (events.length === 0) {
    const what = `${visible(stream)} has no event${at === undefined ? '' : ` at or before ${at}`}`;
    return notFound(session, what, 'see restante log for the streams there are');
  }
  const path = events.flatMap(({ event, state: { value } }, index) =>
    events[index - 1]?.state.value === value
      ? []
      : [{ position: event.position, at: event.at, state: value, by: event.type }],
  );
  const last = at ?? lastOf([folded]);
  if (options.json) {
    const { value, context } = state;
    await session.output.write(
      jsonLine({ stream, at: last, state: value, context, path, disagreements }),
    );
  } else {
    const steps = path.map((step) => [step.position, utc(step.at), step.state, step.by]);
    await session.output.write(
      listing([
        ['stream', stream],
        ['at', last],
        ['state', state.value],
      ]) +
        contextText(state.context) +
        `\npath:\n${table(['position', 'time', 'state', 'by'], steps)}` +
        agreementText(disagreements),
    );
  }
  return disagreements.length === 0 ? EXIT.ok : EXIT.finding;
}

export function replayCommand(session: Session): Command {
  return withReadingOptions(new Command('replay'))
    .argument('<ACCOUNT>', 'or the stream of one session: deposit-ID, delivery-ID')
    .description(
      'fold a mailbox and its sessions from the log: where it stood, and how it got there',
    )
    .option('--at <POSITION>', 'as of this position (default: the end of the log)')
    .addHelpText(
      'after',
      '\nExits with 1 when the log records other states than the fold finds.\n\nExamples:\n' +
        '  restante replay alice@example.org\n' +
        '  restante replay alice@example.org --at 1200 --json\n' +
        '  restante replay deposit-1386357e2f562bee76a5539f',
    )
    .action((text: string, options: ReplayOptions) =>
      onStore(session, { ...options, access: 'read' }, async (store) => {
        if (STREAM.test(text)) return replayStream(session, store, { ...options, stream: text });
        const account = accountFrom(text);
        if (account !== undefined) return replayAccount(session, store, { ...options, account });
        return notFound(session, `${text} is no account`, 'write it like alice@example.org');
      }),
    );
}
