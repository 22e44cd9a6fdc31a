import { Command } from 'commander';
import { phase } from '../../engine/decide.ts';
import { streamName } from '../../engine/stream-name.ts';
import { under } from '../../projections/change.ts';
import { accountDeliveryView, deliveryView } from '../../projections/deliveries.ts';
import { deliveringView } from '../../projections/in-flight.ts';
import { type RegistrationRow, registrationView } from '../../projections/registrations.ts';
import { type MailboxRow, mailboxView } from '../../projections/waiting-messages.ts';
import { accountFrom } from './account-from.ts';
import type { CommandLine, Session, Store } from './command-line.ts';
import { messagesAside, messageTables, waitingMessages } from './mailbox-messages.ts';
import { EXIT } from './problem.ts';
import { count, notFound, onStore, type StoreOptions, withReadingOptions } from './store-access.ts';
import { jsonLine, listing, section, table, utc } from './table.ts';

/** Accounts or messages shown when nothing is said. */
const LIMIT_DEFAULT = 100;
const RECENT_DELIVERIES = 10;

const NO_MAILBOX: MailboxRow = { waiting: 0, held: 0, parked: 0, bytes: 0, deferred: 0 };

/** Where the mailbox stands, as the views and the last event of its stream say. */
async function standing(store: Store, account: string) {
  const last = await store.last(streamName('mailbox', account));
  const delivery = (await store.get(deliveringView, account))?.delivery;
  const row = delivery === undefined ? undefined : await store.get(deliveryView, delivery);
  return { phase: phase(last?.meta.to ?? 'idle', row?.state), delivery, row };
}

async function summary(store: Store, account: string) {
  const mailbox = (await store.get(mailboxView, account)) ?? NO_MAILBOX;
  const registration = await store.get(registrationView, account);
  const { waiting, held, parked, bytes } = mailbox;
  return {
    account,
    phase: (await standing(store, account)).phase,
    waiting,
    held,
    parked,
    bytes,
    registeredUntil: registration?.expiresAt ?? null,
  };
}

/** Accounts after `after` that ever had a message or a registration, in order. */
async function accounts(store: Store, after: string, limit: number): Promise<readonly string[]> {
  // The first key behind `after`: no octet sorts before U+0001 in a key.
  const range = { from: after === '' ? '' : `${after}\u0001`, limit };
  const views = [mailboxView, registrationView] as const;
  const rows = await Promise.all(views.map((view) => store.range<unknown>(view, range)));
  const names = new Set(rows.flat().map(([account]) => account));
  return [...names].sort().slice(0, limit);
}

interface ListOptions extends StoreOptions {
  readonly limit: number;
  readonly after?: string;
}

async function list(cli: CommandLine, store: Store, options: ListOptions): Promise<number> {
  const after = options.after === undefined ? '' : (accountFrom(options.after) ?? options.after);
  const found = await accounts(store, after, options.limit + 1);
  const shown = found.slice(0, options.limit);
  const rows = [];
  for (const account of shown) rows.push(await summary(store, account));
  if (options.json) {
    for (const row of rows) await cli.output.write(jsonLine(row));
    return EXIT.ok;
  }
  const head = ['account', 'phase', 'waiting', 'held', 'parked', 'bytes', 'registered until'];
  const cells = rows.map((row) => [
    row.account,
    row.phase,
    row.waiting,
    row.held,
    row.parked,
    row.bytes,
    row.registeredUntil === null ? '-' : utc(row.registeredUntil),
  ]);
  await cli.output.write(rows.length === 0 ? 'no mailbox yet\n' : table(head, cells));
  if (found.length > shown.length) {
    await cli.output.write(`more: restante mailbox list --after '${shown.at(-1) ?? ''}'\n`);
  }
  return EXIT.ok;
}

async function recentDeliveries(store: Store, account: string) {
  const range = { ...under(account), reverse: true, limit: RECENT_DELIVERIES };
  const deliveries = [];
  for (const [, { delivery }] of await store.range(accountDeliveryView, range)) {
    const row = await store.get(deliveryView, delivery);
    if (row) deliveries.push({ delivery, ...row });
  }
  return deliveries;
}

function bindingsOf(cli: CommandLine, registration: RegistrationRow | undefined) {
  return (registration?.bindings ?? []).filter(({ expiresAt }) => expiresAt > cli.now());
}

