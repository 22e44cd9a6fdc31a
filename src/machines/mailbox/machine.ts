/**
 * The mailbox of one subscriber: idle ⇄ registered ⇄ delivering.
 *
 * Laws (each was found by exploring the protocol without it):
 * - One way in. `pushable` counts what may be pushed; the single eventless transition of
 *   `registered` opens a delivery, inside the transition of whatever event made it possible. There
 *   is no other re-check, neither as a flag nor as an effect.
 * - One way out. `delivering` is left by DeliveryEnded of the current delivery alone. Losing the
 *   registration meanwhile only clears `registered`; a registration meanwhile sets `triggered`, and
 *   then the delivery's end leaves neither flag nor back-off.
 * - While `delivering`, nothing that the delivery may be sending is taken away: expiry is put off,
 *   removal and holding are refused and the caller retries.
 * - State is O(1). Lists live in views; events that were derived from a view say how fresh it was
 *   (`asOf`) and are refused when the mailbox knows better.
 */
import { assign, setup } from 'xstate';
import type { MailboxEffect } from './effects.ts';
import type { DeliveryEndedData, MailboxEvent } from './events.ts';
import {
  INTERRUPTED_RETRIES_AT_ONCE_MAX,
  OFFLINE_DELIVERY_DEFAULT,
  PUSH_INCAPABLE_STATUSES,
  RETRY_BACKOFF_FIRST_MS,
  RETRY_BACKOFF_MAX_MS,
  UNTIL_REGISTRATION_STATUSES,
} from './limits.ts';

export interface MailboxContext {
  /** Messages that a delivery opened now would push. */
  readonly pushable: number;
  /** MessageDeferred events so far; `asOf` of events derived from the view of waiting messages. */
  readonly deferred: number;
  /** Registration events so far; `asOf` of events derived from the view of registrations. */
  readonly registrations: number;
  readonly registered: boolean;
  readonly registrationExpiresAt: number | null;
  readonly offlineDelivery: boolean;
  /** Set by "not reachable" and "no"; the next registration clears it. */
  readonly untilRegistration: boolean;
  /** This client cannot take a push; the next registration clears it. */
  readonly pushIncapable: boolean;
  /** A registration came while delivering. */
  readonly triggered: boolean;
  readonly retryAt: number | null;
  /** Back-offs in a row. */
  readonly retries: number;
  /** Deliveries interrupted by a restart or takeover in a row. */
  readonly interruptions: number;
  /** The last BYE or CANCEL to this client was not answered in time. */
  readonly byeUnconfirmed: boolean;
  readonly earliestExpiry: number | null;
  readonly delivery: string | null;
}

type Stamped = MailboxEvent & { readonly id: string; readonly at: number };
type Of<Type extends MailboxEvent['type']> = Extract<Stamped, { type: Type }>;

const initialContext: MailboxContext = {
  pushable: 0,
  deferred: 0,
  registrations: 0,
  registered: false,
  registrationExpiresAt: null,
  offlineDelivery: OFFLINE_DELIVERY_DEFAULT,
  untilRegistration: false,
  pushIncapable: false,
  triggered: false,
  retryAt: null,
  retries: 0,
  interruptions: 0,
  byeUnconfirmed: false,
  earliestExpiry: null,
  delivery: null,
};

function earlier(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}

function nextRetryAt(context: MailboxContext, event: Of<'DeliveryEnded'>): number {
  const backoffMs = Math.min(RETRY_BACKOFF_FIRST_MS * 2 ** context.retries, RETRY_BACKOFF_MAX_MS);
  return event.at + (event.data.retryAfterMs ?? backoffMs);
}

