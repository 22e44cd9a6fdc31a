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
 *   look-ups included. An append of unknown outcome is repeated with the same ids and revision; one
 *   that does not come back in time is given up and counts as unknown.
 * - What was answered `unknown` may be in the log all the same: its effects are then performed as
 *   soon as the stream can be read again, once, and the same input submitted again is answered
 *   `accepted` with the recorded event.
 */
import { appendUntilKnown, UNKNOWN_FOR_MS } from './appending.ts';
import { type Chart, type Decided, evolve, type State } from './decide.ts';
import { eventId } from './identity.ts';
import type { Input, Outcome, Submit } from './input.ts';
import { type Batch, judge, reasonOf } from './judge.ts';
import { createLanes, type Lane, type Pending } from './lanes.ts';
import type { Clock, Digest, EventStore, Views } from './ports.ts';
import type { Recorded } from './recorded.ts';

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
/** What is in doubt is looked for so often until the log can be read, and then ever less often. */
const DOUBT_LOOK_MS = 1_000;
/**
 * What is in doubt is kept for so long after the log was read: an append may land late, and whoever
 * insists (at most every minute) is told that his event is in the log.
 */
export const DOUBT_KEPT_MS = 120_000;

export function createRunner(options: RunnerOptions): Runner {
  const { store, charts, digest, clock } = options;
  const lanes = createLanes(charts, options.lanesMax ?? LANES_MAX);
  const working = new Set<Promise<void>>();

  /**
   * Reads on where the lane stands. Effects in doubt that the log holds are performed; those of an
   * input that waits again follow its answer.
   */
  async function load(lane: Lane): Promise<void> {
    const { chart, stream, doubts } = lane;
    let { state, revision } = lane;
    const found: Recorded[] = [];
    const unread = revision === 'none' ? {} : { from: revision + 1 };
    for await (const event of store.read(stream, unread)) {
      state = evolve(chart, state, event);
      revision = event.revision;
      if (doubts.has(event.id)) found.push(event);
    }
    lane.state = state;
    lane.revision = revision;
    lane.loaded = true;
    lane.doubtsEndAt = Math.min(lane.doubtsEndAt, clock.now() + DOUBT_KEPT_MS);
    if (found.length === 0) return;
    const waiting = new Set(lane.queue.map((pending) => idOf(lane, pending)));
    for (const event of found) {
      const doubt = doubts.get(event.id);
      if (doubt) doubt.event = event;
      if (!waiting.has(event.id)) performDoubted(lane, event.id);
    }
  }

  function idOf({ stream }: Lane, { input }: Pending): string {
    return eventId(digest, stream, input.cause);
  }

  function append(lane: Lane, batch: Batch) {
    const { stream, revision, queue } = lane;
    return appendUntilKnown(options, [stream, revision, batch.candidates], {
      since: queue[0]?.arrivedAt ?? clock.now(),
      onDoubt: () => doubt(lane, batch),
    });
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
        if (judgement.outcome === 'accepted') performDoubted(lane, judgement.event.id);
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

  /** Effects of an event that was in doubt and is in the log, once. */
  function performDoubted(lane: Lane, id: string): void {
    const doubt = lane.doubts.get(id);
    if (!doubt?.event) return;
    const { event, effects } = doubt;
    doubt.effects = [];
    perform(lane, event, effects);
  }

  function track(work: Promise<void>): void {
    working.add(work);
    void work.finally(() => working.delete(work));
  }

  /** Answers the first `count` inputs with `unknown`; the log is read again. */
  async function giveUp(lane: Lane, count: number, reason: string): Promise<void> {
    lane.loaded = false;
    for (const pending of lane.queue.splice(0, count)) {
      await answer(lane, pending, { outcome: 'unknown', reason });
      performDoubted(lane, idOf(lane, pending));
    }
  }

  /** Inputs at the front of the queue that have waited too long. */
  function overdue({ queue }: Lane): number {
    const now = clock.now();
    const waiting = queue.findIndex(({ arrivedAt }) => now - arrivedAt < UNKNOWN_FOR_MS);
    return waiting < 0 ? queue.length : waiting;
  }

  function doubt(lane: Lane, { candidates, effects }: Batch): void {
    for (const [index, { id }] of candidates.entries()) {
      lane.doubts.set(id, { effects: effects[index] ?? [], event: undefined });
    }
    lane.doubtsEndAt = Number.POSITIVE_INFINITY;
    lookLater(lane, DOUBT_LOOK_MS);
  }

  /** Nobody may ever submit to this stream again, but what is in the log must be performed. */
  function lookLater(lane: Lane, pauseMs: number): void {
    if (lane.looking) return;
    lane.looking = true;
    clock.timer(pauseMs, () => {
      lane.looking = false;
      if (clock.now() >= lane.doubtsEndAt) lane.doubts.clear();
      if (lane.doubts.size === 0) return;
      const wasRead = lane.doubtsEndAt < Number.POSITIVE_INFINITY;
      lookLater(lane, wasRead ? 2 * pauseMs : DOUBT_LOOK_MS);
      if (lane.running) return;
      lane.loaded = false;
      track(run(lane));
    });
  }

  async function step(lane: Lane): Promise<void> {
    for (let conflicts = 0; ; ) {
      if (!lane.loaded) await load(lane);
      const batch = await judge(options, lane);
      const { candidates, judgements } = batch;
      if (candidates.length === 0) return settle(lane, batch, []);
      const result = await append(lane, batch);
      if (result.outcome === 'appended') {
        lane.state = batch.state;
        lane.revision = result.revision;
        // Nothing can stand before these events that was not read: what was in doubt never came.
        for (const [id, { event }] of lane.doubts) if (!event) lane.doubts.delete(id);
        const first = result.revision - candidates.length + 1;
        const events = candidates.map((candidate, index) => ({
          ...candidate,
          stream: lane.stream,
          revision: first + index,
          position: result.positions[index] ?? '',
        }));
        return settle(lane, batch, events);
      }
      lane.loaded = false;
      if (result.outcome === 'unknown') return giveUp(lane, overdue(lane), result.reason);
      if (result.outcome === 'failed') {
        if (candidates.length === 1) return giveUp(lane, judgements.length, result.reason);
        // One event that the store cannot take must not cost the others theirs.
        lane.batchMax = 1;
        continue;
      }
      if (conflicts === CONFLICTS_MAX) {
        const reason = `other writers were faster ${conflicts} times in a row`;
        return giveUp(lane, judgements.length, reason);
      }
      conflicts += 1;
    }
  }

  async function run(lane: Lane): Promise<void> {
    lane.running = true;
    do {
      try {
        await step(lane);
      } catch (fault) {
        options.onFault(lane.stream, fault);
        await giveUp(lane, lane.queue.length, reasonOf(fault));
      }
    } while (lane.queue.length > 0);
    lane.batchMax = Number.POSITIVE_INFINITY;
    lane.running = false;
  }

  return {
    submit(stream, input, reply) {
      return new Promise((resolve) => {
        const lane = lanes.open(stream);
        lane.queue.push({ input, reply, arrivedAt: clock.now(), resolve });
        if (!lane.running) track(run(lane));
      });
    },
    async state(stream) {
      const lane = lanes.get(stream);
      if (lane?.loaded) return lane.state;
      // A lane that is being loaded is left alone: two loads of it would mix.
      const aside = lanes.aside(stream);
      await load(aside);
      return aside.state;
    },
    async idle() {
      while (working.size > 0) await Promise.all(working);
    },
  };
}
