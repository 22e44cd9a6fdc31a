import { Command } from 'commander';
import type { Recorded } from '../../engine/recorded.ts';
import { streamName } from '../../engine/stream-name.ts';
import { key, under } from '../../projections/change.ts';
import { accountDeliveryView } from '../../projections/deliveries.ts';
import { type MessageRow, messageView } from '../../projections/waiting-messages.ts';
import { parseSip } from '../../wire/sip/message.ts';
import { visible } from '../../wire/visible.ts';
import type { CommandLine, Session, Store } from './command-line.ts';
import { eventJson, eventLine } from './event-line.ts';
import { EXIT } from './problem.ts';
import { notFound, onStore, type StoreOptions, withReadingOptions } from './store-access.ts';
import { jsonLine, listing, utc } from './table.ts';

interface ShowOptions extends StoreOptions {
  readonly id: string;
  readonly raw?: boolean;
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

/** Every event that names the message, in log order: of its mailbox and of the deliveries since. */
async function history(store: Store, id: string, row: MessageRow): Promise<readonly Recorded[]> {
  const names = ({ data }: Recorded) => (data as { readonly id?: unknown }).id === id;
  const events: Recorded[] = [];
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

function rowText(id: string, row: MessageRow): string {
  return listing([
    ['id', id],
    ['account', row.account],
    ['state', row.state],
    ['received', utc(row.receivedAt)],
    ['bytes', row.bytes],
    ['priority', row.priority ?? 'normal'],
    ['expires', row.expiresAt === undefined ? 'never' : utc(row.expiresAt)],
    ['attempts', row.attempts],
    ['delivery', row.delivery],
    ['ended', row.endedAt === undefined ? undefined : utc(row.endedAt)],
  ]);
}

/** Start line, headers and body, a line each; a body line ends where its LF is. */
function contentText(octets: Uint8Array | undefined): string {
  if (octets === undefined) return '\ncontent: none is stored with the event\n';
  const { message } = parseSip(octets, 'exact');
  const body = message?.body ?? new Uint8Array();
  const head = octets.subarray(0, octets.length - body.length);
  const lines = (part: Uint8Array) => {
    const ends: string[] = [];
    for (let start = 0; start < part.length; ) {
      const lf = part.indexOf(10, start);
      const end = lf < 0 ? part.length : lf;
      const trimmed = part[end - 1] === 13 ? end - 1 : end;
      ends.push(`  ${visible(part.subarray(start, Math.max(start, trimmed)))}\n`);
      start = end + 1;
    }
    return ends.join('');
  };
  return `\ncontent:\n${lines(head)}${lines(body)}`;
}

async function show(cli: CommandLine, store: Store, options: ShowOptions): Promise<number> {
  const { id } = options;
  const row = await store.get(messageView, id);
  if (!row) {
    const todo = 'see restante mailbox show ACCOUNT for the ids of what waits';
    return notFound(cli, `there is no message ${visible(id)}`, todo);
  }
  const deferral = await deferralOf(store, row);
  if (options.raw) {
    if (deferral?.octets) {
      await cli.output.write(deferral.octets);
      return EXIT.ok;
    }
    return notFound(cli, `no octets are stored of ${id}`, 'see its history without --raw');
  }
  const events = await history(store, id, row);
  if (options.json) {
    const octets = deferral?.octets && Buffer.from(deferral.octets).toString('base64');
    await cli.output.write(jsonLine({ id, ...row, octets, history: events.map(eventJson) }));
    return EXIT.ok;
  }
  const past = events.map(eventLine).join('');
  await cli.output.write(`${rowText(id, row)}${contentText(deferral?.octets)}\nhistory:\n${past}`);
  return EXIT.ok;
}

export function messageCommand(session: Session): Command {
  const message = new Command('message').description('look at one message');
  withReadingOptions(message.command('show <ID>'))
    .description('show a message: what became of it, its content, every event that names it')
    .option('--raw', 'write the stored octets, exactly as they came in, and nothing else')
    .addHelpText(
      'after',
      '\nExamples:\n  restante message show 1795395388000000@store.example.org\n' +
        '  restante message show sip:1795395388000000@store.example.org --raw > message.sip',
    )
    .action((text: string, options: Omit<ShowOptions, 'id'>) =>
      onStore(session, { ...options, access: 'read' }, (store) =>
        show(session, store, { ...options, id: idFrom(text) }),
      ),
    );
  return message;
}
