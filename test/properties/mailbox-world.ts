import fc from 'fast-check';
import { type Decision, type Stamped, type State, timerMarks } from '../../src/engine/decide.ts';
import type { TimerMark } from '../../src/engine/recorded.ts';
import type { DeliveryCause } from '../../src/machines/mailbox/events.ts';
import type { MailboxContext } from '../../src/machines/mailbox/machine.ts';
import { START_MS } from '../controls/histories.ts';
import { mailbox } from '../controls/mailbox-events.ts';

/** What a correct environment may do next; what does not apply is left out. */
export type Act =
  | {
      readonly do: 'deposit';
      readonly held: boolean;
      readonly unreachable: boolean;
      readonly livesMs: number | null;
    }
  | { readonly do: 'release' | 'hold' | 'delete'; readonly pick: number }
  | { readonly do: 'register' | 'deregister' | 'deregisterOne' | 'switch' }
  | { readonly do: 'wait'; readonly ms: number }
  | {
      readonly do: 'end';
      readonly cause: DeliveryCause;
      readonly status: number;
      readonly acknowledged: number;
      readonly parks: boolean;
    };

const MINUTE_MS = 60_000;

export const acts: fc.Arbitrary<Act> = fc.oneof(
  fc.record({
    do: fc.constant('deposit' as const),
    held: fc.boolean(),
    unreachable: fc.boolean(),
    livesMs: fc.constantFrom(null, null, -1, MINUTE_MS, 120 * MINUTE_MS),
  }),
  fc.record({
    do: fc.constantFrom('release' as const, 'hold' as const, 'delete' as const),
    pick: fc.nat({ max: 2 }),
  }),
  fc.record({
    do: fc.constantFrom(
      'register' as const,
      'register' as const,
      'deregister' as const,
      'deregisterOne' as const,
      'switch' as const,
    ),
  }),
  fc.record({
    do: fc.constant('wait' as const),
    ms: fc.constantFrom(1, 30_000, MINUTE_MS, MINUTE_MS, 31 * MINUTE_MS),
  }),
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      cause: fc.constantFrom<DeliveryCause>(
        'completed',
        'completedWithFailures',
        'refused',
        'noAnswer',
        'notAcceptable',
        'channelLost',
        'restart',
      ),
      status: fc.constantFrom(480, 486, 488, 503),
      acknowledged: fc.nat({ max: 2 }),
      parks: fc.boolean(),
    }),
  },
);

interface Message {
  readonly id: string;
  readonly expiresAt: number | null;
  fate: 'waiting' | 'held' | 'parked' | 'gone';
}

/** A subscriber's world as a plain list of messages, beside the chart that must agree with it. */
export interface World {
  readonly messages: readonly Message[];
  readonly state: () => State<MailboxContext>;
  readonly now: () => number;
  readonly timers: ReadonlyMap<string, TimerMark>;
  readonly offlineDelivery: () => boolean;
  /** Whether a client that takes messages is registered. */
  readonly registered: () => boolean;
  readonly waiting: () => number;
  /** Does one act; gives each input that it led to, with what the chart decided. */
  act(act: Act): readonly { readonly input: Stamped; readonly decision: Decision }[];
}

