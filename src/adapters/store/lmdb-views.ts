import type { Projection } from '../../engine/ports.ts';
import type { Recorded } from '../../engine/recorded.ts';
import type { Environment } from './lmdb-environment.ts';
import type { LmdbLog } from './lmdb-log.ts';
import { type LogTail, type Rows, writeRows, writeTail } from './lmdb-tail.ts';
import { changed, changesOf } from './view-key.ts';

/** Events that a rebuild projects in one transaction: bounds its memory and its longest pause. */
const REBUILD_EVENTS = 5_000;

/** Rows as they will be when a transaction has committed. */
export interface RowChanges {
  readonly rows: Rows;
  /** @throws what a projection throws; the changes are then of no use any more. */
  project(event: Recorded): void;
}

/** Changes on top of the rows that `rowOf` knows; nobody else may change those meanwhile. */
export function rowChanges(
  projections: readonly Projection[],
  rowOf: (view: string, key: string) => unknown,
): RowChanges {
  const views = new Map<string, Map<string, unknown>>();

  return {
    rows: views,
    project(event) {
      for (const change of changesOf(projections, event)) {
        const { view, key } = change;
        let rows = views.get(view);
        if (!rows) {
          rows = new Map();
          views.set(view, rows);
        }
        const pending = rows;
        const row = () => (pending.has(key) ? pending.get(key) : rowOf(view, key));
        pending.set(key, changed(change, row));
      }
    },
  };
}

export interface Rebuild {
  readonly env: Environment;
  readonly log: LmdbLog;
  readonly tail: LogTail;
  readonly projections: readonly Projection[];
}

/**
 * Drops the rows of `projections` and projects the whole log again, between two commits. A crash on
 * the way is found at the next start, since the projection is entered among the known ones last.
 */
export async function rebuildViews(
  { env, log, tail, projections }: Rebuild,
  progress?: (events: number) => void,
): Promise<number> {
  // What waits may be what is to be mended. And the new rows are those of the whole log: a start
  // after a crash must not find events behind them that seem not to be followed yet.
  await writeTail(env, tail);
  for (const { name, views } of projections) {
    env.meta.removeSync(versionKey(name));
    for (const view of views) env.view(view).clearSync();
  }
  let events = 0;
  const rowOf = (view: string, key: string) => env.view(view).get(key);
  let changes = rowChanges(projections, rowOf);
  const flush = async () => {
    await env.root.batch(() => writeRows(env, changes.rows));
    changes = rowChanges(projections, rowOf);
    progress?.(events);
  };
  for await (const event of log.readAll(0, Number.POSITIVE_INFINITY)) {
    changes.project(event);
    events += 1;
    if (events % REBUILD_EVENTS === 0) await flush();
  }
  await flush();
  for (const { name, version } of projections) env.meta.putSync(versionKey(name), version);
  return events;
}

/** The projections whose rows were made by another version, or not at all. */
export function staleProjections(
  env: Environment,
  projections: readonly Projection[],
): readonly Projection[] {
  return projections.filter(({ name, version }) => env.meta.get(versionKey(name)) !== version);
}

/** Rows that nobody keeps any more fall behind the log: they are rebuilt when they are kept again. */
export function forgetOthers(env: Environment, projections: readonly Projection[]): void {
  const kept = new Set(projections.map(({ name }) => versionKey(name)));
  const known = [...env.meta.getKeys({ start: PREFIX, end: `${PREFIX}\x7f` })];
  for (const key of known) if (!kept.has(key)) env.meta.removeSync(key);
}

const PREFIX = 'projection:';

function versionKey(name: string): string {
  return `${PREFIX}${name}`;
}
