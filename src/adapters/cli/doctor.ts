import { access, constants, stat, statfs } from 'node:fs/promises';
import { Command } from 'commander';
import { projections } from '../../projections/all.ts';
import { visible } from '../../wire/visible.ts';
import type { Session, Store } from './command-line.ts';
import { type Finding, faultFinding, finding, ok } from './finding.ts';
import { type LargeFindingsOptions, largeFindings } from './large-findings.ts';
import { logCheck } from './log-check.ts';
import { EXIT } from './problem.ts';
import {
  messageOf,
  type StoreOptions,
  type StorePlace,
  storePlace,
  withReadingOptions,
} from './store-access.ts';
import { jsonLine } from './table.ts';
import { viewDifferences } from './view-check.ts';

interface DoctorOptions extends StoreOptions {
  readonly fast?: boolean;
}

/** package.json, `engines`. */
const NODE_OLDEST = [20, 19] as const;
/** Below this a busy server fills the disk within hours. */
const FREE_BYTES_LEAST = 1024 ** 3;

const LMDB = 'lmdb:';

function nodeFinding(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [oldestMajor, oldestMinor] = NODE_OLDEST;
  const isNew = major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
  if (isNew) return ok('node', process.version);
  const todo = `install Node.js ${NODE_OLDEST.join('.')} or newer`;
  return finding('node', `${process.version} is too old`, todo);
}

async function folderFindings(dir: string): Promise<readonly Finding[]> {
  try {
    if (!(await stat(dir)).isDirectory()) {
      return [
        finding('folder', `${dir} is no folder`, 'name the folder of the store with --store'),
      ];
    }
  } catch (error) {
    const todo = 'name the folder with --data, or start the server on it once';
    return [finding('folder', `${dir}: ${messageOf(error)}`, todo)];
  }
  const found: Finding[] = [];
  try {
    await access(dir, constants.R_OK | constants.W_OK | constants.X_OK);
    found.push(ok('folder', `${dir} can be written`));
  } catch {
    const todo = 'run as the user of the server, or give that user the folder';
    found.push(finding('folder', `${dir} cannot be written by this user`, todo));
  }
  const { bavail, bsize } = await statfs(dir);
  const gibibytes = `${((bavail * bsize) / 1024 ** 3).toFixed(1)} GiB free`;
  const todo = 'free space on that disk, or move the store to a larger one';
  found.push(
    bavail * bsize >= FREE_BYTES_LEAST ? ok('disk', gibibytes) : finding('disk', gibibytes, todo),
  );
  return found;
}

async function logFindings(
  session: Session,
  store: Store,
  more: Pick<LargeFindingsOptions, 'contents' | 'fast'>,
): Promise<readonly Finding[]> {
  const check = logCheck(store, session.charts, projections);
  try {
    await check.advance();
  } catch (error) {
    const found = `unreadable after ${check.events} events: ${visible(messageOf(error))}`;
    const todo = 'restore the store from a backup, and keep this one for an investigation';
    return [finding('log', found, todo)];
  }
  const good = `${check.events} events in ${check.streams} streams, in order and without gaps`;
  const replayed = 'every stream replays to its recorded states';
  const orderTodo = 'restore the store from a backup: something else has written to it';
  const replayTodo = 'look with restante replay; install the release that wrote the log';
  return [
    faultFinding('log', good, { faults: check.order, todo: orderTodo }),
    faultFinding('replay', replayed, { faults: check.replay, todo: replayTodo }),
    await viewFinding(store, check),
    ...(await largeFindings(session, { ...more, store, rows: check.rows })),
  ];
}

async function viewFinding(store: Store, check: ReturnType<typeof logCheck>): Promise<Finding> {
  try {
    const differences = await viewDifferences(store, check);
    if (differences === 'moving') {
      return ok('views', 'not compared: the server writes too much; run this at a quieter time');
    }
    if (differences.length === 0) {
      return ok('views', `${check.rows.size} views are what the log says`);
    }
    const found = differences.map(
      ({ view, rows, expected, key }) =>
        `${view} has ${rows} rows of ${expected}${key === undefined ? '' : `, first at ${key}`}`,
    );
    const todo = 'stop the server and run restante rebuild';
    return finding('views', visible(found.join('; ')), todo);
  } catch (error) {
    const todo = 'stop the server and run restante rebuild';
    return finding('views', `unreadable: ${visible(messageOf(error))}`, todo);
  }
}

async function storeFindings(
  session: Session,
  { url, data }: StorePlace,
  fast: boolean,
): Promise<readonly Finding[]> {
  const opened = await session.openStore({ url, readOnly: true });
  if (opened.kind === 'failure') return [finding('store', opened.what, opened.todo)];
  try {
    const more = { contents: session.openContents(data), fast };
    return [ok('store', `${url} opens`), ...(await logFindings(session, opened.store, more))];
  } finally {
    await opened.store.close();
  }
}

function line({ check, ok, note, found, todo }: Finding): string {
  const verdict = (note ? 'note' : ok ? 'ok' : 'FINDING').padEnd(7);
  return `${verdict}  ${check.padEnd(8)}  ${found}${todo === undefined ? '' : `\n         to do: ${todo}`}\n`;
}

async function examine(session: Session, options: DoctorOptions): Promise<number> {
  const place = await storePlace(session, options);
  if (place === undefined) return EXIT.usage;
  const { url } = place;
  const folder = url.startsWith(LMDB) ? await folderFindings(url.slice(LMDB.length)) : [];
  const stored = await storeFindings(session, place, options.fast ?? false);
  const findings = [nodeFinding(), ...folder, ...stored];
  for (const one of findings) {
    await session.output.write(options.json ? jsonLine(one) : line(one));
  }
  return findings.every(({ ok }) => ok) ? EXIT.ok : EXIT.finding;
}

export function doctorCommand(session: Session): Command {
  return withReadingOptions(new Command('doctor'))
    .description('check the installation and the store: log, views, replay, contents')
    .option(
      '--fast',
      'leave out the digests of contents: only whether they are there, and how long',
    )
    .addHelpText(
      'after',
      '\nReads everything once; the server may run meanwhile. Exits with 1 when it found something.' +
        '\n\nExamples:\n  restante doctor\n  restante doctor --data /var/lib/restante --json',
    )
    .action(async (options: DoctorOptions) => session.finish(await examine(session, options)));
}
