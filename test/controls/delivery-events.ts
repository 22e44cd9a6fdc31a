import fc from 'fast-check';
import { type Chart, chart, type Stamped, type State } from '../../src/engine/decide.ts';
import type { DeliveryContext } from '../../src/machines/delivery/context.ts';
import type {
  Answer,
  DeliveryEvent,
  InviteRefusedData,
} from '../../src/machines/delivery/events.ts';
import { deliveryMachine } from '../../src/machines/delivery/machine.ts';
import { START_MS } from './histories.ts';
import { numbered } from './mailbox-events.ts';

export type DeliveryEventType = DeliveryEvent['type'];
type DataOf<Type extends DeliveryEventType> = Extract<DeliveryEvent, { type: Type }>['data'];
type Union<Data> = Data extends unknown ? Partial<Data> : never;

export const delivery: Chart<DeliveryContext> = chart<DeliveryContext>(deliveryMachine, 1);

export const ACCOUNT = 'sip:romeo@example.net';

export const acceptableAnswer: Answer = {
  acceptable: true,
  path: ['msrp://192.0.2.17:9000/s1;tcp'],
  setup: 'passive',
  acceptTypes: ['multipart/mixed', 'message/*'],
  acceptWrappedTypes: ['*'],
};

export const unacceptableAnswer: Answer = { acceptable: false, reason: 'multipart/mixed' };

const PUSHED = { account: ACCOUNT, id: '1368@store.example', revision: 1, bytes: 420 } as const;

/** One example of each event that a delivery can record. */
export const deliveryExamples: { readonly [Type in DeliveryEventType]: DataOf<Type> } = {
  DeliveryOpened: { account: ACCOUNT, through: 2 },
  InviteProgressed: { status: 180 },
  InviteAnswered: {
    status: 200,
    toTag: 'x',
    remoteTarget: 'sip:romeo@192.0.2.17',
    routeSet: [],
    answer: acceptableAnswer,
  },
  InviteRefused: { status: 480 },
  InviteTimedOut: { dueAt: START_MS + 120_000 },
  ChannelBound: { remote: '192.0.2.17:9000' },
  SnapshotTaken: { through: 2, count: 2, digest: 'd' },
  SnapshotExtended: { through: 3, count: 1, digest: 'd' },
  PushAcknowledged: { ...PUSHED, messageId: 'mid' },
  PushFailed: { ...PUSHED, outcome: 'failed', reason: 'status', status: 413, attempt: true },
  ChannelLost: { reason: 'connection closed' },
  RefreshDue: { dueAt: START_MS + 900_000 },
  SessionRefreshed: {},
  SessionExpired: { dueAt: START_MS + 900_000 },
  ByeReceived: {},
  ByeAnswered: { status: 200 },
  GraceElapsed: { dueAt: START_MS + 2_000 },
  DeliveryInterrupted: { account: ACCOUNT, cause: 'restart' },
};

export const deliveryEventTypes = Object.keys(deliveryExamples) as readonly DeliveryEventType[];

/** The example of an event with some of its data replaced; `atMs` counts from `START_MS`. */
export function deliveryEvent<Type extends DeliveryEventType>(
  type: Type,
  data: Union<DataOf<Type>> = {} as Union<DataOf<Type>>,
  { id = 'now', atMs = 0 }: { readonly id?: string; readonly atMs?: number } = {},
): Stamped {
  return { type, id, at: START_MS + atMs, data: { ...deliveryExamples[type], ...data } };
}

const opened = deliveryEvent('DeliveryOpened');
const answered = deliveryEvent('InviteAnswered');
const bound = deliveryEvent('ChannelBound');
const interrupted = deliveryEvent('DeliveryInterrupted');
const acknowledged = deliveryEvent('PushAcknowledged');

function snapshot(count: number): Stamped {
  return deliveryEvent('SnapshotTaken', { count });
}

/** Histories to every state value that a delivery has, in the variants that its guards tell apart. */
export const deliveryHistories: Readonly<Record<string, readonly Stamped[]>> = {
  idle: [],
  inviting: numbered(opened),
  'inviting, ringing': numbered(opened, deliveryEvent('InviteProgressed')),
  'inviting, for the second time': numbered(
    opened,
    deliveryEvent('InviteRefused', { status: 422, minSeSeconds: 1_800, inviteCseq: 1 }),
  ),
  'cancelling, not ringing': numbered(opened, interrupted),
  'cancelling, ringing': numbered(opened, deliveryEvent('InviteProgressed'), interrupted),
  'pushing, no channel': numbered(opened, answered),
  'pushing, with a session timer': numbered(
    opened,
    deliveryEvent('InviteAnswered', { sessionExpiresSeconds: 1_800, allow: 'INVITE, UPDATE' }),
    bound,
    snapshot(2),
  ),
  'pushing, a refresh is under way': numbered(
    opened,
    deliveryEvent('InviteAnswered', { sessionExpiresSeconds: 1_800 }),
    deliveryEvent('RefreshDue'),
  ),
  'pushing, bound, no snapshot': numbered(opened, answered, bound),
  'pushing, two outcomes missing': numbered(opened, answered, bound, snapshot(2)),
  'pushing, one outcome missing': numbered(opened, answered, bound, snapshot(2), acknowledged),
  'bye, all acknowledged': numbered(opened, answered, bound, snapshot(1), acknowledged),
  'bye, channel lost, one outcome missing': numbered(
    opened,
    answered,
    bound,
    snapshot(1),
    deliveryEvent('ChannelLost'),
  ),
  'ended, completed': numbered(
    opened,
    answered,
    bound,
    snapshot(1),
    acknowledged,
    deliveryEvent('ByeAnswered'),
  ),
  'ended, the CANCEL is still owed': numbered(
    opened,
    interrupted,
    deliveryEvent('GraceElapsed', {}, { atMs: 2_000 }),
  ),
  'ended, never opened': numbered(interrupted),
};

