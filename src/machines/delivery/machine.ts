/**
 * One push session to the subscriber's client: idle → inviting (→ cancelling) → pushing → bye →
 * ended.
 *
 * Laws:
 * - The cause of the end is set by the first event that leaves the normal path and is never
 *   replaced: a 487 to our own CANCEL says nothing about the subscriber.
 * - BYE is asked for only when every message of the snapshot has its outcome, or the session cannot
 *   go on (A-30, T-11).
 * - `cancelling` waits for the final response, and `bye` for the answer, but neither longer than the
 *   grace: the transaction goes on by itself, the mailbox does not wait for a dead client.
 * - A 2xx is always answered by an ACK, wherever the delivery stands; a dialog that is not kept also
 *   by a BYE (RFC 3261 §13.2.2.4).
 * - DeliveryInterrupted is accepted as the first event too, so no INVITE ever leaves from a decision
 *   that a restart has made stale.
 */
import { assign, setup } from 'xstate';
import type { DeliveryCause } from '../mailbox/events.ts';
import {
  arm,
  blame,
  breakOff,
  byeAgain,
  byeSurplus,
  cancel,
  cancelInvite,
  channelEnd,
  DUE,
  end,
  type Params,
  pushMessages,
  refreshSession,
  refuse,
  reportDelivery,
  sayBye,
  sayByeAgain,
  sendAck,
  sendInvite,
  stop,
  TIMER_EVENTS,
  TIMERS,
} from './asks.ts';
import {
  type DeliveryContext,
  dialogOf,
  initialContext,
  isRefreshedByUs,
  type Of,
  outcomesMissing,
  type Stamped,
  sessionTimes,
} from './context.ts';
import type { ChannelEnd } from './effects.ts';
import { GRACE_MS, INVITE_TIMEOUT_MS, PUSH_DURATION_MAX_MS } from './limits.ts';

const BYE_CLAUSES = { clauses: ['IM-11.3.2.7-9'] };

