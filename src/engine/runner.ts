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
 */
import { type Chart, type Decided, evolve, type State, timerMarks } from './decide.ts';
import { eventId } from './identity.ts';
import type { Input, Outcome, Reply, Submit } from './input.ts';
import {
  APPEND_BYTES_MAX,
  type Clock,
  type Digest,
  type EventStore,
  type ExpectedRevision,
  type Views,
} from './ports.ts';
import type { Candidate, Meta, Recorded } from './recorded.ts';
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
/** JSON head of an event, estimated for the bound of a batch. */
const HEAD_BYTES_ESTIMATE = 2_048;

interface Pending {
  readonly input: Input;
  readonly reply: Reply | undefined;
  resolve(outcome: Outcome): void;
}

interface Lane {
  readonly stream: string;
  readonly chart: Chart;
  state: State;
  revision: ExpectedRevision;
  loaded: boolean;
  running: boolean;
  /** The batch in hand stands at its front until it is answered. */
  readonly queue: Pending[];
  /** Effects of earlier events: those of the next wait for them. */
  effects: Promise<void>;
}

type Judgement = Exclude<Outcome, { outcome: 'accepted' }> | { readonly outcome: 'candidate' };

interface Batch {
  /** One for each input at the front of the queue. */
  readonly judgements: readonly Judgement[];
  readonly candidates: readonly Candidate[];
  /** One list for each candidate. */
  readonly effects: readonly (readonly Decided[])[];
  readonly state: State;
}

function envelope(lane: Lane, input: Input, from: State, to: State, effects: readonly Decided[]) {
  const timers = timerMarks(effects);
  const meta: Meta = {
    from: from.value,
    to: to.value,
    ...(effects.length === 0 ? {} : { effects: effects.map(({ name }) => name) }),
    ...(timers === undefined ? {} : { timers }),
    machine: lane.chart.label,
    ...(input.causation === undefined ? {} : { causation: input.causation }),
    ...(input.evidence === undefined ? {} : { evidence: input.evidence }),
  };
  return meta;
}

export function createRunner(options: RunnerOptions): Runner {
  const { store, views, charts, digest, clock } = options;
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
    };
  }

  /** A Map keeps the order of insertion: its first lane is the least recently used one. */
  function laneOf(stream: string): Lane {
    const lane = lanes.get(stream) ?? newLane(stream);
    lanes.delete(stream);
    lanes.set(stream, lane);
    if (lanes.size > lanesMax) {
      for (const [name, { running, queue }] of lanes) {
        if (!running && queue.length === 0) lanes.delete(name);
        if (lanes.size <= lanesMax) break;
      }
    }
    return lane;
  }

  async function load(lane: Lane): Promise<void> {
    lane.state = lane.chart.initial;
    lane.revision = 'none';
    for await (const event of store.read(lane.stream)) {
      lane.state = evolve(lane.chart, lane.state, event);
      lane.revision = event.revision;
    }
    lane.loaded = true;
  }

  async function isRepeated(input: Input, accepted: ReadonlySet<string>): Promise<boolean> {
    if (!input.unless) return false;
    const { view, key } = input.unless;
    return accepted.has(`${view.name} ${key}`) || (await views.get(view, key)) !== undefined;
  }

  /** Decides what waits, one input on top of the other, up to the bound of one append. */
  async function judge(lane: Lane): Promise<Batch> {
    const judgements: Judgement[] = [];
    const candidates: Candidate[] = [];
    const effects: (readonly Decided[])[] = [];
    const accepted = new Set<string>();
    let { state } = lane;
    let bytes = 0;
    for (let pending = lane.queue[0]; pending; pending = lane.queue[judgements.length]) {
      const { input } = pending;
      bytes += HEAD_BYTES_ESTIMATE + (input.octets?.length ?? 0);
      if (judgements.length > 0 && bytes > APPEND_BYTES_MAX) break;
      if (await isRepeated(input, accepted)) {
        judgements.push({ outcome: 'ignored' });
        continue;
      }
      const { type, at, data, octets } = input;
      const id = eventId(digest, lane.stream, input.cause);
      const decision = lane.chart.decide(state, { type, id, at, data });
      if (decision.outcome !== 'accepted') {
        judgements.push(decision);
        continue;
      }
      const meta = envelope(lane, input, state, decision.state, decision.effects);
      candidates.push({ id, type, at, data, ...(octets === undefined ? {} : { octets }), meta });
      effects.push(decision.effects);
      judgements.push({ outcome: 'candidate' });
      if (input.unless) accepted.add(`${input.unless.view.name} ${input.unless.key}`);
      state = decision.state;
    }
    return { judgements, candidates, effects, state };
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
    options.onOutcome?.(lane.stream, pending.input, outcome);
    await pending.reply?.(outcome);
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
      if (effects.length > 0) perform(lane, event, effects);
    }
  }

  function perform(lane: Lane, event: Recorded, effects: readonly Decided[]): void {
    const work = lane.effects
      .then(() => options.perform(event, effects))
      .catch((fault: unknown) => options.onFault(lane.stream, fault));
    lane.effects = work;
    track(work);
  }

  function track(work: Promise<void>): void {
    working.add(work);
    void work.finally(() => working.delete(work));
  }

  /** Answers the batch in hand, or all that waits, with `unknown`; the lane is loaded anew. */
  async function giveUp(lane: Lane, count: number, reason: string): Promise<void> {
    lane.loaded = false;
    for (const pending of lane.queue.splice(0, count)) {
      await answer(lane, pending, { outcome: 'unknown', reason });
    }
  }

  async function step(lane: Lane): Promise<void> {
    for (let conflicts = 0; ; conflicts += 1) {
      if (!lane.loaded) await load(lane);
      const batch = await judge(lane);
      const { candidates, judgements } = batch;
      if (candidates.length === 0) return settle(lane, batch, []);
      const result = await append(lane, candidates);
      if (result.outcome === 'appended') {
        lane.state = batch.state;
        lane.revision = result.revision;
        const first = result.revision - candidates.length + 1;
        const events = candidates.map((candidate, index) => ({
          ...candidate,
          stream: lane.stream,
          revision: first + index,
          position: result.positions[index] ?? '',
        }));
        return settle(lane, batch, events);
      }
      if (result.outcome === 'unknown') return giveUp(lane, judgements.length, result.reason);
      if (conflicts === CONFLICTS_MAX) {
        const reason = `other writers were faster ${conflicts} times in a row`;
        return giveUp(lane, judgements.length, reason);
      }
      lane.loaded = false;
    }
  }

  async function run(lane: Lane): Promise<void> {
    lane.running = true;
    try {
      while (lane.queue.length > 0) await step(lane);
    } catch (fault) {
      options.onFault(lane.stream, fault);
      await giveUp(lane, lane.queue.length, fault instanceof Error ? fault.message : String(fault));
    } finally {
      lane.running = false;
    }
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
      const lane = lanes.get(stream) ?? newLane(stream);
      if (!lane.loaded && !lane.running) await load(lane);
      return lane.state;
    },
    async idle() {
      while (working.size > 0) await Promise.all(working);
    },
  };
}
