/**
 * One lane per stream: load → decide → append → reply, then effects.
 *
 * Laws:
 * - Append, then act: nothing that an input decided leaves before its event is flushed.
 * - An answer waits for everything that it was decided upon: inputs of one batch are decided on top
 *   of each other, and none is answered before the batch is in the log, also the ignored ones.
 * - At most one append of a stream is in flight. What arrives meanwhile goes out as one atomic
 *   append; the expected revision is always exact.
 * - A conflict means that another node was faster: load again and decide everything again, the
 *   look-ups included. An append of unknown outcome is repeated with the same ids and revision.
 * - What was answered `unknown` may be in the log all the same: its effects are then performed as
 *   soon as the stream can be read again.
 */
import { type Chart, type Decided, evolve, type State } from './decide.ts';
import type { Input, Outcome, Submit } from './input.ts';
import { type Batch, judge, type Lane, type Pending, reasonOf } from './judge.ts';
import type { Clock, Digest, EventStore, ExpectedRevision, Views } from './ports.ts';
import type { Candidate, Recorded } from './recorded.ts';
import { parseStreamName } from './stream-name.ts';

export interface RunnerOptions {
  readonly store: EventStore;
  readonly views: Views;
  /** By category of the stream. */
  readonly charts: Readonly<Record<string, Chart>>;
  readonly digest: Digest;
  readonly clock: Clock;
  /** Performs the effects of one recorded event, in order. */
  perform(event: Recorded, effects: readonly Decided[]): Promise<void>;
  /** Told of every outcome before it is answered. */
  onOutcome?(stream: string, input: Input, outcome: Outcome): void;
  /** Told of a defect: the store's, a chart's or an effect handler's. */
  onFault(stream: string, fault: unknown): void;
  /** How many streams are kept in memory, default `LANES_MAX`. */
  readonly lanesMax?: number;
}

export interface Runner {
  readonly submit: Submit;
  /** Where a stream stands, without loading it into memory for good. */
  state(stream: string): Promise<State>;
  /** Resolves when no input is being decided and no effect is being performed. */
  idle(): Promise<void>;
}