export const deliveryMachine = setup({
  types: { context: {} as DeliveryContext, events: {} as Stamped },
  guards: {
    isAcceptable: ({ event }) => (event as Of<'InviteAnswered'>).data.answer.acceptable,
    isSameDialog: ({ context, event }) =>
      (event as Of<'InviteAnswered'>).data.toTag === context.dialog?.toTag,
    isTransaction: ({ event }) => 'by' in (event as Of<'InviteTimedOut'>).data,
    isDue: ({ context, event }) => {
      const timer = TIMERS.find((name) => TIMER_EVENTS[name] === event.type);
      const { dueAt } = event.data as { readonly dueAt?: number };
      return timer !== undefined && dueAt !== undefined && dueAt === context[DUE[timer]];
    },
    tellsNothingNew: ({ context, event }) => {
      const { data } = event as Of<'InviteProgressed'>;
      return context.progressed && (data.allow === undefined || data.allow === context.allow);
    },
    // RFC 4028 §7.3: once; a client that asks again for more is refused for good.
    asksForLongerInterval: ({ context, event }) => {
      const { status, minSeSeconds } = (event as Of<'InviteRefused'>).data;
      return status === 422 && minSeSeconds !== undefined && context.inviteCseq === 1;
    },
    hasProgressed: ({ context }) => context.progressed,
    // Gave up on an INVITE that nobody had answered yet: it may still ring (RFC 3261 §9.1).
    owesCancel: ({ context }) =>
      context.unconfirmed === true && context.dialog === null && !context.progressed,
    lacksDialog: ({ context }) => context.dialog === null,
    isBound: ({ context }) => context.bound,
    isEmpty: ({ event }) => (event as Of<'SnapshotTaken'>).data.count === 0,
    hasSnapshot: ({ context }) => context.count !== null,
    extendsNothing: ({ context, event }) =>
      context.count === null ||
      (event as Of<'SnapshotExtended'>).data.through <= context.snapshotThrough,
    takesBack: ({ event }) => (event as Of<'PushFailed'>).data.takesBack === true,
    takesNothingBack: ({ context, event }) =>
      (event as Of<'PushFailed'>).data.takesBack === true && context.acknowledged === 0,
    isLast: ({ context }) => outcomesMissing(context) === 1,
    hasAllOutcomes: ({ context }) => outcomesMissing(context) === 0,
    lacksSnapshot: ({ context }) => context.count === null,
    // RFC 4028 §10: of any other refusal the session lives on until shortly before it expires.
    endsSession: ({ event }) => {
      const { status } = (event as Of<'SessionExpired'>).data as { readonly status?: number };
      return status === 408 || status === 481;
    },
  },
  actions: {
    open: assign(({ event }) => {
      const { data, at } = event as Of<'DeliveryOpened'>;
      return {
        account: data.account,
        through: data.through,
        inviteDueAt: at + INVITE_TIMEOUT_MS,
      };
    }),
    nameAccount: assign(({ event }) => ({
      account: (event as Of<'DeliveryInterrupted'>).data.account,
    })),
    blame: assign(({ context }, { cause }: { cause: DeliveryCause }) => ({
      cause: context.cause ?? cause,
    })),
    blameInterruption: assign(({ context, event }) => ({
      cause: context.cause ?? (event as Of<'DeliveryInterrupted'>).data.cause,
    })),
    progress: assign(({ context, event }) => ({
      progressed: true,
      allow: (event as Of<'InviteProgressed'>).data.allow ?? context.allow,
    })),
    confirm: assign(({ context, event }) => {
      const { data } = event as Of<'InviteAnswered'>;
      return {
        dialog: dialogOf(data),
        allow: data.allow ?? context.allow,
        maxSize: (data.answer.acceptable && data.answer.maxSize) || null,
        encapsulation: (data.answer.acceptable && data.answer.encapsulation) || null,
        inviteDueAt: null,
        unconfirmed: false,
      };
    }),
    timeSession: assign(({ context, event }) => {
      const { data, at } = event as Of<'InviteAnswered'>;
      return sessionTimes(at, data.sessionExpiresSeconds, {
        refreshes: isRefreshedByUs(data, context.allow),
        pushEndsAt: at + PUSH_DURATION_MAX_MS,
      });
    }),
    countInvite: assign(({ context }) => ({
      inviteCseq: context.inviteCseq + 1,
      cseq: context.cseq + 1,
      progressed: false,
    })),
    refusedBy: assign(({ context, event }) => {
      const { data } = event as Of<'InviteRefused'>;
      if (context.cause !== null) return {};
      return {
        cause: 'refused' as const,
        status: data.status,
        retryAfterMs: data.retryAfterMs ?? null,
      };
    }),
    bind: assign({ bound: true }),
    takeSnapshot: assign(({ event }) => {
      const { data } = event as Of<'SnapshotTaken'>;
      return { count: data.count, snapshotThrough: data.through };
    }),
    extendSnapshot: assign(({ context, event }) => {
      const { data } = event as Of<'SnapshotExtended'>;
      return { count: (context.count ?? 0) + data.count, snapshotThrough: data.through };
    }),
    setBack: assign(({ context }) => ({ setbacks: context.setbacks + 1 })),
    countBye: assign(({ context }) => ({ cseq: context.cseq + 1 })),
    acknowledge: assign(({ context }) => ({ acknowledged: context.acknowledged + 1 })),
    fail: assign(({ context, event }) => {
      const { data } = event as Of<'PushFailed'>;
      return {
        failed: context.failed + 1,
        // Expiry takes an overdue message away by itself; any other failure would be tried again at
        // once and for ever.
        setbacks: context.setbacks + (data.reason === 'expired' ? 0 : 1),
        acknowledged: context.acknowledged - (data.takesBack ? 1 : 0),
      };
    }),
    startBye: assign(({ context, event }) => ({
      cseq: context.cseq + 1,
      refreshDueAt: null,
      durationDueAt: null,
      graceDueAt: event.at + GRACE_MS,
    })),
    startCancel: assign(({ event }) => ({
      inviteDueAt: null,
      graceDueAt: event.at + GRACE_MS,
      unconfirmed: false,
    })),
    refresh: assign(({ context }) => ({ cseq: context.cseq + 1, refreshDueAt: null })),
    refreshed: assign(({ context, event }) => {
      const { data, at } = event as Of<'SessionRefreshed'>;
      const { refreshes, pushEndsAt } = context;
      const seconds = data.sessionExpiresSeconds ?? context.sessionExpiresSeconds;
      return sessionTimes(at, seconds, { refreshes, pushEndsAt: pushEndsAt ?? at });
    }),
    leaveUnconfirmed: assign({ unconfirmed: true }),
    forgetTimers: assign({
      inviteDueAt: null,
      graceDueAt: null,
      refreshDueAt: null,
      durationDueAt: null,
    }),
    sendInvite: (_, _params: Params<'sendInvite'>) => {},
    cancelInvite: (_, _params: Params<'cancelInvite'>) => {},
    sendAck: (_, _params: Params<'sendAck'>) => {},
    openChannel: (_, _params: ChannelEnd | null) => {},
    pushMessages: (_, _params: Params<'pushMessages'>) => {},
    closeChannel: (_, _params: Params<'closeChannel'>) => {},
    sendBye: (_, _params: Params<'sendBye'>) => {},
    refreshSession: (_, _params: Params<'refreshSession'>) => {},
    reportDelivery: (_, _params: Params<'reportDelivery'>) => {},
    startTimer: (_, _params: Params<'startTimer'> | null) => {},
    stopTimer: (_, _params: Params<'stopTimer'> | null) => {},
    refuse: (_, _params: { reason: string }) => {},
  },
}).createMachine({
  id: 'delivery',
  context: initialContext,
  initial: 'idle',
  on: {
    // Timers that were stopped, and answers that come after the end they were waited for.
    InviteTimedOut: {},
    GraceElapsed: {},
    RefreshDue: {},
    SessionExpired: {},
    ByeAnswered: {},
    ChannelLost: {},
    InviteRefused: {},
    InviteProgressed: {},
    SessionRefreshed: {},
    '*': { actions: refuse('unexpected') },
  },
  states: {
    idle: {
      on: {
        DeliveryOpened: {
          target: 'inviting',
          actions: ['open', sendInvite, arm('invite')],
          meta: { clauses: ['IM-11.3.2.3-3', 'IM-11.3.2.3-4', 'IM-11.3.2.3-14'] },
        },
        DeliveryInterrupted: {
          target: 'ended',
          actions: ['nameAccount', 'blameInterruption', reportDelivery],
        },
      },
    },
    inviting: {
      on: {
        InviteProgressed: [
          { guard: 'tellsNothingNew' },
          {
            actions: 'progress',
            meta: { clauses: ['IM-11.3.2.3-15', 'IM-11.3.2.3-16'] },
          },
        ],
        InviteAnswered: [
          {
            guard: 'isAcceptable',
            target: 'pushing',
            actions: [
              stop('invite'),
              'confirm',
              'timeSession',
              sendAck,
              {
                type: 'openChannel',
                params: ({ event }) => channelEnd((event as Of<'InviteAnswered'>).data),
              },
              arm('refresh'),
              arm('duration'),
            ],
            meta: {
              clauses: ['IM-11.3.2.3-17', 'IM-11.3.2.3-18', 'IM-11.3.2.3-19', 'REF-3261-1'],
            },
          },
          {
            target: 'bye',
            actions: [stop('invite'), 'confirm', blame('notAcceptable'), sendAck, ...sayBye],
            meta: { clauses: ['REF-3261-1', 'REF-4975-3'] },
          },
        ],
        InviteRefused: [
          {
            guard: 'asksForLongerInterval',
            actions: ['countInvite', sendInvite],
            meta: { clauses: ['IM-11.3.2.3-11'] },
          },
          { target: 'ended', actions: ['refusedBy', ...end] },
        ],
        InviteTimedOut: [
          { guard: 'isTransaction', target: 'ended', actions: [blame('noAnswer'), ...end] },
          { guard: 'isDue', target: 'cancelling', actions: [blame('noAnswer'), ...cancel] },
          {},
        ],
        DeliveryInterrupted: { target: 'cancelling', actions: ['blameInterruption', ...cancel] },
      },
    },
    cancelling: {
      on: {
        InviteProgressed: [
          { guard: 'hasProgressed' },
          { actions: ['progress', cancelInvite], meta: { clauses: ['REF-3261-3'] } },
        ],
        // A 2xx crossed our CANCEL: ACK, then BYE (RFC 3261 §9.1, T-22).
        InviteAnswered: {
          target: 'bye',
          actions: ['confirm', sendAck, stop('grace'), ...sayBye],
          meta: { clauses: ['REF-3261-1', 'REF-3261-3'] },
        },
        InviteRefused: { target: 'ended', actions: end },
        InviteTimedOut: [
          {
            guard: 'isTransaction',
            target: 'ended',
            actions: ['leaveUnconfirmed', ...end],
          },
          {},
        ],
        GraceElapsed: [
          { guard: 'isDue', target: 'ended', actions: ['leaveUnconfirmed', ...end] },
          {},
        ],
        DeliveryInterrupted: { actions: cancel },
      },
    },
    pushing: {
      on: {
        InviteAnswered: [
          // The client repeats its 2xx until it has the ACK (RFC 3261 §13.3.1.4).
          { guard: 'isSameDialog', actions: sendAck },
          { actions: [sendAck, byeSurplus], meta: { clauses: ['REF-3261-1'] } },
        ],
        ChannelBound: [
          { guard: 'isBound' },
          {
            actions: ['bind', pushMessages],
            meta: { clauses: ['IM-11.3.2.7-1', 'IM-11.3.2.7-2'] },
          },
        ],
        SnapshotTaken: [
          { guard: 'hasSnapshot', actions: refuse('taken') },
          // Nothing to push, though the mailbox counted something: not at once again.
          { guard: 'isEmpty', target: 'bye', actions: ['takeSnapshot', 'setBack', ...sayBye] },
          { actions: 'takeSnapshot' },
        ],
        SnapshotExtended: [
          { guard: 'extendsNothing', actions: refuse('extendsNothing') },
          { actions: 'extendSnapshot' },
        ],
        PushAcknowledged: [
          { guard: 'lacksSnapshot', actions: refuse('noSnapshot') },
          {
            guard: 'isLast',
            target: 'bye',
            actions: ['acknowledge', ...sayBye],
            meta: BYE_CLAUSES,
          },
          { actions: 'acknowledge' },
        ],
        PushFailed: [
          { guard: 'lacksSnapshot', actions: refuse('noSnapshot') },
          { guard: 'takesNothingBack', actions: refuse('nothingToTakeBack') },
          { guard: 'takesBack', actions: 'fail' },
          { guard: 'isLast', target: 'bye', actions: ['fail', ...sayBye], meta: BYE_CLAUSES },
          { actions: 'fail' },
        ],
        ChannelLost: { target: 'bye', actions: [blame('channelLost'), ...sayBye] },
        RefreshDue: [
          {
            guard: 'isDue',
            actions: [stop('refresh'), 'refresh', refreshSession],
            meta: { clauses: ['REF-4028-1'] },
          },
          {},
        ],
        SessionRefreshed: { actions: ['refreshed', arm('refresh'), arm('duration')] },
        SessionExpired: [
          { guard: 'isDue', target: 'bye', actions: [blame('sessionExpired'), ...breakOff] },
          { guard: 'endsSession', target: 'bye', actions: [blame('sessionExpired'), ...breakOff] },
          {},
        ],
        ByeReceived: { target: 'ended', actions: [blame('peerBye'), ...end] },
        DeliveryInterrupted: { target: 'bye', actions: ['blameInterruption', ...sayByeAgain] },
      },
    },
    bye: {
      on: {
        InviteAnswered: [
          { guard: 'isSameDialog', actions: sendAck },
          { actions: [sendAck, byeSurplus], meta: { clauses: ['REF-3261-1'] } },
        ],
        PushAcknowledged: [
          { guard: 'lacksSnapshot', actions: refuse('noSnapshot') },
          { guard: 'hasAllOutcomes', actions: refuse('unexpected') },
          { actions: 'acknowledge' },
        ],
        PushFailed: [
          { guard: 'lacksSnapshot', actions: refuse('noSnapshot') },
          { guard: 'takesNothingBack', actions: refuse('nothingToTakeBack') },
          { guard: 'takesBack', actions: 'fail' },
          { guard: 'hasAllOutcomes', actions: refuse('unexpected') },
          { actions: 'fail' },
        ],
        ByeAnswered: { target: 'ended', actions: end, meta: BYE_CLAUSES },
        // Both sides said BYE: theirs ends the dialog as well.
        ByeReceived: { target: 'ended', actions: end },
        GraceElapsed: [
          { guard: 'isDue', target: 'ended', actions: ['leaveUnconfirmed', ...end] },
          {},
        ],
        DeliveryInterrupted: { actions: ['blameInterruption', ...sayByeAgain] },
      },
    },
    ended: {
      on: {
        InviteProgressed: [
          {
            guard: 'owesCancel',
            actions: ['progress', cancelInvite],
            meta: { clauses: ['REF-3261-3'] },
          },
          {},
        ],
        InviteAnswered: [
          // A late 2xx, or one repeated to a process that knows of no ACK: our BYE was lost, too.
          {
            guard: 'lacksDialog',
            actions: ['confirm', 'countBye', sendAck, byeAgain],
            meta: { clauses: ['REF-3261-1'] },
          },
          {
            guard: 'isSameDialog',
            actions: ['countBye', sendAck, byeAgain],
            meta: { clauses: ['REF-3261-1'] },
          },
          { actions: [sendAck, byeSurplus], meta: { clauses: ['REF-3261-1'] } },
        ],
        ByeReceived: {},
        PushAcknowledged: { actions: refuse('ended') },
        PushFailed: { actions: refuse('ended') },
      },
    },
  },
});
