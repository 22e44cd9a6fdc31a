import type {
  Append,
  Clock,
  EventStore,
  ExpectedRevision,
  Projection,
  Range,
  ViewStore,
} from '../../engine/ports.ts';
import type { Candidate, Position, Recorded } from '../../engine/recorded.ts';
import { encodeAppend } from './codec.ts';
import { changed, changesOf, checkProjections } from './view-key.ts';

/** Without a clock, `grown` waits for the next append however long that takes. */
export interface MemoryStoreOptions {
  readonly projections: readonly Projection[];
  readonly clock?: Clock;
}

/**
 * The reference store: the whole meaning of the port in the fewest words, and no durability. It
 * keeps events and rows by reference, so neither may be changed after they were given to it.
 */
export function memoryStore(options: MemoryStoreOptions): EventStore & ViewStore {
  checkProjections(options.projections);
  const log: Recorded[] = [];
  const streams = new Map<string, Recorded[]>();
  const views = memoryViews(options.projections);
  const waiting = new Set<() => void>();
  let closed = false;

  function append(
    stream: string,
    expected: ExpectedRevision,
    events: readonly Candidate[],
  ): Append {
    if (closed) throw new Error(`the store is closed: nothing can be appended to ${stream}`);
    // Encoded only to hold this store to the limits of the others.
    encodeAppend(stream, 0, events);
    const past = streams.get(stream) ?? [];
    const head = past.length === 0 ? 'none' : past.length - 1;
    const first = expected === 'none' ? 0 : expected + 1;
    if (expected !== head) {
      const there = past.slice(first, first + events.length);
      const repeated = events.every(({ id }, index) => there[index]?.id === id);
      return repeated ? appended(there) : { outcome: 'conflict', head };
    }
    const recorded = events.map(
      (event, index): Recorded => ({
        ...event,
        ...(event.octets && { octets: event.octets.slice() }),
        stream,
        revision: first + index,
        position: positionOf(log.length + 1 + index),
      }),
    );
    views.project(recorded);
    streams.set(stream, past);
    past.push(...recorded);
    log.push(...recorded);
    for (const wake of [...waiting]) wake();
    return appended(recorded);
  }

  function grown(after: Position | undefined, withinMs: number): Promise<void> {
    if (closed || log.length > numberOf(after)) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        cancel?.();
        waiting.delete(wake);
        resolve();
      };
      const cancel = options.clock?.timer(withinMs, wake);
      waiting.add(wake);
    });
  }

  return {
    append: async (stream, expected, events) => append(stream, expected, events),
    async *read(stream, { from = 0, limit = Number.POSITIVE_INFINITY } = {}) {
      yield* (streams.get(stream) ?? []).slice(from, from + limit);
    },
    last: async (stream) => streams.get(stream)?.at(-1),
    async *readAll({ after, limit = Number.POSITIVE_INFINITY } = {}) {
      const from = numberOf(after);
      const to = Math.min(log.length, from + limit);
      for (const event of log.slice(from, to)) yield event;
    },
    head: async () => log.at(-1)?.position,
    grown,
    get: async <Row>(view: { name: string }, key: string) => views.get(view.name, key) as Row,
    range: async <Row>(view: { name: string }, range?: Range) =>
      views.range(view.name, range) as readonly (readonly [string, Row])[],
    count: async (view) => views.count(view.name),
    rebuild: async (progress) => {
      views.clear();
      views.project(log);
      progress?.(log.length);
      return { events: log.length };
    },
    close: async () => {
      closed = true;
      for (const wake of [...waiting]) wake();
    },
  };
}

function appended(events: readonly Recorded[]): Append {
  const positions = events.map(({ position }) => position);
  return { outcome: 'appended', revision: events.at(-1)?.revision ?? 0, positions };
}

/** Positions count from 1; padded, so that `<` on two is their order. */
function positionOf(count: number): Position {
  return String(count).padStart(15, '0');
}

function numberOf(position: Position | undefined): number {
  return position === undefined ? 0 : Number(position);
}

interface MemoryViews {
  /** All changes of all events, or none when a projection throws. */
  project(events: readonly Recorded[]): void;
  get(view: string, key: string): unknown;
  range(view: string, range?: Range): readonly (readonly [string, unknown])[];
  count(view: string): number;
  clear(): void;
}

function memoryViews(projections: readonly Projection[]): MemoryViews {
  const tables = new Map<string, Map<string, unknown>>();
  /** Keys in order, until one comes or goes. */
  const sorted = new Map<string, readonly string[]>();
  for (const view of projections.flatMap((projection) => projection.views)) {
    tables.set(view, new Map());
  }

  function table(view: string): Map<string, unknown> {
    const rows = tables.get(view);
    if (!rows) throw new RangeError(`no projection of this store keeps the view ${view}`);
    return rows;
  }

  function keys(view: string): readonly string[] {
    const known = sorted.get(view);
    if (known) return known;
    const fresh = [...table(view).keys()].sort();
    sorted.set(view, fresh);
    return fresh;
  }

  function set(view: string, key: string, row: unknown): void {
    const rows = table(view);
    if (rows.has(key) !== (row !== undefined)) sorted.delete(view);
    if (row === undefined) rows.delete(key);
    else rows.set(key, row);
  }

  return {
    project(events) {
      const before: (readonly [string, string, unknown])[] = [];
      try {
        for (const event of events) {
          for (const change of changesOf(projections, event)) {
            const { view, key } = change;
            const row = table(view).get(key);
            const next = changed(change, () => row);
            before.push([view, key, row]);
            set(view, key, next);
          }
        }
      } catch (error) {
        for (const [view, key, row] of before.reverse()) set(view, key, row);
        throw error;
      }
    },
    get: (view, key) => table(view).get(key),
    range(view, { from = '', to, limit = Number.POSITIVE_INFINITY, reverse = false } = {}) {
      const all = keys(view);
      const start = lowerBound(all, from);
      const end = to === undefined ? all.length : lowerBound(all, to);
      const count = Math.min(limit, Math.max(0, end - start));
      const rows = table(view);
      const row = (key: string) => [key, rows.get(key)] as const;
      return reverse
        ? all
            .slice(end - count, end)
            .reverse()
            .map(row)
        : all.slice(start, start + count).map(row);
    },
    count: (view) => table(view).size,
    clear() {
      for (const [view, rows] of tables) {
        rows.clear();
        sorted.delete(view);
      }
    },
  };
}

/** Index of the first key that is not less than `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] ?? '') < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
