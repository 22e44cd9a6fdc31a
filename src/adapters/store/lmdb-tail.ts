/**
 * What follows from the end of the log and is not in the tables yet: the index of the streams and
 * the rows of the views. A commit writes the log alone, which grows at its end; the tables, whose
 * pages lie scattered, are written many commits at a time. Who reads sees both as one.
 */
import type { Range } from '../../engine/ports.ts';
import { type Environment, FOLLOWED } from './lmdb-environment.ts';

/** Where an event of a stream stands in the log. */
export interface Placed {
  readonly stream: string;
  readonly revision: number;
  readonly count: number;
}

/** By view and key; `undefined`: the row goes. */
export type Rows = ReadonlyMap<string, ReadonlyMap<string, unknown>>;

/** Counts of the events of a stream from revision `first` on, without gaps. */
interface Places {
  readonly first: number;
  readonly counts: number[];
}

interface Layer {
  readonly rows: Map<string, Map<string, unknown>>;
  readonly places: Map<string, Places>;
  /** Rows and places. */
  size: number;
}

export interface LogTail {
  /** How many rows and places wait to be written. */
  size(): number;
  /** Tables and tail say what follows from the log up to this count. */
  upTo(): number;
  row(view: string, key: string): unknown;
  range(view: string, range?: Range): readonly (readonly [string, unknown])[];
  count(view: string): number;
  /** Count of the event at a revision of a stream. */
  place(stream: string, revision: number): number | undefined;
  /** Counts of the events of a stream from revision `from` on. */
  places(stream: string, from: number, limit: number): readonly number[];
  /** Revision of the last event of a stream. */
  headOf(stream: string): number | undefined;
  /** Adds what a commit has made true. */
  take(placed: readonly Placed[], rows: Rows): void;
  /** Puts all that waits into the transaction that is being put together; then say how it went. */
  write(): void;
  written(): void;
  failed(): void;
  /** Drops what waits: the tables alone say what follows from the log up to `upTo`. */
  clear(upTo: number): void;
}

const NOTHING = Symbol('no word on this row');

export function logTail(env: Environment): LogTail {
  let fresh = emptyLayer();
  /** In the transaction under way. */
  let leaving = emptyLayer();
  let upTo = followed(env);

  function said(view: string, key: string): unknown {
    for (const { rows } of [fresh, leaving]) {
      const known = rows.get(view);
      if (known?.has(key)) return known.get(key);
    }
    return NOTHING;
  }

  /** Rows of the view that wait, newest word first, by key. */
  function waiting(view: string): ReadonlyMap<string, unknown> {
    const [older, newer] = [leaving.rows.get(view), fresh.rows.get(view)];
    if (!older || !newer) return newer ?? older ?? NO_ROWS;
    return new Map([...older, ...newer]);
  }

  function place(stream: string, revision: number): number | undefined {
    for (const { places } of [fresh, leaving]) {
      const known = places.get(stream);
      if (known && revision >= known.first) return known.counts[revision - known.first];
    }
    return env.streams.get([stream, revision]);
  }

  function headOf(stream: string): number | undefined {
    const known = fresh.places.get(stream) ?? leaving.places.get(stream);
    if (known) return known.first + known.counts.length - 1;
    const start: [string, number] = [stream, Number.MAX_SAFE_INTEGER];
    const end: [string, number] = [stream, -1];
    for (const key of env.streams.getKeys({ start, end, reverse: true, limit: 1 })) return key[1];
    return undefined;
  }

  return {
    size: () => fresh.size,
    upTo: () => upTo,
    row(view, key) {
      const known = said(view, key);
      return known === NOTHING ? env.view(view).get(key) : known;
    },
    range(view, range = {}) {
      const rows = waiting(view);
      return rows.size === 0 ? tableRange(env, view, range) : merged(env, view, { range, rows });
    },
    count(view) {
      const table = env.view(view);
      let count = (table.getStats() as { entryCount: number }).entryCount;
      for (const [key, row] of waiting(view)) {
        count += (row === undefined ? 0 : 1) - (table.doesExist(key) ? 1 : 0);
      }
      return count;
    },
    place,
    places(stream, from, limit) {
      const counts: number[] = [];
      const start: [string, number] = [stream, from];
      const end: [string, number] = [stream, Number.MAX_SAFE_INTEGER];
      for (const { value } of env.streams.getRange({ start, end, limit })) counts.push(value);
      while (counts.length < limit) {
        const next = place(stream, from + counts.length);
        if (next === undefined) break;
        counts.push(next);
      }
      return counts;
    },
    headOf,
    take(placed, rows) {
      for (const { stream, revision, count } of placed) {
        const known = fresh.places.get(stream);
        if (known) known.counts.push(count);
        else fresh.places.set(stream, { first: revision, counts: [count] });
        upTo = count;
      }
      fresh.size += placed.length;
      addRows(fresh, rows);
    },
    write() {
      leaving = fresh;
      fresh = emptyLayer();
      for (const [stream, { first, counts }] of leaving.places) {
        for (const [index, count] of counts.entries()) {
          env.streams.put([stream, first + index], count);
        }
      }
      writeRows(env, leaving.rows);
      env.meta.put(FOLLOWED, upTo);
    },
    written() {
      leaving = emptyLayer();
    },
    failed() {
      // The transaction may have failed before the tail went into it.
      if (leaving.size === 0) return;
      // Nothing was taken meanwhile: one commit is under way at a time.
      fresh = leaving;
      leaving = emptyLayer();
    },
    clear(count) {
      fresh = emptyLayer();
      leaving = emptyLayer();
      upTo = count;
    },
  };
}