interface ShowOptions extends StoreOptions {
  readonly account: string;
  readonly limit: number;
}

async function show(cli: CommandLine, store: Store, options: ShowOptions): Promise<number> {
  const { account } = options;
  const registration = await store.get(registrationView, account);
  const mailbox = await store.get(mailboxView, account);
  if (!mailbox && !registration) {
    const todo = 'see restante mailbox list for those there are';
    return notFound(cli, `${account} has no mailbox`, todo);
  }
  const top = await summary(store, account);
  const { delivery, row } = await standing(store, account);
  const bindings = bindingsOf(cli, registration);
  const { limit } = options;
  const waiting = await waitingMessages(store, account, limit);
  const aside = await messagesAside(store, account, { count: top.held + top.parked, limit });
  const deliveries = await recentDeliveries(store, account);
  const open = delivery === undefined ? null : { delivery, ...row };
  if (options.json) {
    await cli.output.write(jsonLine({ ...top, bindings, open, waiting, aside, deliveries }));
    return EXIT.ok;
  }
  const until = top.registeredUntil;
  await cli.output.write(
    listing([
      ['account', account],
      ['phase', top.phase],
      ['messages', `${top.waiting} waiting, ${top.held} held, ${top.parked} parked`],
      ['bytes', top.bytes],
      ['registered', until === null ? 'no' : `until ${utc(until)}`],
      ['delivery', openText(delivery, row)],
    ]) +
      bindingTable(bindings) +
      messageTables({ waiting, aside }, top) +
      deliveryTable(deliveries),
  );
  return EXIT.ok;
}

type Row = Awaited<ReturnType<typeof standing>>['row'];

function openText(delivery: string | undefined, row: Row): string {
  if (delivery === undefined) return 'none open';
  if (!row) return `${delivery}, not begun`;
  return `${delivery}, ${row.state}, ${row.acknowledged} of ${row.count} acknowledged`;
}

function bindingTable(bindings: ReturnType<typeof bindingsOf>): string {
  const cells = bindings.map(({ contact, im, expiresAt, source }) => [
    contact,
    im === false ? 'no' : im,
    utc(expiresAt),
    source,
  ]);
  const head = ['contact', 'im', 'expires', 'from'];
  return section('bindings', table(head, cells), cells.length === 0);
}

function deliveryTable(deliveries: Awaited<ReturnType<typeof recentDeliveries>>): string {
  const cells = deliveries.map((row) => [
    row.delivery,
    utc(row.openedAt),
    row.state,
    row.count,
    row.acknowledged,
    row.failed,
    row.status === undefined ? row.cause : `${row.cause} ${row.status}`,
  ]);
  const head = ['delivery', 'opened', 'state', 'messages', 'acknowledged', 'failed', 'cause'];
  return section('recent deliveries', table(head, cells), cells.length === 0);
}

export function mailboxCommand(session: Session): Command {
  const mailbox = new Command('mailbox').description('look into mailboxes');
  withReadingOptions(mailbox.command('list'))
    .description('list mailboxes: where each stands and what it holds')
    .option('--limit <N>', 'how many', count, LIMIT_DEFAULT)
    .option('--after <ACCOUNT>', 'go on behind this one')
    .addHelpText(
      'after',
      '\nExamples:\n  restante mailbox list\n' +
        '  restante mailbox list --data /var/lib/restante --json | jq .account',
    )
    .action((options: ListOptions) =>
      onStore(session, { ...options, access: 'read' }, (store) => list(session, store, options)),
    );
  withReadingOptions(mailbox.command('show <ACCOUNT>'))
    .description('show one mailbox: registration, open delivery, messages, deliveries')
    .option('--limit <N>', 'how many messages', count, LIMIT_DEFAULT)
    .addHelpText(
      'after',
      '\nExamples:\n  restante mailbox show alice@example.org\n' +
        '  restante mailbox show sip:alice@example.org --json',
    )
    .action((text: string, options: ListOptions) =>
      onStore(session, { ...options, access: 'read' }, async (store) => {
        const account = accountFrom(text);
        if (account !== undefined) return show(session, store, { ...options, account });
        return notFound(session, `${text} is no account`, 'write it like alice@example.org');
      }),
    );
  return mailbox;
}
