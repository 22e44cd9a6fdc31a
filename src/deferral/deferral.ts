/**
 * The engine put together: charts, runner, timers, projections, recovery. Bring a store, a clock,
 * and handlers for what the charts ask for; submit what arrives.
 */
import { chart } from '../engine/decide.ts';
import type { Input, Outcome, Submit } from '../engine/input.ts';
import type { BlobStore, Clock, Digest, Effect, EventStore, Views } from '../engine/ports.ts';
import { openRecordStream } from '../engine/record-stream.ts';
import { createRunner, type Runner } from '../engine/runner.ts';
import { streamName } from '../engine/stream-name.ts';
import { createTimers, type Timer, type Timers } from '../engine/timers.ts';
import { within } from '../engine/within.ts';
import { GRACE_MS } from '../machines/delivery/limits.ts';
import { deliveryMachine } from '../machines/delivery/machine.ts';
import { depositMachine } from '../machines/deposit/machine.ts';
import { mailboxMachine } from '../machines/mailbox/machine.ts';
import { openDeliveryView } from '../projections/in-flight.ts';
import { openDepositView } from '../projections/large-messages.ts';
import { collectBlobs } from './collect-blobs.ts';
import { effectHandlers, type Handlers, handlerOf } from './effect-handlers.ts';
import { expireEarliest } from './expire.ts';
import { insist } from './insist.ts';
import { refusalRecorder } from './refusals.ts';
import { interrupt, interruptDeposit, readOpenWork, takeUp } from './take-up.ts';
import type { Transports } from './transports.ts';

export interface DeferralOptions {
  readonly store: EventStore;
  readonly views: Views;
  readonly clock: Clock;
  /** Milliseconds since any moment that never step, as the wall clock may. Default: `clock.now`. */
  readonly elapsedMs?: () => number;
  readonly digest: Digest;
  /** Names this node's own streams. */
  readonly node: string;
  /** Keys what goes on the wire: the same secret for all nodes and restarts of one store. */
  readonly secret: Uint8Array;
  /** Bodies of Large messages; absent: none that is too large for its event can be pushed. */
  readonly blobs?: BlobStore;
  /** Told of every outcome before it is answered. */
  onOutcome?(stream: string, input: Input, outcome: Outcome): void;
  /** Told of every effect before it is performed. */
  onEffect?(effect: Effect): void;
  /** Told of a defect; the engine goes on. */
  onFault(where: string, fault: unknown): void;
}

export interface Deferral {
  /** For what gets an answer: `unknown` when the log cannot take it in time. */
  readonly submit: Submit;
  /** For facts that are observed once: submitted until the log has taken them. */
  readonly tell: Submit;
  readonly runner: Runner;
  readonly timers: Timers;
  /** From now on effects are performed. Resolves when what was open in the log is taken up. */
  start(transports: Transports): Promise<{ readonly timers: number; readonly deliveries: number }>;
  /** Opens no delivery any more; those still open after `withinMs` are ended with a BYE. */
  drain(withinMs: number): Promise<void>;
  /** Stops timers and waits for what is being decided. */
  close(): Promise<void>;
}

/** The charts of this release, by category of the streams they drive. */
export const charts = {
  mailbox: chart(mailboxMachine, 1),
  delivery: chart(deliveryMachine, 1),
  deposit: chart(depositMachine, 1),
} as const;

const DRAIN_POLL_MS = 50;
/** A timer that could not be submitted fires again after this. */
const FIRE_AGAIN_MS = 10_000;

/**
 * Call `start` before the first input: an effect that is decided earlier has no handler yet, and is
 * told as a fault. Rejects when the store cannot be read; `close` leaves the store open.
 */
