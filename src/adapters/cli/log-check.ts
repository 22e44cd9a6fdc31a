/** One pass over the whole log: is it sound, does it replay, and which rows does it make. */
import type { Chart, State } from '../../engine/decide.ts';
import type { Change, Projection } from '../../engine/ports.ts';
import type { Position, Recorded } from '../../engine/recorded.ts';
import { parseStreamName } from '../../engine/stream-name.ts';
import type { Store } from './command-line.ts';
import { foldStep } from './fold.ts';

/** What is wrong, the first of them and how many there are. */
export interface Faults {
  readonly first: readonly string[];
  readonly count: number;
}

export interface LogCheck {
  /** Reads on to the present head. Throws what the store throws when it cannot be read. */
  advance(): Promise<void>;
  readonly events: number;
  /** Positions and revisions. */
  readonly order: Faults;
  /** Streams that a chart drives. */
  readonly replay: Faults;
  readonly streams: number;
  /** Rows by view, as the log makes them. */
  readonly rows: ReadonlyMap<string, ReadonlyMap<string, unknown>>;
}

const FAULTS_SHOWN_MAX = 3;

interface Stream {
  revision: number;
  state: State | undefined;
}

/** A list that keeps the first faults and counts all. */
export function faults() {
  const first: string[] = [];
  return {
    first,
    count: 0,
    add(fault: string) {
      this.count += 1;
      if (first.length < FAULTS_SHOWN_MAX) first.push(fault);
    },
  };
}

function changeRow(rows: Map<string, unknown>, change: Change): void {
  let row: unknown;
  if ('put' in change) row = change.put;
  else if ('fold' in change) row = change.fold(rows.get(change.key));
  if (row === undefined) rows.delete(change.key);
  else rows.set(change.key, row);
}

export function logCheck(
  store: Store,
  charts: Readonly<Record<string, Chart>>,
  projections: readonly Projection[],
): LogCheck {
  const rows = new Map<string, Map<string, unknown>>();
  for (const name of projections.flatMap(({ views }) => views)) rows.set(name, new Map());
  const streams = new Map<string, Stream>();
  const order = faults();
  const replay = faults();
  let position: Position | undefined;
  let events = 0;

  function check(event: Recorded): void {
    events += 1;
    if (position !== undefined && event.position <= position) {
      order.add(`${event.position} comes after ${position}`);
    }
    position = event.position;
    const chart = charts[parseStreamName(event.stream).category];
    const known = streams.get(event.stream);
    const stream = known ?? { revision: event.revision, state: chart?.initial };
    if (known && event.revision !== known.revision + 1) {
      order.add(`${event.stream} goes from revision ${known.revision} to ${event.revision}`);
    }
    stream.revision = event.revision;
    if (chart && stream.state) {
      const step = foldStep(chart, stream.state, event);
      stream.state = step.state;
      if (step.disagreement !== undefined) replay.add(step.disagreement);
    }
    streams.set(event.stream, stream);
    for (const projection of projections) {
      for (const change of projection.project(event)) {
        changeRow(rows.get(change.view) ?? new Map(), change);
      }
    }
  }

  return {
    async advance() {
      const after = position;
      for await (const event of store.readAll(after === undefined ? {} : { after })) check(event);
    },
    get events() {
      return events;
    },
    get streams() {
      return streams.size;
    },
    order,
    replay,
    rows,
  };
}