/** What a delivery's end means for the next one; the statuses are in `limits.ts`. */
function consequence(
  context: MailboxContext,
  ended: DeliveryEndedData,
): 'guard' | 'untilRegistration' | 'pushIncapable' | 'backOff' {
  switch (ended.cause) {
    case 'completed':
      return 'guard';
    case 'noAnswer':
      return 'untilRegistration';
    case 'notAcceptable':
      return 'pushIncapable';
    case 'restart':
    case 'takeover':
      return context.interruptions < INTERRUPTED_RETRIES_AT_ONCE_MAX ? 'guard' : 'backOff';
    case 'refused': {
      const status = ended.status ?? 0;
      if (status === 486 && context.byeUnconfirmed) return 'backOff';
      if (UNTIL_REGISTRATION_STATUSES.has(status)) return 'untilRegistration';
      return PUSH_INCAPABLE_STATUSES.has(status) ? 'pushIncapable' : 'backOff';
    }
    default:
      return 'backOff';
  }
}

function afterDelivery(
  context: MailboxContext,
  event: Of<'DeliveryEnded'>,
): Partial<MailboxContext> {
  const { data } = event;
  const interrupted = data.cause === 'restart' || data.cause === 'takeover';
  const next = context.triggered ? 'guard' : consequence(context, data);
  const pushable = context.pushable - data.acknowledged;
  const mustPause = next === 'backOff' && pushable > 0 && context.registered;
  return {
    delivery: null,
    triggered: false,
    pushable,
    untilRegistration: next === 'untilRegistration',
    pushIncapable: next === 'pushIncapable',
    // A back-off is between tries within one registration: the next one needs no pause.
    retryAt: mustPause ? nextRetryAt(context, event) : null,
    retries: next === 'backOff' ? context.retries + 1 : 0,
    interruptions: interrupted ? context.interruptions + 1 : 0,
    byeUnconfirmed: data.unconfirmed ?? context.byeUnconfirmed,
  };
}

type TimerParams = Extract<MailboxEffect, { name: 'startTimer' }>['params'] | null;
type TimerName = Extract<MailboxEffect, { name: 'stopTimer' }>['params'] | null;
interface Scope {
  readonly context: MailboxContext;
  readonly event: Stamped;
}

/** Arms `name` for `dueAt`; an action whose params are null is not asked for. */
function timer(name: 'expiry' | 'registration' | 'retry', dueAt: number | null): TimerParams {
  const events = {
    expiry: 'MessageExpired',
    registration: 'RegistrationExpired',
    retry: 'RetryDue',
  } as const;
  return dueAt === null ? null : { name, dueAt, event: events[name] };
}

function isNewEarliest({ context, event }: Scope): boolean {
  const expiresAt = (event as Of<'MessageDeferred'>).data.expiresAt;
  return expiresAt !== undefined && expiresAt === context.earliestExpiry;
}

const armExpiry = {
  type: 'startTimer',
  params: ({ context }: Scope) => timer('expiry', context.earliestExpiry),
} as const;
const disarmExpiry = {
  type: 'stopTimer',
  params: ({ context }: Scope): TimerName =>
    context.earliestExpiry === null ? { name: 'expiry' } : null,
} as const;
const armRegistration = {
  type: 'startTimer',
  params: ({ context }: Scope) => timer('registration', context.registrationExpiresAt),
} as const;
/** Stops a timer that runs: placed before the assign that forgets it. */
const disarmRegistration = {
  type: 'stopTimer',
  params: ({ context }: Scope): TimerName =>
    context.registrationExpiresAt === null ? null : { name: 'registration' },
} as const;
const armRetry = {
  type: 'startTimer',
  params: ({ context }: Scope) => timer('retry', context.retryAt),
} as const;
const disarmRetry = {
  type: 'stopTimer',
  params: ({ context }: Scope): TimerName => (context.retryAt === null ? null : { name: 'retry' }),
} as const;

const defer = [
  'defer',
  {
    type: 'startTimer',
    params: (scope: Scope) =>
      isNewEarliest(scope) ? timer('expiry', scope.context.earliestExpiry) : null,
  },
] as const;
const DEFER_CLAUSES = {
  clauses: ['IM-11.3.2.5-1', 'IM-11.3.2.5-6', 'IM-11.3.2.5-9', 'REF-3428-2'],
};