export async function createDeferral(options: DeferralOptions): Promise<Deferral> {
  const { store, views, clock, digest, node, onFault } = options;
  const nodeStream = await openRecordStream({
    store,
    stream: streamName('node', node),
    digest,
    onLoss: (count, reason) => onFault('node stream', `${count} records lost: ${reason}`),
  });
  const refusals = await refusalRecorder({ store, digest, clock, node, onFault });
  let handlers: Handlers | undefined;
  let draining = false;
  let closed = false;

  const timers = createTimers(clock, fire, options.elapsedMs);
  const { blobs } = options;
  const collection = blobs && collectBlobs({ blobs, views, clock, onFault });

  const runner = createRunner({
    store,
    views,
    charts,
    digest,
    clock,
    onFault,
    onOutcome(stream, input, outcome) {
      if (outcome.outcome === 'refused') refusals.refused(stream, input.type, outcome.reason);
      options.onOutcome?.(stream, input, outcome);
    },
    async perform(event, effects) {
      for (const [index, { name, params }] of effects.entries()) {
        const id = `${event.stream}/${event.revision}/${index}`;
        // One that fails must not cost the others theirs: guard timers and the report come last.
        await perform({ name, params, id, event }).catch((fault: unknown) => onFault(id, fault));
      }
    },
  });
  const insistence = insist(runner.submit, clock);
  const { submit } = insistence;

  async function submitDue(timer: Timer): Promise<void> {
    if (timer.event === 'MessageExpired') {
      return expireEarliest({ submit, views, clock, onFault }, timer.stream);
    }
    const { stream, name, dueAt, event: type } = timer;
    await submit(stream, {
      type,
      at: clock.now(),
      data: { dueAt },
      cause: `timer ${name} ${dueAt}`,
    });
  }

  /** A stale timer is ignored by the chart, a lost one is waited for by it for ever. */
  function fire(timer: Timer): void {
    submitDue(timer).catch((fault: unknown) => {
      onFault(`timer ${timer.name} of ${timer.stream}`, fault);
      clock.timer(FIRE_AGAIN_MS, () => closed || fire(timer));
    });
  }

  async function perform(effect: Effect): Promise<void> {
    if (!handlers) throw new Error(`${effect.name} was decided before the engine was started`);
    options.onEffect?.(effect);
    await handlerOf(handlers, effect)(effect);
  }

  async function isAnyOpen(): Promise<boolean> {
    const looks = [openDeliveryView, openDepositView].map((view) =>
      views.range(view, { limit: 1 }),
    );
    return (await Promise.all(looks)).some((rows) => rows.length > 0);
  }

  async function noneOpen(until: number): Promise<void> {
    while (clock.now() < until && (await isAnyOpen())) {
      await new Promise<void>((resolve) => clock.timer(DRAIN_POLL_MS, resolve));
    }
  }

  function interruptNow(delivery: string): Promise<Outcome> {
    return interrupt({ submit: runner.submit, views, clock }, delivery, { since: clock.now() });
  }

  /** Sessions that are still open are ended with a BYE, both ways. */
  async function interruptAll(): Promise<void> {
    const [deliveries, deposits] = await Promise.all([
      views.range(openDeliveryView),
      views.range(openDepositView),
    ]);
    const told = { submit: runner.submit, clock };
    await Promise.all([
      ...deliveries.map(([delivery]) => interruptNow(delivery)),
      ...deposits.map(([deposit]) => interruptDeposit(told, deposit, clock.now())),
    ]);
  }

  return {
    submit: runner.submit,
    tell: submit,
    runner,
    timers,
    async start(given) {
      const startedAt = clock.now();
      const work = await readOpenWork(views);
      handlers = effectHandlers(
        {
          ...{ submit, ask: runner.submit, store, views, clock, digest, timers, onFault },
          ...{ blobs: options.blobs, secret: options.secret },
          draining: () => draining,
          interrupt: interruptNow,
        },
        given,
      );
      nodeStream.record('NodeStarted', startedAt, { node });
      const chart = charts.delivery;
      const engine = { submit: runner.submit, insist: submit, store, views, clock, timers, chart };
      const { settleDeposit } = handlers;
      await takeUp({ ...engine, settleDeposit, onFault }, work, startedAt);
      return { timers: work.timers.length, deliveries: work.delivering.length };
    },
    async drain(withinMs) {
      draining = true;
      const until = clock.now() + withinMs;
      // What is decided and not yet flushed may still open a delivery.
      await within(clock, withinMs, runner.idle());
      await noneOpen(until);
      if (!(await isAnyOpen())) return;
      // A log that cannot answer does not hold this up: the next start closes what is left.
      await within(clock, GRACE_MS, interruptAll());
      await noneOpen(clock.now() + GRACE_MS + DRAIN_POLL_MS);
    },
    async close() {
      closed = true;
      collection?.close();
      timers.close();
      insistence.cease();
      await runner.idle();
      nodeStream.record('NodeStopped', clock.now(), { node });
      await refusals.flushed();
      await nodeStream.flushed();
    },
  };
}
