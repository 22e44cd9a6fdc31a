/** The streams that are kept in memory: where each stands, and what waits for it. */
import type { Chart, Decided, State } from './decide.ts';
import type { Input, Outcome, Reply } from './input.ts';
import type { ExpectedRevision } from './ports.ts';
import type { Recorded } from './recorded.ts';
import { parseStreamName } from './stream-name.ts';

export interface Pending {
  readonly input: Input;
  readonly reply: Reply | undefined;
  /** Epoch milliseconds. */
  readonly arrivedAt: number;
  resolve(outcome: Outcome): void;
}

/** An event that may or may not be in the log. */
export interface Doubt {
  /** Not yet performed. */
  effects: readonly Decided[];
  /** Set when it was found in the log. */
  event: Recorded | undefined;
}

/** One stream: where it stands and what waits to be decided. */
export interface Lane {
  readonly stream: string;
  readonly chart: Chart;
  /** As of `revision`; the log may have more when the lane is not `loaded`. */
  state: State;
  revision: ExpectedRevision;
  loaded: boolean;
  running: boolean;
  /** The batch in hand stands at its front until it is answered. */
  readonly queue: Pending[];
  /** Events that one append may have; 1 while it is looked for what the store cannot take. */
  batchMax: number;
  /** Effects of earlier events: those of the next wait for them. */
  effects: Promise<void>;
  /** Events with effects on their way: the lane is not given up before. */
  performing: number;
  /** By event id. */
  readonly doubts: Map<string, Doubt>;
  /** Then what is in doubt is forgotten: epoch milliseconds, set when the log was read since. */
  doubtsEndAt: number;
  /** A look into the log for what is in doubt is on its way. */
  looking: boolean;
}

export interface Lanes {
  /** The lane of a stream, made when there is none. Throws when no chart drives its category. */
  open(stream: string): Lane;
  /** A new lane that is not kept. */
  aside(stream: string): Lane;
  get(stream: string): Lane | undefined;
}

/** A lane that is dropped while it has work would be followed by a second one for its stream. */
function isAtRest({ running, queue, performing, doubts }: Lane): boolean {
  return !running && queue.length === 0 && performing === 0 && doubts.size === 0;
}

/**
 * Keeps about `lanesMax` lanes, and all that have work. Two generations: whatever is used moves to
 * the recent one; when that is full, the older one is given up, but for lanes with work. So an
 * input costs the same however many lanes there are and however many of them are at work.
 */
export function createLanes(charts: Readonly<Record<string, Chart>>, lanesMax: number): Lanes {
  const generation = Math.max(1, Math.floor(lanesMax / 2));
  let recent = new Map<string, Lane>();
  let older = new Map<string, Lane>();
  let fullAt = generation;

  function aside(stream: string): Lane {
    const { category } = parseStreamName(stream);
    const chart = charts[category];
    if (!chart) throw new Error(`no chart drives streams of category ${category}: ${stream}`);
    return {
      stream,
      chart,
      state: chart.initial,
      revision: 'none',
      loaded: false,
      running: false,
      queue: [],
      batchMax: Number.POSITIVE_INFINITY,
      effects: Promise.resolve(),
      performing: 0,
      doubts: new Map(),
      doubtsEndAt: Number.POSITIVE_INFINITY,
      looking: false,
    };
  }

  function turn(): void {
    const leaving = older;
    older = recent;
    recent = new Map();
    for (const [stream, lane] of leaving) if (!isAtRest(lane)) recent.set(stream, lane);
    fullAt = recent.size + generation;
  }

  return {
    aside,
    get: (stream) => recent.get(stream) ?? older.get(stream),
    open(stream) {
      const known = recent.get(stream);
      if (known) return known;
      const lane = older.get(stream) ?? aside(stream);
      older.delete(stream);
      if (recent.size >= fullAt) turn();
      recent.set(stream, lane);
      return lane;
    },
  };
}
