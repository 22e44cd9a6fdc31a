import { Command, Option } from 'commander';
import type { Recorded } from '../../engine/recorded.ts';
import { streamName } from '../../engine/stream-name.ts';
import { key, under } from '../../projections/change.ts';
import { accountDeliveryView } from '../../projections/deliveries.ts';
import { type MessageRow, messageView } from '../../projections/waiting-messages.ts';
import { visible } from '../../wire/visible.ts';
import type { CommandLine, Contents, Session, Store } from './command-line.ts';
import { messageText } from './content-text.ts';
import { eventJson, eventLine } from './event-line.ts';
import {
  type LargeContent,
  largeContent,
  largeEntries,
  largeJson,
  largeText,
  writeBody,
  writeRecord,
} from './large-content.ts';
import { EXIT } from './problem.ts';
import { notFound, onStore, type StoreOptions, withReadingOptions } from './store-access.ts';
import { type Cell, jsonLine, listing, utc } from './table.ts';

interface ShowOptions extends StoreOptions {
  readonly id: string;
  readonly raw?: boolean;
  readonly record?: boolean;
}

interface Shown {
  readonly id: string;
  readonly row: MessageRow;
  /** Of Large Message mode. */
  readonly large: LargeContent | undefined;
  readonly contents: Contents;
}

/** An id as a person writes it: as a URI or a Message-ID header has it. */
function idFrom(text: string): string {
  return text.replace(/^<(.*)>$/, '$1').replace(/^sip:/i, '');
}

async function deferralOf(store: Store, row: MessageRow): Promise<Recorded | undefined> {
  const stream = streamName('mailbox', row.account);
  for await (const event of store.read(stream, { from: row.deferred, limit: 1 })) return event;
  return undefined;
}

/**
 * Every event that names the message, in log order: of the session that it came by, of its mailbox
 * and of the deliveries since.
 */
async function history(store: Store, { id, row, large }: Shown): Promise<readonly Recorded[]> {
  const names = ({ data }: Recorded) => (data as { readonly id?: unknown }).id === id;
  const events: Recorded[] = [...(large?.session.events ?? [])];
  const mailbox = streamName('mailbox', row.account);
  for await (const event of store.read(mailbox, { from: row.deferred })) {
    if (names(event)) events.push(event);
  }
  const since = { from: key(row.account, row.position), to: under(row.account).to };
  for (const [, { delivery }] of await store.range(accountDeliveryView, since)) {
    for await (const event of store.read(streamName('delivery', delivery))) {
      if (names(event)) events.push(event);
    }
  }
  return events.sort((a, b) => (a.position < b.position ? -1 : 1));
}

function rowText({ id, row }: Shown, more: readonly (readonly [string, Cell])[]): string {
  return listing([
    ['id', id],
    ['account', row.account],
    ['kind', row.kind],
    ['state', row.state],
    ['received', utc(row.receivedAt)],
    ['bytes', row.bytes],
    ['priority', row.priority ?? 'normal'],
    ['expires', row.expiresAt === undefined ? 'never' : utc(row.expiresAt)],
    ['attempts', row.attempts],
    ['delivery', row.delivery],
    ['ended', row.endedAt === undefined ? undefined : utc(row.endedAt)],
    ...more,
  ]);
}

/** What was asked for as it is, octet for octet. */
async function writeOctets(
  cli: CommandLine,
  { id, large, contents }: Shown,
  { octets, raw }: { readonly octets: Uint8Array | undefined; readonly raw: boolean },
): Promise<number> {
  if (large?.record) return raw ? writeBody(cli, large, contents) : writeRecord(cli, large);
  if (octets) {
    await cli.output.write(octets);
    return EXIT.ok;
  }
  return notFound(cli, `no octets are stored of ${id}`, 'see its history without --raw');
}

async function show(
  cli: CommandLine,
  { store, contents }: { readonly store: Store; readonly contents: Contents },
  options: ShowOptions,
): Promise<number> {
  const { id, raw = false, record = false } = options;
  const row = await store.get(messageView, id);
  if (!row) {
    const todo = 'see restante mailbox show ACCOUNT for the ids of what waits';
    return notFound(cli, `there is no message ${visible(id)}`, todo);
  }
  const large = await largeContent(store, id, row);
  const shown = { id, row, large, contents };
  const octets = large ? undefined : (await deferralOf(store, row))?.octets;
  if (raw || record) return writeOctets(cli, shown, { octets, raw });
  const events = await history(store, shown);
  if (options.json) {
    const base64 = octets && Buffer.from(octets).toString('base64');
    const kept = large ? { large: largeJson(large, contents) } : { octets: base64 };
    await cli.output.write(jsonLine({ id, ...row, ...kept, history: events.map(eventJson) }));
    return EXIT.ok;
  }
  const entries = large ? await largeEntries(large, contents) : [];
  const content = large ? largeText(large) : contentText(octets);
  const past = events.map(eventLine).join('');
  await cli.output.write(`${rowText(shown, entries)}${content}\nhistory:\n${past}`);
  return EXIT.ok;
}

function contentText(octets: Uint8Array | undefined): string {
  return octets
    ? `\ncontent:\n${messageText(octets)}`
    : '\ncontent: none is stored with the event\n';
}

export function messageCommand(session: Session): Command {
  const message = new Command('message').description('look at one message');
  withReadingOptions(message.command('show <ID>'))
    .description('show a message: what became of it, its content, every event that names it')
    .addOption(
      new Option(
        '--raw',
        'write its octets and nothing else: a MESSAGE, or the body of a Large one',
      ).conflicts('record'),
    )
    .option('--record', 'of a Large one: INVITE, our 200, head of the SEND and BYE, as they were')
    .addHelpText(
      'after',
      '\nExamples:\n  restante message show 1795395388000000@store.example.org\n' +
        '  restante message show sip:1795395388000000@store.example.org --raw > message.sip',
    )
    .action((text: string, options: Omit<ShowOptions, 'id'>) =>
      onStore(session, { ...options, access: 'read' }, (store, contents) =>
        show(session, { store, contents }, { ...options, id: idFrom(text) }),
      ),
    );
  return message;
}