/** Streams whose state is kept; about 0.5 KiB each. */
export const LANES_MAX = 50_000;
/** A conflict is decided again so often. */
export const CONFLICTS_MAX = 8;
/** An append of unknown outcome is repeated for so long, then the input is answered `unknown`. */
export const UNKNOWN_FOR_MS = 20_000;
const UNKNOWN_RETRY_MS = 250;
/** After an answer `unknown` the stream is looked at so often, until it is known. */
const DOUBT_LOOK_MS = 1_000;
export function createRunner(options: RunnerOptions): Runner {
  const { store, charts, clock } = options;
  const lanesMax = options.lanesMax ?? LANES_MAX;
  const lanes = new Map<string, Lane>();
  const working = new Set<Promise<void>>();

  function newLane(stream: string): Lane {
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
      effects: Promise.resolve(),
      performing: 0,
      doubts: new Map(),
    };
  }

  /** A lane that is dropped while it has work would be followed by a second one for its stream. */
  function isAtRest({ running, queue, performing, doubts }: Lane): boolean {
    return !running && queue.length === 0 && performing === 0 && doubts.size === 0;
  }

  /** A Map keeps the order of insertion: its first lane is the least recently used one. */
  function laneOf(stream: string): Lane {
    const lane = lanes.get(stream) ?? newLane(stream);
    lanes.delete(stream);
    if (lanes.size >= lanesMax) {
      for (const [name, other] of lanes) {
        if (isAtRest(other)) lanes.delete(name);
        if (lanes.size < lanesMax) break;
      }
    }
    lanes.set(stream, lane);
    return lane;
  }

  /** Where the log says that a stream stands; effects in doubt that it holds are performed. */
  async function load(lane: Lane): Promise<void> {
    const { chart, stream, doubts } = lane;
    let state = chart.initial;
    let revision: ExpectedRevision = 'none';
    const found: Recorded[] = [];
    for await (const event of store.read(stream)) {
      state = evolve(chart, state, event);
      revision = event.revision;
      if (doubts.has(event.id)) found.push(event);
    }
    lane.state = state;
    lane.revision = revision;
    lane.loaded = true;
    for (const event of found) {
      const effects = doubts.get(event.id) ?? [];
      doubts.delete(event.id);
      perform(lane, event, effects);
    }
  }

  /** Appends until the outcome is known, or has been unknown for too long. */
  async function append(lane: Lane, candidates: readonly Candidate[]) {
    const since = clock.now();
    for (;;) {
      const result = await store.append(lane.stream, lane.revision, candidates);
      if (result.outcome !== 'unknown' || clock.now() - since >= UNKNOWN_FOR_MS) return result;
      await new Promise<void>((resolve) => clock.timer(UNKNOWN_RETRY_MS, resolve));
    }
  }

  async function answer(lane: Lane, pending: Pending, outcome: Outcome): Promise<void> {
    try {
      options.onOutcome?.(lane.stream, pending.input, outcome);
      await pending.reply?.(outcome);
    } catch (fault) {
      // What was decided stands, and its effects follow, whoever could not be told.
      options.onFault(lane.stream, fault);
    }
    pending.resolve(outcome);
  }

  async function settle(lane: Lane, batch: Batch, events: readonly Recorded[]): Promise<void> {
    let next = 0;
    for (const judgement of batch.judgements) {
      const pending = lane.queue.shift();
      if (!pending) return;
      if (judgement.outcome !== 'candidate') {
        await answer(lane, pending, judgement);
        continue;
      }
      const event = events[next];
      const effects = batch.effects[next] ?? [];
      next += 1;
      if (!event) throw new Error(`${lane.stream}: an appended event is missing from the answer`);
      await answer(lane, pending, { outcome: 'accepted', event });
      perform(lane, event, effects);
    }
  }

  function perform(lane: Lane, event: Recorded, effects: readonly Decided[]): void {
    if (effects.length === 0) return;
    lane.performing += 1;
    const work = lane.effects
      .then(() => options.perform(event, effects))
      .catch((fault: unknown) => options.onFault(lane.stream, fault))
      .finally(() => {
        lane.performing -= 1;
      });
    lane.effects = work;
    track(work);
  }

  function track(work: Promise<void>): void {
    working.add(work);
    void work.finally(() => working.delete(work));
  }

  /** Answers the first `count` inputs with `unknown`; the lane is loaded anew. */
  async function giveUp(lane: Lane, count: number, reason: string): Promise<void> {
    lane.loaded = false;
    for (const pending of lane.queue.splice(0, count)) {
      await answer(lane, pending, { outcome: 'unknown', reason });
    }
  }

  function doubt(lane: Lane, { candidates, effects }: Batch): void {
    for (const [index, { id }] of candidates.entries()) {
      lane.doubts.set(id, effects[index] ?? []);
    }
    lookLater(lane);
  }

  /** Nobody may ever submit to this stream again, but what is in the log must be performed. */
  function lookLater(lane: Lane): void {
    clock.timer(DOUBT_LOOK_MS, () => {
      if (lane.doubts.size === 0 || lane.loaded) return;
      if (lane.running) lookLater(lane);
      else track(run(lane));
    });
  }

  async function step(lane: Lane): Promise<void> {
    for (let conflicts = 0; ; conflicts += 1) {
      if (!lane.loaded) await load(lane);
      const batch = await judge(options, lane);
      const { candidates, judgements } = batch;
      if (candidates.length === 0) return settle(lane, batch, []);
      const result = await append(lane, candidates);
      if (result.outcome === 'appended') {
        lane.state = batch.state;
        lane.revision = result.revision;
        // Nothing can stand before these events that was not read: what was in doubt never came.
        lane.doubts.clear();
        const first = result.revision - candidates.length + 1;
        const events = candidates.map((candidate, index) => ({
          ...candidate,
          stream: lane.stream,
          revision: first + index,
          position: result.positions[index] ?? '',
        }));
        return settle(lane, batch, events);
      }
      if (result.outcome === 'unknown') {
        doubt(lane, batch);
        return giveUp(lane, judgements.length, result.reason);
      }
      if (conflicts === CONFLICTS_MAX) {
        const reason = `other writers were faster ${conflicts} times in a row`;
        return giveUp(lane, judgements.length, reason);
      }
      lane.loaded = false;
    }
  }

  async function run(lane: Lane): Promise<void> {
    lane.running = true;
    do {
      try {
        await step(lane);
      } catch (fault) {
        options.onFault(lane.stream, fault);
        if (lane.doubts.size > 0) lookLater(lane);
        await giveUp(lane, lane.queue.length, reasonOf(fault));
      }
    } while (lane.queue.length > 0);
    lane.running = false;
  }

  return {
    submit(stream, input, reply) {
      return new Promise((resolve) => {
        const lane = laneOf(stream);
        lane.queue.push({ input, reply, resolve });
        if (!lane.running) track(run(lane));
      });
    },
    async state(stream) {
      const lane = lanes.get(stream);
      if (lane?.loaded) return lane.state;
      // A lane that is being loaded is left alone: two loads of it would mix.
      const aside = newLane(stream);
      await load(aside);
      return aside.state;
    },
    async idle() {
      while (working.size > 0) await Promise.all(working);
    },
  };
}
