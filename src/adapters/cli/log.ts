import { Command } from 'commander';
import type { Recorded } from '../../engine/recorded.ts';
import type { CommandLine, Session, Store } from './command-line.ts';
import { eventJson, eventLine } from './event-line.ts';
import { EXIT } from './problem.ts';
import { count, onStore, placeIn, type StoreOptions, withReadingOptions } from './store-access.ts';
import { jsonLine } from './table.ts';

interface LogOptions extends StoreOptions {
  readonly stream?: string;
  readonly from?: string;
  readonly follow?: boolean;
  readonly limit?: number;
}

/** How long one wait for new events lasts before the command looks whether it is to end. */
const WAIT_MS = 500;

/** The position just before, where positions are numbers: `readAll` begins behind one. */
function before(position: string): string {
  if (!/^\d+$/.test(position) || Number(position) === 0) return position;
  return String(Number(position) - 1).padStart(position.length, '0');
}

function isIn(stream: string | undefined): (event: Recorded) => boolean {
  if (stream === undefined) return () => true;
  // A category by itself means all its streams.
  return stream.includes('-')
    ? (event) => event.stream === stream
    : (event) => event.stream.startsWith(`${stream}-`);
}

async function log(cli: CommandLine, store: Store, options: LogOptions): Promise<number> {
  const { stream, follow, limit = Number.POSITIVE_INFINITY } = options;
  const { interrupted } = cli;
  const from = options.from === undefined ? undefined : await placeIn(store, options.from);
  const wanted = isIn(stream);
  let after = from === undefined ? undefined : before(from);
  let written = 0;
  const write = async (event: Recorded) => {
    written += 1;
    await cli.output.write(options.json ? jsonLine(eventJson(event)) : eventLine(event));
  };
  if (stream?.includes('-') && !follow) {
    for await (const event of store.read(stream)) {
      if (written >= limit || interrupted.aborted) break;
      if (from === undefined || event.position >= from) await write(event);
    }
    return EXIT.ok;
  }
  while (!interrupted.aborted) {
    for await (const event of store.readAll(after === undefined ? {} : { after })) {
      if (written >= limit || interrupted.aborted) return EXIT.ok;
      after = event.position;
      if (wanted(event)) await write(event);
    }
    if (!follow || written >= limit) break;
    await store.grown(after, WAIT_MS);
  }
  return EXIT.ok;
}

export function logCommand(session: Session): Command {
  return withReadingOptions(new Command('log'))
    .description('print the log, one line an event')
    .option('--stream <S>', 'only this stream, or this category of streams')
    .option('--from <POSITION>', 'begin with the event at this position')
    .option('--limit <N>', 'stop after so many events', count)
    .option('--follow', 'go on with new events until interrupted')
    .addHelpText(
      'after',
      '\n⇐ marks a signal that was received, ⇒ one that was sent.\n\nExamples:\n' +
        '  restante log --follow\n' +
        '  restante log --stream mailbox-sip:alice@example.org\n' +
        '  restante log --stream delivery --from 1200 --limit 50 --json',
    )
    .action((options: LogOptions) =>
      onStore(session, { ...options, access: 'read' }, (store) => log(session, store, options)),
    );
}
