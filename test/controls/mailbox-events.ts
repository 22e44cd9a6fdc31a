import fc from 'fast-check';
import { type Chart, chart, type Stamped, type State } from '../../src/engine/decide.ts';
import type { DeliveryCause, MailboxEvent } from '../../src/machines/mailbox/events.ts';
import { type MailboxContext, mailboxMachine } from '../../src/machines/mailbox/machine.ts';
import { START_MS } from './histories.ts';

export type MailboxEventType = MailboxEvent['type'];
type DataOf<Type extends MailboxEventType> = Extract<MailboxEvent, { type: Type }>['data'];

export const mailbox: Chart<MailboxContext> = chart<MailboxContext>(mailboxMachine, 1);

const BINDING = {
  contact: 'sip:romeo@192.0.2.17:5060',
  expiresAt: START_MS + 3_600_000,
  im: 'contact',
  callId: 'reg-1@192.0.2.17',
  cseq: 1,
} as const;

const REMOVAL = { id: '1368@store.example', revision: 1, from: 'waiting', bytes: 420 } as const;

/** One example of each event that a mailbox can record. */
export const mailboxExamples: { readonly [Type in MailboxEventType]: DataOf<Type> } = {
  MessageDeferred: { id: '1368@store.example', kind: 'message', bytes: 420, deposit: 'd1' },
  SubscriberRegistered: {
    via: 'direct',
    bindings: [BINDING],
    expiresAt: START_MS + 3_600_000,
    asOf: 0,
  },
  SubscriberDeregistered: { via: 'direct', bindings: [], expiresAt: null, asOf: 1 },
  RegistrationExpired: { dueAt: START_MS + 3_600_000 },
  OfflineDeliverySet: { active: false, by: 'xcap' },
  DeliveryEnded: { delivery: 'e2', cause: 'completed', acknowledged: 1, failed: 0 },
  RetryDue: { dueAt: START_MS + 30_000 },
  MessageExpired: { ...REMOVAL, next: null, asOf: 1 },
  ExpiryChecked: { next: null, asOf: 1 },
  MessageDeleted: { ...REMOVAL, by: 'owner' },
  MessageParked: { ...REMOVAL, delivery: 'e2' },
  MessageHeld: { ...REMOVAL, by: 'operator' },
  MessageReleased: { id: '1368@store.example', from: 'held', by: 'deposit' },
};

export const mailboxEventTypes = Object.keys(mailboxExamples) as readonly MailboxEventType[];

/** The example of an event with some of its data replaced; `atMs` counts from `START_MS`. */
export function mailboxEvent<Type extends MailboxEventType>(
  type: Type,
  data: Partial<DataOf<Type>> = {},
  { id = 'now', atMs = 0 }: { readonly id?: string; readonly atMs?: number } = {},
): Stamped {
  return { type, id, at: START_MS + atMs, data: { ...mailboxExamples[type], ...data } };
}

/** Gives the events of a history the ids `e1`, `e2`, … */
export function numbered(...events: readonly Stamped[]): readonly Stamped[] {
  return events.map((event, index) => ({ ...event, id: `e${index + 1}` }));
}

const deferred = mailboxEvent('MessageDeferred');
const registered = mailboxEvent('SubscriberRegistered');

function ended(cause: DeliveryCause, acknowledged: number): Stamped {
  return mailboxEvent('DeliveryEnded', { cause, acknowledged, failed: 1 - acknowledged });
}

/** Histories to every state value that a mailbox has, in the variants that its guards tell apart. */
export const mailboxHistories: Readonly<Record<string, readonly Stamped[]>> = {
  'idle, empty': [],
  'idle, one message waits': numbered(deferred),
  'idle, one message waits that expires': numbered(
    mailboxEvent('MessageDeferred', { expiresAt: START_MS + 60_000 }),
  ),
  'registered, empty': numbered(registered),
  'registered, offline delivery off, one message waits': numbered(
    deferred,
    mailboxEvent('OfflineDeliverySet', { active: false }),
    registered,
  ),
  'registered, one message waits until the next registration': numbered(
    deferred,
    registered,
    ended('noAnswer', 0),
  ),
  'registered, the client cannot take a push': numbered(
    deferred,
    registered,
    ended('notAcceptable', 0),
  ),
  'registered, backing off': numbered(deferred, registered, ended('channelLost', 0)),
  'registered, one held message': numbered(
    mailboxEvent('MessageDeferred', { held: true }),
    registered,
  ),
  'registered, the only message is overdue': numbered(
    mailboxEvent('MessageDeferred', { expiresAt: START_MS }),
    registered,
  ),
  delivering: numbered(deferred, registered),
  'delivering, deregistered meanwhile': numbered(
    deferred,
    registered,
    mailboxEvent('SubscriberDeregistered'),
  ),
  'delivering, registered again meanwhile': numbered(
    deferred,
    registered,
    mailboxEvent('SubscriberRegistered', { asOf: 1 }),
  ),
};

