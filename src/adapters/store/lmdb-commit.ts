import { type Append, type ExpectedRevision, LAZY_APPEND_MS } from '../../engine/ports.ts';
import type { Candidate } from '../../engine/recorded.ts';
import { encodeAppend } from './codec.ts';
import { assemble, type Batch, firstOf, type Pending } from './lmdb-batch.ts';
import { type CatchUp, catchUp } from './lmdb-catch-up.ts';
import type { Environment } from './lmdb-environment.ts';
import type { LogTail } from './lmdb-tail.ts';

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

/** The tables follow when nothing else has been committed for so long. */
const TAIL_WRITTEN_AFTER_MS = 100;

interface Committed {
  tell(): void;
  readonly deferred: readonly Pending[];
}

/**
 * Group commit: appends that come while a commit is being flushed go out together in the next, so
 * one flush serves them all. One commit is under way at a time, which makes what is committed plus
 * what the batch holds the whole truth for the check of revisions and for folds.
 *
 * @param committed called after each commit, before its appends are answered
 */
export function groupCommit(
  options: CatchUp & { readonly env: Environment; readonly tailSizeMax: number },
  committed: () => void,
): GroupCommit {
  const { env, tail, tailSizeMax } = options;
  let queue: Pending[] = [];
  const jobs: (() => Promise<void>)[] = [];
  let running = false;
  /** Somebody waits: do not leave the queue to the timer. */
  let urgent = false;
  let closed = false;
  let lazyTimer: NodeJS.Timeout | undefined;
  let tailTimer: NodeJS.Timeout | undefined;
  /** The tail goes with the next commit. */
  let tailDue = false;
  /** The last commit failed: perhaps it was written. */
  let doubtful = false;

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
    let tell = () => {};
    do {
      urgent = false;
      for (const job of jobs.splice(0)) await job();
      const taken = queue.splice(0);
      const committing = commit(taken);
      // The last commit is answered while this one is being flushed.
      tell();
      const done = await committing;
      tell = done.tell;
      queue = [...done.deferred, ...queue];
      urgent ||= done.deferred.length > 0;
    } while (urgent);
    running = false;
    tell();
    if (queue.length > 0) lazyTimer ??= setTimeout(hurry, LAZY_APPEND_MS);
    if (tail.size() > 0) tailTimer ??= setTimeout(writeTail, TAIL_WRITTEN_AFTER_MS);
  }

  function writeTail(): void {
    tailTimer = undefined;
    tailDue = true;
    hurry();
  }

  /** Follows what the commit before has written, although it failed. */
  function settle(): void {
    if (!doubtful) return;
    env.root.resetReadTxn();
    catchUp(options);
    doubtful = false;
  }

  /** Resolves when the transaction is flushed, or failed; then `tell` answers its appends. */
  async function commit(taken: readonly Pending[]): Promise<Committed> {
    let assembled: ReturnType<typeof assemble>;
    try {
      settle();
      assembled = assemble(options, taken);
    } catch (error) {
      const reason = `the log cannot be read: ${await causeOf(error)}`;
      const tell = (): void => {
        for (const { answer } of taken) answer({ outcome: 'unknown', reason });
      };
      return { tell, deferred: [] };
    }
    const { batch, rejected } = assembled;
    const { deferred } = batch;
    const withTail = tail.size() > 0 && (tailDue || tail.size() >= tailSizeMax);
    let failure: string | undefined;
    try {
      if (batch.records.length > 0 || withTail) {
        await write(env, batch, withTail ? tail : undefined);
        if (withTail) tail.written();
        tail.take(batch.records, batch.rows.rows);
        committed();
      }
    } catch (error) {
      if (withTail) tail.failed();
      doubtful = true;
      failure = `the commit failed, perhaps after it was written: ${await causeOf(error)}`;
    }
    tailDue = false;
    const tell = (): void => {
      for (const [pending, answer] of batch.answers) {
        pending.answer(failure === undefined ? answer : { outcome: 'unknown', reason: failure });
      }
      for (const [pending, error] of rejected) pending.fail(error);
    };
    return { tell, deferred };
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
      queue.push({ stream, expected, events, values, lazy: flush === 'next', answer, fail });
      if (flush === 'now') hurry();
      else if (!running) lazyTimer ??= setTimeout(hurry, LAZY_APPEND_MS);
    });
  }

  function between<Result>(job: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      jobs.push(() => job().then(resolve, reject));
      hurry();
    });
  }

  return {
    append,
    alone: (job) =>
      between(async () => {
        settle();
        return job();
      }),
    async close() {
      closed = true;
      clearTimeout(tailTimer);
      do {
        tailDue = true;
        await between(async () => {});
      } while (queue.length > 0);
      // Its turn comes when the last commit has ended.
      await between(async () => {});
      clearTimeout(tailTimer);
    },
  };
}

/** Resolves when the transaction is flushed. */
async function write(
  env: Environment,
  { records }: Batch,
  tail: LogTail | undefined,
): Promise<void> {
  const entered: Promise<boolean>[] = [];
  const flushed = env.root.batch(() => {
    for (const { count, value, message } of records) {
      // Compressing a value costs as much as everything else that is done to write it. It halves
      // the messages that are kept for long; other events and the journal are many small records.
      const log = message ? env.log : env.uncompressedLog;
      // Appending leaves full pages behind; an insert in order leaves them half empty.
      entered.push(log.put(count, value, APPEND));
    }
    tail?.write();
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