/** Count of the last event that the tables follow. */
export function followed(env: Environment): number {
  return (env.meta.get(FOLLOWED) as number | undefined) ?? 0;
}

const NO_ROWS: ReadonlyMap<string, unknown> = new Map();

function emptyLayer(): Layer {
  return { rows: new Map(), places: new Map(), size: 0 };
}

function addRows(layer: Layer, rows: Rows): void {
  for (const [view, changes] of rows) {
    let known = layer.rows.get(view);
    if (!known) {
      known = new Map();
      layer.rows.set(view, known);
    }
    const before = known.size;
    for (const [key, row] of changes) known.set(key, row);
    layer.size += known.size - before;
  }
}

/** A transaction for the tail alone. Rejects when it fails; what waits then goes on waiting. */
export async function writeTail(env: Environment, tail: LogTail): Promise<void> {
  try {
    await env.root.batch(() => tail.write());
    tail.written();
  } catch (error) {
    tail.failed();
    throw error;
  }
}

/** Hands rows to the transaction that is being put together. */
export function writeRows(env: Environment, rows: Rows): void {
  for (const [view, changes] of rows) {
    const table = env.view(view);
    for (const [key, row] of changes) {
      if (row === undefined) table.remove(key);
      else table.put(key, row);
    }
  }
}

/** Rows of the table from `from` (inclusive) to `to` (exclusive). */
function tableRange(
  env: Environment,
  view: string,
  { from, to, limit, reverse = false }: Range,
): (readonly [string, unknown])[] {
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

/** Table and waiting rows as one, in the order of the keys. */
function merged(
  env: Environment,
  view: string,
  { range, rows }: { readonly range: Range; readonly rows: ReadonlyMap<string, unknown> },
): readonly (readonly [string, unknown])[] {
  const { from = '', to, limit = Number.POSITIVE_INFINITY, reverse = false } = range;
  const changes: (readonly [string, unknown])[] = [];
  for (const change of rows) {
    if (change[0] >= from && (to === undefined || change[0] < to)) changes.push(change);
  }
  if (changes.length === 0) return tableRange(env, view, range);
  // Each change hides one row of the table at most.
  const room = limit + changes.length;
  const wide = Number.isFinite(room) ? { ...range, limit: room } : range;
  const table = tableRange(env, view, wide);
  const changed = new Map(changes);
  const all = [
    ...table.filter(([key]) => !changed.has(key)),
    ...changes.filter(([, row]) => row !== undefined),
  ];
  all.sort(([a], [b]) => (a < b ? -1 : 1));
  if (reverse) all.reverse();
  return all.length > limit ? all.slice(0, limit) : all;
}