/** The history of that name. */
export function mailboxHistory(name: string): readonly Stamped[] {
  const history = mailboxHistories[name];
  if (history === undefined) throw new Error(`no mailbox history is called "${name}"`);
  return history;
}

/** What is sent to a mailbox, before it is fitted to the state it meets. */
export interface MailboxMove {
  readonly type: MailboxEventType;
  /** `fresh`: as a correct sender that knows the state; else stale or foreign. */
  readonly fresh: boolean;
  readonly afterMs: number;
  readonly yes: boolean;
  readonly small: number;
  readonly cause: DeliveryCause;
  readonly status: number;
}

const CAUSES: readonly DeliveryCause[] = [
  'completed',
  'completedWithFailures',
  'refused',
  'noAnswer',
  'notAcceptable',
  'channelLost',
  'sessionExpired',
  'peerBye',
  'restart',
  'takeover',
];

export const mailboxMoves: fc.Arbitrary<MailboxMove> = fc.record({
  type: fc.constantFrom(...mailboxEventTypes),
  fresh: fc.boolean(),
  afterMs: fc.constantFrom(0, 1, 30_000, 120_000, 7_200_000),
  yes: fc.boolean(),
  small: fc.integer({ min: 0, max: 3 }),
  cause: fc.constantFrom(...CAUSES),
  status: fc.constantFrom(404, 480, 486, 488, 491, 503, 606, 999),
});

/** The input that a move is in a state. Half of them are what a correct sender would send. */
export function mailboxInput(
  { context }: State<MailboxContext>,
  move: MailboxMove,
  { id, at }: { readonly id: string; readonly at: number },
): Stamped {
  return { type: move.type, id, at, data: dataFor(context, move, at) };
}

function dataFor(
  context: MailboxContext,
  { type, fresh, yes, small, cause, status }: MailboxMove,
  at: number,
): unknown {
  const asOf = (known: number) => (fresh ? known : known - 1);
  const removal = { id: 'm', revision: small, from: yes ? 'waiting' : 'held', bytes: 1 };
  const registration = { via: 'direct', bindings: [], asOf: asOf(context.registrations) };
  const delivery = fresh ? (context.delivery ?? 'none') : 'foreign';
  const next = yes ? at + small * 60_000 : null;
  switch (type) {
    case 'MessageDeferred':
      return {
        ...mailboxExamples.MessageDeferred,
        held: !fresh,
        unreachable: small > 1,
        ...(yes ? { expiresAt: at + (small - 1) * 60_000 } : {}),
      };
    case 'SubscriberRegistered':
    case 'SubscriberDeregistered':
      return { ...registration, expiresAt: yes ? at + small * 1_800_000 : null };
    case 'RegistrationExpired':
      return { dueAt: fresh ? (context.registrationExpiresAt ?? at) : at - 1 };
    case 'OfflineDeliverySet':
      return { active: fresh ? !context.offlineDelivery : yes, by: 'xcap' };
    case 'DeliveryEnded':
      return { delivery, cause, status, unconfirmed: yes, acknowledged: small, failed: 0 };
    case 'RetryDue':
      return { dueAt: fresh ? (context.retryAt ?? at) : at - 1 };
    case 'MessageExpired':
      return { ...removal, next, asOf: asOf(context.deferred) };
    case 'ExpiryChecked':
      return { next, asOf: asOf(context.deferred) };
    case 'MessageParked':
      return { ...removal, delivery };
    case 'MessageDeleted':
    case 'MessageHeld':
      return { ...removal, by: 'owner' };
    case 'MessageReleased':
      return { id: 'm', from: 'held', by: 'owner' };
  }
}
