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
 * - A refusal that says what is missing (422, 401, 407) is answered by the same request with that,
 *   under the next CSeq number, so often and no oftener than `guards.ts` and `limits.ts` say.
 * - Each request in the dialog has its CSeq number counted here, and each use of a nonce.
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
  end,
  type Params,
  proveBye,
  pushMessages,
  refreshSession,
  refuse,
  reportDelivery,
  sayBye,
  sayByeAgain,
  sendAck,
  sendInvite,
  sendPrack,
  stop,
} from './asks.ts';
import * as changes from './changes.ts';
import { type DeliveryContext, initialContext, type Of, type Stamped } from './context.ts';
import type { ChannelEnd } from './effects.ts';
import { guards } from './guards.ts';

const BYE_CLAUSES = { clauses: ['IM-11.3.2.7-9'] };
/** A 2xx of a dialog that is not kept: ACK, then BYE (RFC 3261 §13.2.2.4). */
const endSurplus = {
  actions: [sendAck, 'countSurplus', byeSurplus],
  meta: { clauses: ['REF-3261-1'] },
} as const;

export const deliveryMachine = setup({
  types: { context: {} as DeliveryContext, events: {} as Stamped },
  guards,
  actions: {
    open: assign(changes.open),
    nameAccount: assign(changes.nameAccount),
    blame: assign((scope, params: { cause: DeliveryCause }) => changes.blame(scope, params)),
    blameInterruption: assign(changes.blameInterruption),
    progress: assign(changes.progress),
    confirm: assign(changes.confirm),
    timeSession: assign(changes.timeSession),
    countInvite: assign(changes.countInvite),
    carryInterval: assign(changes.carryInterval),
    takeChallenge: assign(changes.takeChallenge),
    refusedBy: assign(changes.refusedBy),
    bind: assign(changes.bind),
    takeSnapshot: assign(changes.takeSnapshot),
    extendSnapshot: assign(changes.extendSnapshot),
    setBack: assign(changes.setBack),
    acknowledge: assign(changes.acknowledge),
    fail: assign(changes.fail),
    startBye: assign(changes.startBye),
    countBye: assign(changes.countBye),
    countSurplus: assign(changes.countSurplus),
    startCancel: assign(changes.startCancel),
    refresh: assign(changes.refresh),
    forgetAllow: assign(changes.forgetAllow),
    refreshAgain: assign(changes.refreshAgain),
    putRefreshOff: assign(changes.putRefreshOff),
    refreshed: assign(changes.refreshed),
    leaveUnconfirmed: assign(changes.leaveUnconfirmed),
    forgetTimers: assign(changes.forgetTimers),
    sendInvite: (_, _params: Params<'sendInvite'>) => {},
    cancelInvite: (_, _params: Params<'cancelInvite'>) => {},
    sendPrack: (_, _params: Params<'sendPrack'> | null) => {},
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
          { guard: 'isOutdated' },
          { guard: 'tellsNothingNew' },
          {
            actions: ['progress', sendPrack],
            meta: { clauses: ['IM-11.3.2.3-15', 'IM-11.3.2.3-16'] },
          },
        ],
        InviteAnswered: [
          // A fork of an INVITE that another one followed since.
          { guard: 'isOutdated', ...endSurplus },
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
          { guard: 'isOutdated' },
          {
            guard: 'asksForLongerInterval',
            actions: ['carryInterval', 'countInvite', sendInvite],
            meta: { clauses: ['IM-11.3.2.3-11'] },
          },
          {
            guard: 'asksForCredentials',
            actions: ['takeChallenge', 'countInvite', sendInvite],
            meta: { clauses: ['IM-11.3.2.3-4'] },
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
          { guard: 'isOutdated' },
          { guard: 'wantsNothing' },
          { guard: 'tellsNothingNew' },
          { guard: 'hasProgressed', actions: ['progress', sendPrack] },
          {
            actions: ['progress', cancelInvite, sendPrack],
            meta: { clauses: ['REF-3261-3'] },
          },
        ],
        InviteAnswered: [
          { guard: 'isOutdated', ...endSurplus },
          // A 2xx crossed our CANCEL: ACK, then BYE (RFC 3261 §9.1, T-22).
          {
            target: 'bye',
            actions: ['confirm', sendAck, stop('grace'), ...sayBye],
            meta: { clauses: ['REF-3261-1', 'REF-3261-3'] },
          },
        ],
        InviteRefused: [{ guard: 'isOutdated' }, { target: 'ended', actions: end }],
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
          endSurplus,
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
        SessionRefreshed: {
          actions: [stop('refresh'), 'refreshed', arm('refresh'), arm('duration')],
        },
        SessionExpired: [
          { guard: 'isDue', target: 'bye', actions: [blame('sessionExpired'), ...breakOff] },
          { guard: 'endsSession', target: 'bye', actions: [blame('sessionExpired'), ...breakOff] },
          {
            guard: 'asksForCredentials',
            actions: ['takeChallenge', 'refreshAgain', refreshSession],
            meta: { clauses: ['REF-4028-1'] },
          },
          {
            guard: 'asksToRefreshForLonger',
            actions: ['carryInterval', 'refreshAgain', refreshSession],
            meta: { clauses: ['REF-4028-1'] },
          },
          {
            guard: 'asksToRefreshByInvite',
            actions: ['forgetAllow', 'refreshAgain', refreshSession],
            meta: { clauses: ['REF-4028-1'] },
          },
          { guard: 'asksToRefreshLater', actions: ['putRefreshOff', arm('refresh')] },
          {},
        ],
        ByeReceived: { target: 'ended', actions: [blame('peerBye'), ...end] },
        DeliveryInterrupted: { target: 'bye', actions: ['blameInterruption', ...sayByeAgain] },
      },
    },
    bye: {
      on: {
        InviteAnswered: [{ guard: 'isSameDialog', actions: sendAck }, endSurplus],
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
        ByeAnswered: [
          { guard: 'asksForCredentials', actions: proveBye, meta: BYE_CLAUSES },
          { target: 'ended', actions: end, meta: BYE_CLAUSES },
        ],
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
          endSurplus,
        ],
        ByeReceived: {},
        PushAcknowledged: { actions: refuse('ended') },
        PushFailed: { actions: refuse('ended') },
      },
    },
  },
});