export function mailboxWorld(): World {
  const messages: Message[] = [];
  const timers = new Map<string, TimerMark>();
  let state = mailbox.initial;
  let now = START_MS;
  let serial = 0;
  let deferred = 0;
  let registrations = 0;
  let expiresAt: number | null = null;
  let offlineDelivery = true;
  let snapshot: readonly Message[] = [];
  let done: { input: Stamped; decision: Decision }[] = [];

  const waiting = () => messages.filter(({ fate }) => fate === 'waiting');
  const nextExpiry = () => {
    const due = messages.flatMap((one) =>
      one.fate === 'gone' || one.expiresAt === null ? [] : [one.expiresAt],
    );
    return due.length === 0 ? null : Math.min(...due);
  };

  function submit(type: string, data: unknown): boolean {
    serial += 1;
    const input = { type, id: `e${serial}`, at: now, data };
    const decision = mailbox.decide(state, input);
    done.push({ input, decision });
    if (decision.outcome !== 'accepted') return false;
    state = decision.state;
    for (const [name, mark] of Object.entries(timerMarks(decision.effects) ?? {})) {
      if (mark === null) timers.delete(name);
      else timers.set(name, mark);
    }
    return true;
  }

  /** The messages that a delivery opened just now will push. */
  function look(): void {
    if (done.at(-1)?.input.id === state.context.delivery) snapshot = waiting();
  }

  function removal(message: Message, fate: Message['fate'], type: string, more: object): void {
    const data = { id: message.id, revision: 1, from: message.fate, bytes: 1, ...more };
    const before = message.fate;
    message.fate = fate;
    if (!submit(type, data)) message.fate = before;
  }

  function expire(): void {
    const overdue = messages.find(
      (one) => one.fate !== 'gone' && one.expiresAt !== null && one.expiresAt <= now,
    );
    if (overdue === undefined) {
      submit('ExpiryChecked', { next: nextExpiry(), asOf: deferred });
      return;
    }
    const before = overdue.fate;
    overdue.fate = 'gone';
    const next = nextExpiry();
    overdue.fate = before;
    removal(overdue, 'gone', 'MessageExpired', { next, asOf: deferred });
  }

  /** Fires what is due, in order; a timer fires once, whatever the chart says to it. */
  function fire(): void {
    for (;;) {
      const due = [...timers]
        .filter(([, { dueAt }]) => dueAt <= now)
        .sort(([, a], [, b]) => a.dueAt - b.dueAt)[0];
      if (due === undefined) return;
      const [name, { dueAt, event }] = due;
      timers.delete(name);
      if (name === 'expiry') expire();
      else if (submit(event, { dueAt }) && name === 'registration') expiresAt = null;
      look();
    }
  }

  function register(type: string, until: number | null): void {
    if (submit(type, { via: 'direct', bindings: [], expiresAt: until, asOf: registrations })) {
      registrations += 1;
      expiresAt = until;
    }
  }

  function end(act: Extract<Act, { do: 'end' }>): void {
    const { delivery } = state.context;
    if (delivery === null) return;
    const pushed = snapshot.filter((one) => one.expiresAt === null || one.expiresAt > now);
    const delivered = pushed.slice(0, act.acknowledged);
    const left = pushed[delivered.length];
    if (left && act.parks) removal(left, 'parked', 'MessageParked', { delivery });
    for (const message of delivered) message.fate = 'gone';
    const { cause, status } = act;
    const failed = snapshot.length - delivered.length;
    submit('DeliveryEnded', { delivery, cause, status, acknowledged: delivered.length, failed });
  }

  function perform(act: Act): void {
    switch (act.do) {
      case 'deposit': {
        const message: Message = {
          id: `m${serial}`,
          expiresAt: act.livesMs === null ? null : now + act.livesMs,
          fate: act.held ? 'held' : 'waiting',
        };
        messages.push(message);
        deferred += 1;
        const expiry = message.expiresAt === null ? {} : { expiresAt: message.expiresAt };
        const { held, unreachable } = act;
        submit('MessageDeferred', { id: message.id, held, unreachable, ...expiry });
        return;
      }
      case 'release': {
        const message = messages.filter(({ fate }) => fate === 'held' || fate === 'parked')[
          act.pick
        ];
        if (message === undefined) return;
        const from = message.fate === 'parked' ? 'parked' : 'held';
        message.fate = 'waiting';
        submit('MessageReleased', { id: message.id, from, by: 'owner' });
        return;
      }
      case 'hold': {
        const message = waiting()[act.pick];
        if (message) removal(message, 'held', 'MessageHeld', { by: 'owner' });
        return;
      }
      case 'delete': {
        const message = messages.filter(({ fate }) => fate !== 'gone')[act.pick];
        if (message) removal(message, 'gone', 'MessageDeleted', { by: 'owner' });
        return;
      }
      case 'register':
        register('SubscriberRegistered', now + 60 * MINUTE_MS);
        return;
      case 'deregister':
        register('SubscriberDeregistered', null);
        return;
      case 'deregisterOne':
        register('SubscriberDeregistered', now + 30 * MINUTE_MS);
        return;
      case 'switch':
        offlineDelivery = !offlineDelivery;
        submit('OfflineDeliverySet', { active: offlineDelivery, by: 'owner' });
        return;
      case 'wait':
        now += act.ms;
        return;
      case 'end':
        end(act);
    }
  }

  return {
    messages,
    timers,
    state: () => state,
    now: () => now,
    offlineDelivery: () => offlineDelivery,
    registered: () => expiresAt !== null,
    waiting: () => waiting().length,
    act(act) {
      done = [];
      perform(act);
      look();
      fire();
      return done;
    },
  };
}
