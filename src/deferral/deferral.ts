/**
 * The engine put together: charts, runner, timers, projections, recovery. Bring a store, a clock,
 * and handlers for what the charts ask for; submit what arrives.
 */
import { chart } from '../engine/decide.ts';
import type { Input, Outcome, Submit } from '../engine/input.ts';
import type { Clock, Digest, Effect, EffectHandler, EventStore, Views } from '../engine/ports.ts';
import { openRecordStream } from '../engine/record-stream.ts';
import { createRunner, type Runner } from '../engine/runner.ts';
import { parseStreamName, streamName } from '../engine/stream-name.ts';
import { createTimers, type Timer, type Timers } from '../engine/timers.ts';
import { within } from '../engine/within.ts';
import type { DeliveryEffect, DeliveryReport } from '../machines/delivery/effects.ts';
import { GRACE_MS } from '../machines/delivery/limits.ts';
import { deliveryMachine } from '../machines/delivery/machine.ts';
import type { MailboxEffect, StartTimer } from '../machines/mailbox/effects.ts';
import { mailboxMachine } from '../machines/mailbox/machine.ts';
import { openDeliveryView } from '../projections/in-flight.ts';
import { deliveryStream } from './account.ts';
import type { Channels } from './channel.ts';
import { expireEarliest } from './expire.ts';
import { insist } from './insist.ts';
import { openChannel } from './open-channel.ts';
import { pushMessages } from './push-messages.ts';
import { refusalRecorder } from './refusals.ts';
import { reportDelivery } from './report-delivery.ts';
import { interrupt, readOpenWork, takeUp } from './take-up.ts';

/** What the SIP side performs; all else is the engine's own. */
export type SipEffects = Record<
  'sendInvite' | 'cancelInvite' | 'sendPrack' | 'sendAck' | 'sendBye' | 'refreshSession',
  EffectHandler
>;

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
  /** Told of every outcome before it is answered. */
  onOutcome?(stream: string, input: Input, outcome: Outcome): void;
  /** Told of every effect before it is performed. */
  onEffect?(effect: Effect): void;
  /** Told of a defect; the engine goes on. */
  onFault(where: string, fault: unknown): void;
}

export interface Transports {
  readonly sip: SipEffects;
  readonly channels: Channels;
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

type EffectName = MailboxEffect['name'] | DeliveryEffect['name'];

/** The charts of this release, by category of the streams they drive. */
export const charts = {
  mailbox: chart(mailboxMachine, 1),
  delivery: chart(deliveryMachine, 1),
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
  let handlers: Record<EffectName, EffectHandler> | undefined;
  let draining = false;
  let closed = false;

  const timers = createTimers(clock, fire, options.elapsedMs);

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
    await handlers[effect.name as EffectName](effect);
  }

  /** A push lasts as long as its session: later effects of the delivery do not wait for it. */
  function inBackground(effect: Effect, work: Promise<void>): void {
    work.catch((fault: unknown) => onFault(effect.id, fault));
  }

  function handlersOf({ sip, channels }: Transports): Record<EffectName, EffectHandler> {
    const { secret } = options;
    const push = { submit, views, store, digest, clock, secret, channels, onFault };
    return {
      ...sip,
      async sendInvite(effect) {
        if (!draining) return sip.sendInvite(effect);
        // Decided before the drain, flushed after it began: nobody would be there for the answer.
        await interruptNow(parseStreamName(effect.event.stream).id);
      },
      async openDelivery({ event, id, params }) {
        if (draining) return;
        const { delivery } = params as { delivery: string };
        const account = parseStreamName(event.stream).id;
        await submit(deliveryStream(delivery), {
          type: 'DeliveryOpened',
          at: clock.now(),
          data: { account, through: event.revision },
          cause: id,
          causation: id,
        });
      },
      async openChannel(effect) {
        openChannel({ submit, views, clock, channels, onFault }, effect);
      },
      async pushMessages(effect) {
        inBackground(effect, pushMessages(push, effect));
      },
      async closeChannel({ event }) {
        channels.close(parseStreamName(event.stream).id);
      },
      async reportDelivery(effect) {
        // The next start reports it and tries again at once; here nothing more would be opened.
        const { cause } = effect.params as DeliveryReport;
        if (draining && cause === 'restart') return;
        await reportDelivery({ submit, views, clock }, effect);
      },
      async startTimer({ event, params }) {
        timers.start({ stream: event.stream, ...(params as StartTimer) });
      },
      async stopTimer({ event, params }) {
        timers.stop(event.stream, (params as { name: string }).name);
      },
    };
  }

  async function noneOpen(until: number): Promise<void> {
    while (clock.now() < until && (await views.range(openDeliveryView, { limit: 1 })).length > 0) {
      await new Promise<void>((resolve) => clock.timer(DRAIN_POLL_MS, resolve));
    }
  }

  function interruptNow(delivery: string): Promise<Outcome> {
    return interrupt({ submit: runner.submit, views, clock }, delivery, { since: clock.now() });
  }

  return {
    submit: runner.submit,
    tell: submit,
    runner,
    timers,
    async start(given) {
      const startedAt = clock.now();
      const work = await readOpenWork(views);
      handlers = handlersOf(given);
      nodeStream.record('NodeStarted', startedAt, { node });
      const chart = charts.delivery;
      const engine = { submit: runner.submit, insist: submit, store, views, clock, timers, chart };
      await takeUp({ ...engine, onFault }, work, startedAt);
      return { timers: work.timers.length, deliveries: work.delivering.length };
    },
    async drain(withinMs) {
      draining = true;
      const until = clock.now() + withinMs;
      // What is decided and not yet flushed may still open a delivery.
      await within(clock, withinMs, runner.idle());
      await noneOpen(until);
      const open = await views.range(openDeliveryView);
      if (open.length === 0) return;
      // A log that cannot answer does not hold this up: the next start closes what is left.
      await within(clock, GRACE_MS, Promise.all(open.map(([delivery]) => interruptNow(delivery))));
      await noneOpen(clock.now() + GRACE_MS + DRAIN_POLL_MS);
    },
    async close() {
      closed = true;
      timers.close();
      insistence.cease();
      await runner.idle();
      nodeStream.record('NodeStopped', clock.now(), { node });
      await refusals.flushed();
      await nodeStream.flushed();
    },
  };
}