/** A registration event after which no client takes messages any more. */
const loseService = [disarmRegistration, 'register'] as const;

function refuse(reason: string) {
  return { type: 'refuse', params: { reason } } as const;
}

export const mailboxMachine = setup({
  types: { context: {} as MailboxContext, events: {} as Stamped },
  guards: {
    mayOpenDelivery: ({ context, event }) =>
      context.offlineDelivery &&
      !context.untilRegistration &&
      !context.pushIncapable &&
      context.pushable > 0 &&
      (context.earliestExpiry === null || context.earliestExpiry > event.at) &&
      (context.retryAt === null ||
        (event.type === 'MessageDeferred' && event.data.unreachable !== true)),
    // A push would meet what the MESSAGE met, and a registration would have to wait for its end.
    needsPause: ({ context, event }) =>
      (event as Of<'MessageDeferred'>).data.unreachable === true &&
      context.registered &&
      context.delivery === null &&
      context.retryAt === null,
    isStaleRegistration: ({ context, event }) =>
      (event as Of<'SubscriberRegistered'>).data.asOf !== context.registrations,
    isStaleOutlook: ({ context, event }) =>
      (event as Of<'ExpiryChecked'>).data.asOf !== context.deferred,
    isStaleRetry: ({ context, event }) => (event as Of<'RetryDue'>).data.dueAt !== context.retryAt,
    isStaleRegistrationTimer: ({ context, event }) =>
      (event as Of<'RegistrationExpired'>).data.dueAt !== context.registrationExpiresAt,
    losesService: ({ event }) => (event as Of<'SubscriberRegistered'>).data.expiresAt === null,
    isAnotherDelivery: ({ context, event }) =>
      (event as Of<'DeliveryEnded'>).data.delivery !== context.delivery,
    isRegistered: ({ context }) => context.registered,
    changesNothing: ({ context, event }) =>
      (event as Of<'OfflineDeliverySet'>).data.active === context.offlineDelivery,
  },
  actions: {
    defer: assign(({ context, event }) => {
      const { data } = event as Of<'MessageDeferred'>;
      return {
        deferred: context.deferred + 1,
        pushable: context.pushable + (data.held ? 0 : 1),
        earliestExpiry: earlier(context.earliestExpiry, data.expiresAt ?? null),
      };
    }),
    pause: assign(({ event }) => ({ retryAt: event.at + RETRY_BACKOFF_FIRST_MS })),
    release: assign(({ context }) => ({ pushable: context.pushable + 1 })),
    withdraw: assign(({ context, event }) => {
      const { data } = event as Of<'MessageParked'>;
      return { pushable: context.pushable - (data.from === 'waiting' ? 1 : 0) };
    }),
    learnOutlook: assign(({ event }) => ({
      earliestExpiry: (event as Of<'ExpiryChecked'>).data.next,
    })),
    register: assign(({ context, event }) => {
      const { data } = event as Of<'SubscriberRegistered'>;
      return {
        registered: data.expiresAt !== null,
        registrationExpiresAt: data.expiresAt,
        registrations: context.registrations + 1,
      };
    }),
    clearFlags: assign({ untilRegistration: false, pushIncapable: false }),
    trigger: assign({ triggered: true }),
    loseRegistration: assign({ registered: false, registrationExpiresAt: null }),
    clearRetry: assign({ retryAt: null }),
    setOfflineDelivery: assign(({ event }) => ({
      offlineDelivery: (event as Of<'OfflineDeliverySet'>).data.active,
    })),
    nameDelivery: assign(({ event }) => ({ delivery: event.id, retryAt: null })),
    endDelivery: assign(({ context, event }) =>
      afterDelivery(context, event as Of<'DeliveryEnded'>),
    ),
    openDelivery: (_, _params: { delivery: string }) => {},
    startTimer: (_, _params: TimerParams) => {},
    stopTimer: (_, _params: TimerName) => {},
    refuse: (_, _params: { reason: string }) => {},
  },
}).createMachine({
  id: 'mailbox',
  context: initialContext,
  initial: 'idle',
  on: {
    MessageDeferred: [
      { guard: 'needsPause', actions: [...defer, 'pause', armRetry], meta: DEFER_CLAUSES },
      { actions: defer, meta: DEFER_CLAUSES },
    ],
    SubscriberRegistered: [
      { guard: 'isStaleRegistration', actions: refuse('stale') },
      { guard: 'losesService', target: '.idle', actions: loseService },
      {
        target: '.registered',
        actions: ['register', 'clearFlags', disarmRetry, 'clearRetry', armRegistration],
        meta: { clauses: ['IM-11.3.2.3-1'] },
      },
    ],
    SubscriberDeregistered: [
      { guard: 'isStaleRegistration', actions: refuse('stale') },
      { guard: 'losesService', target: '.idle', actions: loseService },
      { target: '.registered', actions: ['register', armRegistration] },
    ],
    RegistrationExpired: [
      { guard: 'isStaleRegistrationTimer' },
      { target: '.idle', actions: [disarmRegistration, 'loseRegistration'] },
    ],
    OfflineDeliverySet: [
      { guard: 'changesNothing' },
      { actions: 'setOfflineDelivery', meta: { clauses: ['IM-11.3.2.3-1'] } },
    ],
    RetryDue: [{ guard: 'isStaleRetry' }, { actions: [disarmRetry, 'clearRetry'] }],
    MessageExpired: [
      { guard: 'isStaleOutlook', actions: refuse('stale') },
      {
        actions: ['withdraw', 'learnOutlook', armExpiry, disarmExpiry],
        meta: { clauses: ['REF-3428-3'] },
      },
    ],
    ExpiryChecked: [
      { guard: 'isStaleOutlook', actions: refuse('stale') },
      { actions: ['learnOutlook', armExpiry, disarmExpiry] },
    ],
    MessageDeleted: { actions: 'withdraw' },
    MessageHeld: { actions: 'withdraw' },
    MessageReleased: { actions: 'release' },
    // The end of a delivery that is not the current one: its report was repeated.
    DeliveryEnded: {},
    '*': { actions: refuse('unexpected') },
  },
  states: {
    idle: {},
    registered: {
      always: {
        guard: 'mayOpenDelivery',
        target: 'delivering',
        actions: [
          disarmRetry,
          'nameDelivery',
          { type: 'openDelivery', params: ({ event }) => ({ delivery: event.id }) },
        ],
        meta: { clauses: ['IM-11.3.2.3-3'] },
      },
    },
    delivering: {
      on: {
        DeliveryEnded: [
          { guard: 'isAnotherDelivery' },
          {
            guard: 'isRegistered',
            target: 'registered',
            actions: ['endDelivery', armRetry, armExpiry],
          },
          { target: 'idle', actions: ['endDelivery', armExpiry] },
        ],
        SubscriberRegistered: [
          { guard: 'isStaleRegistration', actions: refuse('stale') },
          { guard: 'losesService', actions: loseService },
          {
            actions: ['register', 'trigger', armRegistration],
            meta: { clauses: ['IM-11.3.2.3-1'] },
          },
        ],
        SubscriberDeregistered: [
          { guard: 'isStaleRegistration', actions: refuse('stale') },
          { guard: 'losesService', actions: loseService },
          { actions: ['register', armRegistration] },
        ],
        RegistrationExpired: [
          { guard: 'isStaleRegistrationTimer' },
          { actions: [disarmRegistration, 'loseRegistration'] },
        ],
        MessageParked: [
          { guard: 'isAnotherDelivery', actions: refuse('anotherDelivery') },
          { actions: 'withdraw' },
        ],
        MessageExpired: { actions: refuse('delivering') },
        ExpiryChecked: { actions: refuse('delivering') },
        MessageDeleted: { actions: refuse('delivering') },
        MessageHeld: { actions: refuse('delivering') },
      },
    },
  },
});
