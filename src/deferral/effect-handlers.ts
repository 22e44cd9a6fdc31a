/** Who performs what the charts ask for: the transports what goes on the wire, all else is here. */
import type { Outcome, Submit } from '../engine/input.ts';
import type {
  BlobStore,
  Clock,
  Digest,
  Effect,
  EffectHandler,
  EventStore,
  Views,
} from '../engine/ports.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import type { Timers } from '../engine/timers.ts';
import type { DeliveryEffect, DeliveryReport } from '../machines/delivery/effects.ts';
import type { DepositEffect } from '../machines/deposit/effects.ts';
import type { MailboxEffect, StartTimer } from '../machines/mailbox/effects.ts';
import { deliveryStream } from './account.ts';
import { deferLarge } from './defer-large.ts';
import { openChannel } from './open-channel.ts';
import { pushMessages } from './push-messages.ts';
import { receiveMessages } from './receive-messages.ts';
import { reportDelivery } from './report-delivery.ts';
import type { DepositTransports, Transports } from './transports.ts';

export interface HandlerOptions {
  /** Submits until the log has taken it. */
  readonly submit: Submit;
  /** Answers `unknown` when the log does not say in time. */
  readonly ask: Submit;
  readonly store: EventStore;
  readonly views: Views;
  readonly blobs: BlobStore | undefined;
  readonly clock: Clock;
  readonly digest: Digest;
  readonly secret: Uint8Array;
  readonly timers: Timers;
  draining(): boolean;
  interrupt(delivery: string): Promise<Outcome>;
  onFault(where: string, fault: unknown): void;
}

type Named<Name extends string> = Record<Name, EffectHandler>;
type TimerEffect = 'startTimer' | 'stopTimer';

export interface Handlers {
  readonly mailbox: Named<MailboxEffect['name']>;
  readonly delivery: Named<DeliveryEffect['name']>;
  readonly deposit: Named<DepositEffect['name']>;
  /** What a session of before a restart brought finds its place (docs/decisions/0025). */
  settleDeposit(deposit: string, causation: string): Promise<void>;
}

/** By category of the stream that an effect was decided in; throws when nobody performs it. */
export function handlerOf(handlers: Handlers, { name, event }: Effect): EffectHandler {
  const { category } = parseStreamName(event.stream);
  const own: Readonly<Record<string, EffectHandler>> | undefined =
    category === 'mailbox' || category === 'delivery' || category === 'deposit'
      ? handlers[category]
      : undefined;
  const handler = own?.[name];
  if (!handler) throw new Error(`nobody performs ${name} of a ${category}`);
  return handler;
}

export function effectHandlers(options: HandlerOptions, transports: Transports): Handlers {
  const timed = timerHandlers(options.timers);
  const large = largeHandlers(options, transports.deposits);
  return {
    mailbox: { ...timed, openDelivery: openDelivery(options) },
    delivery: { ...timed, ...deliveryHandlers(options, transports) },
    deposit: { ...timed, ...large.handlers },
    settleDeposit: large.settle,
  };
}

function timerHandlers(timers: Timers): Named<TimerEffect> {
  return {
    async startTimer({ event, params }) {
      timers.start({ stream: event.stream, ...(params as StartTimer) });
    },
    async stopTimer({ event, params }) {
      timers.stop(event.stream, (params as { name: string }).name);
    },
  };
}

function openDelivery({ submit, clock, draining }: HandlerOptions): EffectHandler {
  return async ({ event, id, params }) => {
    if (draining()) return;
    const { delivery } = params as { delivery: string };
    const account = parseStreamName(event.stream).id;
    await submit(deliveryStream(delivery), {
      type: 'DeliveryOpened',
      at: clock.now(),
      data: { account, through: event.revision },
      cause: id,
      causation: id,
    });
  };
}

function deliveryHandlers(
  options: HandlerOptions,
  { sip, channels }: Transports,
): Named<Exclude<DeliveryEffect['name'], TimerEffect>> {
  const { submit, views, clock, onFault } = options;
  const push = { ...options, channels };
  return {
    ...sip,
    async sendInvite(effect) {
      if (!options.draining()) return sip.sendInvite(effect);
      // Decided before the drain, flushed after it began: nobody would be there for the answer.
      await options.interrupt(parseStreamName(effect.event.stream).id);
    },
    async openChannel(effect) {
      openChannel({ submit, views, clock, channels, onFault }, effect);
    },
    /** A push lasts as long as its session: later effects of the delivery do not wait for it. */
    async pushMessages(effect) {
      pushMessages(push, effect).catch((fault: unknown) => onFault(effect.id, fault));
    },
    async closeChannel({ event }) {
      channels.close(parseStreamName(event.stream).id);
    },
    async reportDelivery(effect) {
      // The next start reports it and tries again at once; here nothing more would be opened.
      const { cause } = effect.params as DeliveryReport;
      if (options.draining() && cause === 'restart') return;
      await reportDelivery({ submit, views, clock }, effect);
    },
  };
}

/** Without transports sessions of before are still settled, and nothing of them can be sent. */
function largeHandlers(options: HandlerOptions, transports: DepositTransports | undefined) {
  const { submit, ask, store, views, clock, digest, onFault } = options;
  const receiving =
    transports &&
    receiveMessages({ ...transports, tell: submit, submit: ask, store, clock, onFault });
  const { settle, deferMessage, annotateMessage } = deferLarge({
    ...{ submit, store, views, clock, digest },
    deferred: (id, outcome) => receiving?.deferred(id, outcome),
  });
  async function unsent({ id, name }: Effect): Promise<void> {
    onFault(id, `${name}: there is no transport for Large Message mode`);
  }
  const handlers: Named<Exclude<DepositEffect['name'], TimerEffect>> = {
    openChannel: receiving?.openChannel ?? unsent,
    closeChannel: receiving?.closeChannel ?? (async () => {}),
    answerInvite: transports?.sip.answerInvite ?? unsent,
    sendBye: transports?.sip.sendBye ?? unsent,
    deferMessage,
    annotateMessage,
  };
  return { settle, handlers };
}
