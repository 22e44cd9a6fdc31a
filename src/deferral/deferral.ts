/**
 * The engine put together: charts, runner, timers, projections, recovery. Bring a store, a clock,
 * and handlers for what the charts ask for; submit what arrives.
 */
import { chart } from '../engine/decide.ts';
import type { Input, Outcome, Submit } from '../engine/input.ts';
import type { Clock, Digest, Effect, EffectHandler, EventStore, Views } from '../engine/ports.ts';
import { openRecordStream } from '../engine/record-stream.ts';
import type { Recorded } from '../engine/recorded.ts';
import { createRunner, type Runner } from '../engine/runner.ts';
import { parseStreamName, streamName } from '../engine/stream-name.ts';
import { createTimers, type Timer, type Timers } from '../engine/timers.ts';
import type { DeliveryEffect, DeliveryReport } from '../machines/delivery/effects.ts';
import { GRACE_MS } from '../machines/delivery/limits.ts';
import { deliveryMachine } from '../machines/delivery/machine.ts';
import type { MailboxEffect, StartTimer } from '../machines/mailbox/effects.ts';
import { mailboxMachine } from '../machines/mailbox/machine.ts';
import { deliveryView } from '../projections/deliveries.ts';
import { deliveringView, openDeliveryView, timerView } from '../projections/in-flight.ts';
import { deliveryStream } from './account.ts';
import type { Channels } from './channel.ts';
import { expireEarliest } from './expire.ts';
import { insist } from './insist.ts';
import { openChannel } from './open-channel.ts';
import { pushMessages } from './push-messages.ts';
import { recover } from './recovery.ts';
import { refusalRecorder } from './refusals.ts';
import { reportDelivery } from './report-delivery.ts';

/** What the SIP side performs; all else is the engine's own. */
export type SipEffects = Record<
  'sendInvite' | 'cancelInvite' | 'sendAck' | 'sendBye' | 'refreshSession',
  EffectHandler
>;

export interface DeferralOptions {
  readonly store: EventStore;
  readonly views: Views;
  readonly clock: Clock;
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
  readonly submit: Submit;
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

export async function createDeferral(options: DeferralOptions): Promise<Deferral> {
  const { store, views, clock, digest, node, onFault } = options;
  const nodeStream = await openRecordStream({
    store,
    stream: streamName('node', node),
    digest,
    onLoss: (count, reason) => onFault('node stream', `${count} records lost: ${reason}`),
  });
  const refusals = await refusalRecorder({ store, digest, clock, node, onFault });
  let transports: Transports | undefined;
  let draining = false;

  const timers = createTimers(clock, (timer) => {
    fire(timer).catch((fault: unknown) => onFault(`timer ${timer.name} of ${timer.stream}`, fault));
  });

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
        await perform({ name, params, id, event });
      }
    },
  });
  const insistence = insist(runner.submit, clock);
  const { submit } = insistence;

  async function fire(timer: Timer): Promise<void> {
    if (timer.event === 'MessageExpired') {
      return expireEarliest({ submit, views, clock }, timer.stream);
    }
    const { stream, name, dueAt, event: type } = timer;
    await submit(stream, {
      type,
      at: clock.now(),
      data: { dueAt },
      cause: `timer ${name} ${dueAt}`,
    });
  }

  async function perform(effect: Effect): Promise<void> {
    if (!transports) throw new Error(`${effect.name} was decided before the engine was started`);
    options.onEffect?.(effect);
    await handlers(transports)[effect.name as EffectName](effect);
  }

  /** A push lasts as long as its session: later effects of the delivery do not wait for it. */
  function inBackground(effect: Effect, work: Promise<void>): void {
    work.catch((fault: unknown) => onFault(effect.id, fault));
  }

  function handlers({ sip, channels }: Transports): Record<EffectName, EffectHandler> {
    const { secret } = options;
    const push = { submit, views, store, digest, clock, secret, channels };
    return {
      ...sip,
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

  async function openWork() {
    const [timerRows, delivering, open] = await Promise.all([
      views.range(timerView),
      views.range(deliveringView),
      views.range(openDeliveryView),
    ]);
    const known = new Set<string>();
    for (const [, { delivery }] of delivering) {
      if (await views.get(deliveryView, delivery)) known.add(delivery);
    }
    return {
      timers: timerRows.map(([, row]) => row),
      delivering,
      openDeliveries: new Map(open),
      known,
    };
  }

  async function noneOpen(withinMs: number): Promise<void> {
    const until = clock.now() + withinMs;
    while (clock.now() < until && (await views.range(openDeliveryView, { limit: 1 })).length > 0) {
      await new Promise<void>((resolve) => clock.timer(DRAIN_POLL_MS, resolve));
    }
  }

  async function interrupt(delivery: string, since: number, of?: string): Promise<void> {
    const account = of ?? (await views.get(deliveryView, delivery))?.account ?? '';
    await submit(deliveryStream(delivery), {
      type: 'DeliveryInterrupted',
      at: clock.now(),
      data: { account, cause: 'restart' },
      cause: `interrupted ${since}`,
    });
  }

  /** The last event of an ended delivery decided the report: it is performed again. */
  async function reportAgain(delivery: string): Promise<void> {
    const stream = deliveryStream(delivery);
    let reported: { event: Recorded; params: unknown; index: number } | undefined;
    let state = charts.delivery.initial;
    for await (const event of store.read(stream)) {
      const decision = charts.delivery.decide(state, event);
      if (decision.outcome !== 'accepted') continue;
      state = decision.state;
      const index = decision.effects.findIndex(({ name }) => name === 'reportDelivery');
      const effect = decision.effects[index];
      if (effect) reported = { event, params: effect.params, index };
    }
    if (!reported) throw new Error(`${stream} has ended without a report: run restante doctor`);
    const { event, params, index } = reported;
    const id = `${stream}/${event.revision}/${index}`;
    await reportDelivery({ submit, views, clock }, { name: 'reportDelivery', params, id, event });
  }

  return {
    submit: runner.submit,
    runner,
    timers,
    async start(given) {
      const startedAt = clock.now();
      const work = await openWork();
      transports = given;
      nodeStream.record('NodeStarted', startedAt, { node });
      const steps = recover(work);
      for (const step of steps) {
        switch (step.step) {
          case 'timer':
            timers.start(step.timer);
            break;
          case 'interrupt':
            await interrupt(step.delivery, startedAt, step.account);
            break;
          case 'report':
            await reportAgain(step.delivery);
            break;
          default:
            step satisfies never;
        }
      }
      return { timers: work.timers.length, deliveries: work.delivering.length };
    },
    async drain(withinMs) {
      draining = true;
      await noneOpen(withinMs);
      const open = await views.range(openDeliveryView);
      for (const [delivery] of open) await interrupt(delivery, clock.now());
      if (open.length > 0) await noneOpen(GRACE_MS + DRAIN_POLL_MS);
    },
    async close() {
      timers.close();
      insistence.cease();
      await runner.idle();
      nodeStream.record('NodeStopped', clock.now(), { node });
      await refusals.flushed();
      await nodeStream.flushed();
    },
  };
}
