import type { Projection, Range } from '../../engine/ports.ts';
import type { Recorded } from '../../engine/recorded.ts';
import type { Environment } from './lmdb-environment.ts';
import type { LmdbLog } from './lmdb-log.ts';
import { changed, changesOf } from './view-key.ts';

/** Events that a rebuild projects in one transaction: bounds its memory and its longest pause. */
const REBUILD_EVENTS = 5_000;

/** Rows as they will be when a transaction has committed; `undefined`: the row goes. */
export interface RowChanges {
  /** @throws what a projection throws; the changes are then of no use any more. */
  project(event: Recorded): void;
  /** Hands the rows to the transaction that is being put together. */
  write(): void;
}

/** Changes on top of the committed rows; nobody else may commit before they are written. */
export function rowChanges(env: Environment, projections: readonly Projection[]): RowChanges {
  const views = new Map<string, Map<string, unknown>>();

  return {
    project(event) {
      for (const change of changesOf(projections, event)) {
        const { view, key } = change;
        let rows = views.get(view);
        if (!rows) {
          rows = new Map();
          views.set(view, rows);
        }
        const pending = rows;
        const row = () => (pending.has(key) ? pending.get(key) : env.view(view).get(key));
        pending.set(key, changed(change, row));
      }
    },
    write() {
      for (const [view, rows] of views) {
        const table = env.view(view);
        for (const [key, row] of rows) {
          if (row === undefined) table.remove(key);
          else table.put(key, row);
        }
      }
    },
  };
}

/** Committed rows from `from` (inclusive) to `to` (exclusive). */
export function rowRange(
  env: Environment,
  view: string,
  { from, to, limit, reverse = false }: Range = {},
): readonly (readonly [string, unknown])[] {
  const rows: (readonly [string, unknown])[] = [];
  const bounds = reverse
    ? // LMDB starts a reverse range at its upper end, and both ends have to change sides.
      { start: to, end: from, exclusiveStart: true, inclusiveEnd: true }
    : { start: from, end: to };
  const defined = Object.fromEntries(Object.entries(bounds).filter(([, v]) => v !== undefined));
  const options = { ...defined, reverse, ...(limit !== undefined && { limit }) };
  for (const { key, value } of env.view(view).getRange(options)) rows.push([key, value]);
  return rows;
}

/**
 * Drops the rows of `projections` and projects the whole log again. A crash on the way is found at
 * the next start, since the projection is entered among the known ones last.
 */
export async function rebuildViews(
  env: Environment,
  log: LmdbLog,
  projections: readonly Projection[],
  progress?: (events: number) => void,
): Promise<number> {
  for (const { name, views } of projections) {
    env.meta.removeSync(versionKey(name));
    for (const view of views) env.view(view).clearSync();
  }
  let events = 0;
  let rows = rowChanges(env, projections);
  const flush = async () => {
    await env.root.batch(() => rows.write());
    rows = rowChanges(env, projections);
    progress?.(events);
  };
  for await (const event of log.readAll(0, Number.POSITIVE_INFINITY)) {
    rows.project(event);
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
