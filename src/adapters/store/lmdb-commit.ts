import {
  type Append,
  type ExpectedRevision,
  LAZY_APPEND_MS,
  type Projection,
} from '../../engine/ports.ts';
import type { Candidate, Position, Recorded } from '../../engine/recorded.ts';
import { encodeAppend } from './codec.ts';
import type { Environment } from './lmdb-environment.ts';
import { type LmdbLog, positionOf } from './lmdb-log.ts';
import { type RowChanges, rowChanges } from './lmdb-views.ts';

/** An append that waits for its commit. */
interface Pending {
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly events: readonly Candidate[];
  /** Encoded when it was handed over, while an earlier commit is being flushed. */
  readonly values: readonly Uint8Array[];
  readonly answer: (answer: Append) => void;
  readonly fail: (error: unknown) => void;
}

/** What goes into one transaction. */
interface Batch {
  readonly records: { count: number; stream: string; revision: number; value: Uint8Array }[];
  readonly rows: RowChanges;
  /** Heads of the streams that this batch appends to. */
  readonly heads: Map<string, number>;
  readonly answers: (readonly [Pending, Append])[];
  /** They can be judged only when this batch is committed. */
  readonly deferred: Pending[];
  last: number;
}

export interface GroupCommit {
  append(
    stream: string,
    expected: ExpectedRevision,
    events: readonly Candidate[],
    flush: 'now' | 'next',
  ): Promise<Append>;
  /** Runs `job` between two commits. */
  alone<Result>(job: () => Promise<Result>): Promise<Result>;
  /** Commits what was accepted, then accepts nothing any more. */
  close(): Promise<void>;
}

/**
 * Group commit: appends that come while a commit is being flushed go out together in the next, so
 * one flush serves them all. One commit is under way at a time, which makes what is committed plus
 * what the batch holds the whole truth for the check of revisions and for folds.
 *
 * @param committed called after each commit, before its appends are answered
 */
export function groupCommit(
  env: Environment,
  log: LmdbLog,
  projections: readonly Projection[],
  committed: () => void,
): GroupCommit {
  let queue: Pending[] = [];
  const jobs: (() => Promise<void>)[] = [];
  let running = false;
  /** Somebody waits: do not leave the queue to the timer. */
  let urgent = false;
  let closed = false;
  let lazyTimer: NodeJS.Timeout | undefined;

  function hurry(): void {
    urgent = true;
    if (running) return;
    running = true;
    // The rest of this turn's input belongs into the same commit.
    setImmediate(() => void run());
  }

  async function run(): Promise<void> {
    clearTimeout(lazyTimer);
    lazyTimer = undefined;
    urgent = false;
    for (const job of jobs.splice(0)) await job();
    const taken = queue.splice(0);
    const deferred = taken.length > 0 ? await commit(taken) : [];
    queue = [...deferred, ...queue];
    running = false;
    if (urgent || deferred.length > 0) hurry();
    else if (queue.length > 0) lazyTimer ??= setTimeout(hurry, LAZY_APPEND_MS);
  }

  async function commit(taken: readonly Pending[]): Promise<readonly Pending[]> {
    const { batch, rejected } = assemble(env, log, projections, taken);
    try {
      if (batch.records.length > 0) {
        await write(env, batch);
        committed();
      }
      for (const [pending, answer] of batch.answers) pending.answer(answer);
    } catch (error) {
      const reason = `the commit failed, perhaps after it was written: ${await causeOf(error)}`;
      for (const [pending] of batch.answers) pending.answer({ outcome: 'unknown', reason });
    }
    for (const [pending, error] of rejected) pending.fail(error);
    return batch.deferred;
  }

  function append(
    stream: string,
    expected: ExpectedRevision,
    events: readonly Candidate[],
    flush: 'now' | 'next',
  ): Promise<Append> {
    if (closed) throw new Error(`the store is closed: nothing can be appended to ${stream}`);
    const values = encodeAppend(stream, firstOf(expected), events);
    return new Promise((answer, fail) => {
      queue.push({ stream, expected, events, values, answer, fail });
      if (flush === 'now') hurry();
      else if (!running) lazyTimer ??= setTimeout(hurry, LAZY_APPEND_MS);
    });
  }

  function alone<Result>(job: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      jobs.push(() => job().then(resolve, reject));
      hurry();
    });
  }

  return {
    append,
    alone,
    async close() {
      closed = true;
      do await alone(async () => {});
      while (queue.length > 0);
    },
  };
}

