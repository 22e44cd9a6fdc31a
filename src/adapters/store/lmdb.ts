import type {
  AppendOptions,
  EventStore,
  ExpectedRevision,
  Projection,
  Range,
  View,
  ViewStore,
} from '../../engine/ports.ts';
import type { Candidate, Position } from '../../engine/recorded.ts';
import { catchUp, keptUp } from './lmdb-catch-up.ts';
import { groupCommit } from './lmdb-commit.ts';
import { type LmdbOptions, openEnvironment } from './lmdb-environment.ts';
import { countOf, lmdbLog, positionOf } from './lmdb-log.ts';
import { logTail } from './lmdb-tail.ts';
import { forgetOthers, rebuildViews, staleProjections } from './lmdb-views.ts';
import { checkProjections } from './view-key.ts';

/** How often a waiting reader looks whether another process has appended. */
const POLL_MS = 50;
/** Few enough to be written in about 5 ms, and enough that a page is written once for many of them. */
const TAIL_SIZE_MAX = 2_000;
/** Slots of readers that died are given back this often (LMDB keeps them otherwise). */
const READER_CHECK_MS = 60_000;

export interface LmdbStoreOptions extends Omit<LmdbOptions, 'views'> {
  readonly projections: readonly Projection[];
  /** Rows and places that may wait in memory for their tables; default 2,000. */
  readonly tailSizeMax?: number;
  /** Told how far the rebuild of an outdated projection is, at open. */
  readonly progress?: (events: number) => void;
}

/**
 * Opens the embedded store: log and views in one LMDB environment, written by one process at a
 * time, read by any number. Views whose projection is new or was raised are built before it
 * resolves.
 *
 * @throws StoreUnavailable when another process writes to it, a newer release made it, or the
 *   system refuses
 */
export async function openLmdbStore(options: LmdbStoreOptions): Promise<EventStore & ViewStore> {
  const { projections, readOnly = false, tailSizeMax = TAIL_SIZE_MAX } = options;
  checkProjections(projections);
  const views = projections.flatMap((projection) => projection.views);
  const env = openEnvironment({ ...options, views });
  const tail = logTail(env);
  const log = lmdbLog(env, tail);
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const wakeOne of [...waiting]) wakeOne();
  };
  const stale = staleProjections(env, projections);
  /** Those whose rows the tables have. */
  const inStep = projections.filter((projection) => !stale.includes(projection));
  const keepUp = readOnly ? keptUp({ env, log, tail, projections: inStep }) : () => {};
  const commits = readOnly
    ? undefined
    : groupCommit({ env, log, tail, projections, tailSizeMax }, wake);
  let readerCheck: NodeJS.Timeout | undefined;
  let closing: Promise<void> | undefined;

  if (commits) {
    try {
      forgetOthers(env, projections);
      catchUp({ log, tail, projections: inStep });
      if (stale.length > 0) {
        await rebuildViews({ env, log, tail, projections: stale }, options.progress);
      }
    } catch (error) {
      await env.close();
      throw error;
    }
    readerCheck = setInterval(() => env.root.readerCheck(), READER_CHECK_MS).unref();
  }

  function writer() {
    if (commits) return commits;
    throw new Error(`the store in ${env.dir} is open read-only: only the server writes to it`);
  }

  function grown(after: Position | undefined, withinMs: number): Promise<void> {
    if (closing || log.head() > countOf(after)) return Promise.resolve();
    return new Promise((resolve) => {
      const look = () => {
        if (log.head() > countOf(after)) wakeOne();
      };
      const wakeOne = () => {
        clearTimeout(deadline);
        clearInterval(poll);
        waiting.delete(wakeOne);
        resolve();
      };
      const deadline = setTimeout(wakeOne, withinMs);
      // This process is told of its own commits; those of another it can only see.
      const poll = readOnly ? setInterval(look, POLL_MS) : undefined;
      waiting.add(wakeOne);
    });
  }

  async function close(): Promise<void> {
    clearInterval(readerCheck);
    await commits?.close();
    wake();
    await env.close();
  }

  return {
    append: async (
      stream: string,
      expected: ExpectedRevision,
      events: readonly Candidate[],
      { flush = 'now' }: AppendOptions = {},
    ) => writer().append(stream, expected, events, flush),
    read(stream, { from = 0, limit = Number.MAX_SAFE_INTEGER } = {}) {
      keepUp();
      return log.read(stream, from, limit);
    },
    async last(stream) {
      keepUp();
      return log.last(stream);
    },
    readAll: ({ after, limit = Number.MAX_SAFE_INTEGER } = {}) =>
      log.readAll(countOf(after), limit),
    head: async () => {
      const head = log.head();
      return head === 0 ? undefined : positionOf(head);
    },
    grown,
    async get<Row>(view: View<Row>, key: string) {
      keepUp();
      return tail.row(view.name, key) as Row | undefined;
    },
    async range<Row>(view: View<Row>, range?: Range) {
      keepUp();
      return tail.range(view.name, range) as readonly (readonly [string, Row])[];
    },
    async count(view) {
      keepUp();
      return tail.count(view.name);
    },
    rebuild: (progress) =>
      writer().alone(async () => ({
        events: await rebuildViews({ env, log, tail, projections }, progress),
      })),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}