/** The history of that name. */
export function deliveryHistory(name: string): readonly Stamped[] {
  const history = deliveryHistories[name];
  if (history === undefined) throw new Error(`no delivery history is called "${name}"`);
  return history;
}

/** What is sent to a delivery, before it is fitted to the state it meets. */
export interface DeliveryMove {
  readonly type: DeliveryEventType;
  /** `fresh`: a timer that is really due, the dialog that is kept. */
  readonly fresh: boolean;
  readonly afterMs: number;
  readonly yes: boolean;
  readonly small: number;
}

export const deliveryMoves: fc.Arbitrary<DeliveryMove> = fc.record({
  type: fc.constantFrom(...deliveryEventTypes),
  fresh: fc.boolean(),
  afterMs: fc.constantFrom(0, 1, 2_000, 120_000),
  yes: fc.boolean(),
  small: fc.integer({ min: 0, max: 3 }),
});

/** A way of a delivery that gets somewhere: the normal path first, then anything. */
export const deliveryWays: fc.Arbitrary<readonly DeliveryMove[]> = fc
  .tuple(
    fc.integer({ min: 0, max: 4 }),
    fc.integer({ min: 1, max: 3 }),
    fc.array(deliveryMoves, { maxLength: 16, size: 'max' }),
  )
  .map(([length, small, rest]) => [
    ...(['DeliveryOpened', 'InviteAnswered', 'ChannelBound', 'SnapshotTaken'] as const)
      .slice(0, length)
      .map((type) => ({ type, fresh: true, afterMs: 1, yes: true, small })),
    ...rest,
  ]);

/** The input that a move is in a state. */
export function deliveryInput(
  { context }: State<DeliveryContext>,
  move: DeliveryMove,
  { id, at }: { readonly id: string; readonly at: number },
): Stamped {
  return { type: move.type, id, at, data: dataFor(context, move, at) };
}

/** What a client or a proxy refuses with. */
function refusalFor({ fresh, small }: DeliveryMove): InviteRefusedData {
  const challenge = { lines: [`Digest realm="core", nonce="n${small}"`], stale: fresh };
  const refusals: readonly InviteRefusedData[] = [
    { status: 481 },
    { status: 422, minSeSeconds: 3_600 },
    { status: 491, retryAfterMs: 3_000 },
    { status: fresh ? 401 : 407, challenge },
  ];
  return refusals[small] ?? { status: 480 };
}

/** `fresh`: a reliable response, the next of its dialog or one that was there before. */
function progressFor(context: DeliveryContext, { fresh, yes, small }: DeliveryMove) {
  if (!fresh) return yes ? { status: 183, allow: `INVITE, ${small}` } : { status: 180 };
  const toTag = `fork${small % 2}`;
  const last = context.early.find((dialog) => dialog.toTag === toTag)?.rseq ?? 0;
  return { status: 183, toTag, rseq: last + (yes ? 1 : small - 1), inviteCseq: context.inviteCseq };
}

function dataFor(context: DeliveryContext, move: DeliveryMove, at: number): unknown {
  const { type, fresh, yes, small } = move;
  const due = (dueAt: number | null) => ({ dueAt: fresh ? (dueAt ?? at) : at - 1 });
  const example = deliveryExamples[type];
  switch (type) {
    case 'InviteProgressed':
      return progressFor(context, move);
    case 'InviteRefused':
      return { ...refusalFor(move), inviteCseq: fresh ? context.inviteCseq : 1 };
    case 'InviteAnswered':
      return {
        ...example,
        toTag: fresh ? (context.dialog?.toTag ?? 'x') : `fork${small}`,
        answer: yes ? acceptableAnswer : unacceptableAnswer,
        ...(small > 1 ? { sessionExpiresSeconds: small * 90 } : {}),
      };
    case 'InviteTimedOut':
      return yes ? { by: 'transaction' } : due(context.inviteDueAt);
    case 'SnapshotTaken':
      return { through: context.through, count: small, digest: 'd' };
    case 'SnapshotExtended':
      return { through: context.through + small, count: 1, digest: 'd' };
    case 'PushFailed':
      return { ...example, attempt: fresh, ...(yes ? {} : { takesBack: true }) };
    case 'RefreshDue':
      return due(context.refreshDueAt);
    case 'SessionRefreshed':
      return yes ? { refresher: fresh ? 'uac' : 'uas', sessionExpiresSeconds: 90 } : {};
    case 'SessionExpired':
      return yes ? refusalFor(move) : due(context.durationDueAt);
    case 'ByeAnswered':
      return yes ? refusalFor(move) : example;
    case 'GraceElapsed':
      return due(context.graceDueAt);
    default:
      return example;
  }
}