/** Judges the appends in their order; one at which a projection throws is left out and rejected. */
function assemble(
  env: Environment,
  log: LmdbLog,
  projections: readonly Projection[],
  taken: readonly Pending[],
): { batch: Batch; rejected: readonly (readonly [Pending, unknown])[] } {
  const rejected: (readonly [Pending, unknown])[] = [];
  let rest = taken;
  for (;;) {
    const batch: Batch = {
      records: [],
      rows: rowChanges(env, projections),
      heads: new Map(),
      answers: [],
      deferred: [],
      last: log.head(),
    };
    let current: Pending | undefined;
    try {
      for (const pending of rest) {
        current = pending;
        judge(log, batch, pending);
      }
      return { batch, rejected };
    } catch (error) {
      // Its rows are half made: the others are put together anew without it.
      const culprit = current;
      if (!culprit) throw error;
      rejected.push([culprit, error]);
      rest = rest.filter((pending) => pending !== culprit);
    }
  }
}

function judge(log: LmdbLog, batch: Batch, pending: Pending): void {
  const { stream, expected } = pending;
  const head = batch.heads.get(stream);
  if (head !== undefined) {
    if (head === expected) enter(batch, pending);
    else batch.deferred.push(pending);
  } else if (stands(log, stream, expected)) enter(batch, pending);
  else batch.answers.push([pending, repetition(log, pending) ?? conflict(log, stream)]);
}

/** Revisions of this store start at 0 and have no gaps, so two looks at the index tell. */
function stands(log: LmdbLog, stream: string, expected: ExpectedRevision): boolean {
  return expected === 'none'
    ? !log.has(stream, 0)
    : log.has(stream, expected) && !log.has(stream, expected + 1);
}

function enter(batch: Batch, pending: Pending): void {
  const { stream, expected, events, values } = pending;
  const first = firstOf(expected);
  const positions: Position[] = [];
  for (const [index, value] of values.entries()) {
    const event = events[index];
    if (!event) break;
    batch.last += 1;
    const count = batch.last;
    const revision = first + index;
    const position = positionOf(count);
    positions.push(position);
    batch.records.push({ count, stream, revision, value });
    batch.rows.project(recorded(event, stream, revision, position));
  }
  const revision = first + positions.length - 1;
  batch.heads.set(stream, revision);
  batch.answers.push([pending, { outcome: 'appended', revision, positions }]);
}

/** Written out, since a spread here is a tenth of the cost of an append. */
function recorded(
  { id, type, at, data, octets, meta }: Candidate,
  stream: string,
  revision: number,
  position: Position,
): Recorded {
  return octets
    ? { stream, revision, position, id, type, at, data, octets, meta }
    : { stream, revision, position, id, type, at, data, meta };
}

/** The answer of the first time, when these events stand where they were to be appended. */
function repetition(log: LmdbLog, { stream, expected, events }: Pending): Append | undefined {
  const first = firstOf(expected);
  const positions: Position[] = [];
  for (const [index, { id }] of events.entries()) {
    const there = log.at(stream, first + index);
    if (there?.id !== id) return undefined;
    positions.push(there.position);
  }
  return { outcome: 'appended', revision: first + positions.length - 1, positions };
}

function firstOf(expected: ExpectedRevision): number {
  return expected === 'none' ? 0 : expected + 1;
}

function conflict(log: LmdbLog, stream: string): Append {
  return { outcome: 'conflict', head: log.headOf(stream) ?? 'none' };
}

/** Resolves when the transaction is flushed. */
async function write(env: Environment, { records, rows }: Batch): Promise<void> {
  const entered: Promise<boolean>[] = [];
  const flushed = env.root.batch(() => {
    for (const { count, stream, revision, value } of records) {
      // Appending leaves full pages behind; an insert in order leaves them half empty.
      entered.push(env.log.put(count, value, APPEND));
      env.streams.put([stream, revision], count);
    }
    rows.write();
  });
  const [, ...fits] = await Promise.all([flushed, ...entered]);
  if (fits.includes(false)) {
    throw new Error(`another process has written to the log in ${env.dir}: stop one of the two`);
  }
  env.root.resetReadTxn();
}

/** LMDB's MDB_APPEND; the package's types know it for synchronous puts only. */
const APPEND = { append: true } as unknown as number;

/** What LMDB says of a failed commit; the package hands it over as a promise that is rejected. */
async function causeOf(error: unknown): Promise<string> {
  if (!(error instanceof Error)) return String(error);
  if (!('commitError' in error)) return error.message;
  const told = Promise.resolve(error.commitError).then(() => error.message, String);
  // It may be that it never comes.
  return Promise.race([told, new Promise<string>((over) => setImmediate(over, error.message))]);
}
