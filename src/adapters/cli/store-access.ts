/** How the reading commands find a store, open it and give it back. */
import { type Command, InvalidArgumentError } from 'commander';
import type { CommandLine, Contents, Session, Store } from './command-line.ts';
import { CONFIG_VARIABLE, type Configuration, readConfiguration } from './configuration.ts';
import { EXIT, problemText } from './problem.ts';

export interface StoreOptions {
  readonly data?: string;
  readonly store?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** Adds the options that say which store. */
export function withStoreOptions(command: Command): Command {
  return command
    .option('--data <DIR>', 'the folder that the server was given (default ./data)')
    .option('--store <URL>', 'the store itself: lmdb:DIR')
    .option('--config <FILE>', `the settings of the server, also ${CONFIG_VARIABLE}`);
}

/** The same, and `--json`. */
export function withReadingOptions(command: Command): Command {
  return withStoreOptions(command).option('--json', 'for programs: JSON in place of text');
}

/** Reads flags, environment and the file that one of them names. */
export async function configured(
  cli: CommandLine,
  flags: Readonly<Record<string, string | undefined>>,
  configFlag: string | undefined,
): Promise<Configuration> {
  const path = configFlag ?? (cli.environment[CONFIG_VARIABLE] || undefined);
  const { environment } = cli;
  if (path === undefined) return readConfiguration({ flags, environment });
  let text: string;
  try {
    text = await cli.readFile(path);
  } catch (error) {
    const what = `the settings cannot be read: ${messageOf(error)}`;
    const todo = 'name a file that exists with --config';
    return { kind: 'failure', problems: [{ what, where: path, todo }] };
  }
  return readConfiguration({ flags, environment, file: { path, text } });
}

export interface StorePlace {
  readonly url: string;
  /** The folder that the server was given: contents of Large messages are there. */
  readonly data: string;
}

/** The store that the options mean, or `undefined` after saying what is wrong. */
export async function storePlace(
  cli: CommandLine,
  options: StoreOptions,
): Promise<StorePlace | undefined> {
  const { data, store } = options;
  const read = await configured(cli, { data, store }, options.config);
  if (read.kind === 'configuration') return { url: read.config.store, data: read.config.data };
  for (const problem of read.problems) cli.output.error(problemText(problem));
  return undefined;
}

export interface OpenOptions extends StoreOptions {
  readonly access: 'read' | 'write';
}

/** Opens the store, does the work, closes it and tells the exit code. */
export async function onStore(
  session: Session,
  options: OpenOptions,
  work: (store: Store, contents: Contents) => Promise<number>,
): Promise<void> {
  const place = await storePlace(session, options);
  if (place === undefined) return session.finish(EXIT.usage);
  const { url, data } = place;
  const opened = await session.openStore({ url, readOnly: options.access === 'read' });
  if (opened.kind === 'failure') {
    session.output.error(problemText({ what: opened.what, where: url, todo: opened.todo }));
    return session.finish(EXIT.environment);
  }
  try {
    session.finish(await work(opened.store, session.openContents(data)));
  } finally {
    await opened.store.close();
  }
}

/** Says that what was asked for is not there. */
export function notFound(cli: CommandLine, what: string, todo: string): number {
  cli.output.error(problemText({ what, where: 'the store', todo }));
  return EXIT.finding;
}

/** A position as this store writes it: leading zeros may be left out by a person. */
export async function placeIn(store: Store, position: string): Promise<string> {
  const head = await store.head();
  return /^\d+$/.test(position) ? position.padStart(head?.length ?? 0, '0') : position;
}

/** Reads the value of an option that is a count. */
export function count(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number.');
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
