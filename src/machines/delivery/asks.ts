/** What the chart asks for: effects with their params from where the delivery stands. */
import type { DeliveryCause } from '../mailbox/events.ts';
import {
  type DeliveryContext,
  dialogOf,
  lastCseqOf,
  type Of,
  refreshMethod,
  type Scope,
} from './context.ts';
import { earlyDialog } from './early-dialogs.ts';
import type {
  ChannelEnd,
  DeliveryEffect,
  DeliveryTimer,
  InviteCount,
  Proven,
  PushDialog,
} from './effects.ts';
import type { InviteAnsweredData } from './events.ts';

const NO_DIALOG: PushDialog = { toTag: '', remoteTarget: '', routeSet: [] };

export function channelEnd(data: InviteAnsweredData): ChannelEnd | null {
  if (!data.answer.acceptable) return null;
  const { path, setup: role, maxSize } = data.answer;
  return maxSize === undefined ? { path, setup: role } : { path, setup: role, maxSize };
}

export type Params<Name extends DeliveryEffect['name']> = Extract<
  DeliveryEffect,
  { name: Name }
>['params'];

export const TIMER_EVENTS = {
  invite: 'InviteTimedOut',
  grace: 'GraceElapsed',
  refresh: 'RefreshDue',
  duration: 'SessionExpired',
} as const;

export const TIMERS = ['invite', 'grace', 'refresh', 'duration'] as const;

/** When each running timer is due; what fires with another `dueAt` is stale. */
export const DUE = {
  invite: 'inviteDueAt',
  grace: 'graceDueAt',
  refresh: 'refreshDueAt',
  duration: 'durationDueAt',
} as const;

/** Arms or stops the timer as the context says after the assigns before it. */
export function arm(name: DeliveryTimer) {
  return {
    type: 'startTimer',
    params: ({ context }: Scope): Params<'startTimer'> | null => {
      const dueAt = context[DUE[name]];
      return dueAt === null ? null : { name, dueAt, event: TIMER_EVENTS[name] };
    },
  } as const;
}

/** Stops a timer that runs: placed before the assign that forgets it. */
export function stop(name: DeliveryTimer) {
  return {
    type: 'stopTimer',
    params: ({ context }: Scope): Params<'stopTimer'> | null =>
      context[DUE[name]] === null ? null : { name },
  } as const;
}

export function refuse(reason: string) {
  return { type: 'refuse', params: { reason } } as const;
}

/** Sets the cause of the end, unless it has one: the first stands. */
export function blame(cause: DeliveryCause) {
  return { type: 'blame', params: { cause } } as const;
}

/** Told only when it is not 1. */
function inviteCount({ inviteCseq }: { readonly inviteCseq: number }): InviteCount {
  return inviteCseq === 1 ? {} : { inviteCseq };
}

/** As counted by the assign before it. */
function proven({ credentials }: DeliveryContext): Proven {
  return credentials ? { credentials } : {};
}

function minSe({ minSeSeconds }: DeliveryContext): { readonly minSeSeconds?: number } {
  return minSeSeconds === null ? {} : { minSeSeconds };
}

export const sendInvite = {
  type: 'sendInvite',
  params: ({ context }: Scope): Params<'sendInvite'> => ({
    account: context.account,
    ...inviteCount(context),
    ...minSe(context),
    ...proven(context),
  }),
} as const;

/** For a reliable response that the chart took: it is the next in its order. */
export const sendPrack = {
  type: 'sendPrack',
  params: ({ context, event }: Scope): Params<'sendPrack'> | null => {
    const { rseq, toTag } = (event as Of<'InviteProgressed'>).data;
    const early = earlyDialog(context.early, toTag);
    if (rseq === undefined || !early) return null;
    const { account } = context;
    const { remoteTarget, routeSet, cseq } = early;
    const dialog = { toTag: early.toTag, remoteTarget, routeSet };
    return { account, dialog, cseq, rseq, ...inviteCount(context), ...proven(context) };
  },
} as const;

export const pushMessages = {
  type: 'pushMessages',
  params: ({ context }: Scope): Params<'pushMessages'> => ({
    account: context.account,
    through: context.through,
    ...(context.maxSize === null ? {} : { maxSize: context.maxSize }),
    ...(context.encapsulation === null ? {} : { encapsulation: context.encapsulation }),
    ...(context.refusesLarge ? { refusesLarge: true as const } : {}),
  }),
} as const;

/** With the CSeq number and the credentials of the INVITE that the 2xx answers. */
export const sendAck = {
  type: 'sendAck',
  params: ({ context, event }: Scope): Params<'sendAck'> => {
    const { data } = event as Of<'InviteAnswered'>;
    const inviteCseq = data.inviteCseq ?? context.inviteCseq;
    const credentials = inviteCseq === context.inviteCseq ? context.inviteCredentials : null;
    return {
      account: context.account,
      dialog: dialogOf(context, data),
      ...inviteCount({ inviteCseq }),
      ...(credentials ? { credentials } : {}),
    };
  },
} as const;

function sendBye(options: { readonly ackFirst: boolean }) {
  const { ackFirst } = options;
  return {
    type: 'sendBye',
    params: ({ context }: Scope): Params<'sendBye'> => ({
      account: context.account,
      dialog: context.dialog ?? NO_DIALOG,
      cseq: context.cseq,
      surplus: false,
      ackFirst,
      ...inviteCount(context),
      ...proven(context),
      ...(ackFirst && context.inviteCredentials
        ? { inviteCredentials: context.inviteCredentials }
        : {}),
    }),
  } as const;
}

/** A BYE for a dialog that is not kept; its CSeq follows that of the last request in it. */
export const byeSurplus = {
  type: 'sendBye',
  params: ({ context, event }: Scope): Params<'sendBye'> => {
    const { data } = event as Of<'InviteAnswered'>;
    return {
      account: context.account,
      dialog: dialogOf(context, data),
      cseq: lastCseqOf(context, data) + 1,
      surplus: true,
      ackFirst: false,
      ...proven(context),
    };
  },
} as const;

export const refreshSession = {
  type: 'refreshSession',
  params: ({ context }: Scope): Params<'refreshSession'> => ({
    account: context.account,
    dialog: context.dialog ?? NO_DIALOG,
    cseq: context.cseq,
    method: refreshMethod(context),
    // RFC 4028 §7.4: no interval below what a 422 has asked for.
    sessionExpiresSeconds: Math.max(context.sessionExpiresSeconds ?? 0, context.minSeSeconds ?? 0),
    ...minSe(context),
    ...(context.encapsulation === null ? {} : { encapsulation: context.encapsulation }),
    ...proven(context),
  }),
} as const;

/** A further BYE for a dialog whose end the peer has not heard of; counted before. */
export const byeAgain = {
  type: 'sendBye',
  params: ({ context, event }: Scope): Params<'sendBye'> => ({
    account: context.account,
    dialog: dialogOf(context, (event as Of<'InviteAnswered'>).data),
    cseq: context.cseq,
    surplus: true,
    ackFirst: false,
    ...proven(context),
  }),
} as const;

export const cancelInvite = {
  type: 'cancelInvite',
  params: ({ context }: Scope): Params<'cancelInvite'> => ({
    account: context.account,
    progressed: context.progressed,
    ...inviteCount(context),
  }),
} as const;

/** What only another client would take waits for the next registration, as after a 488. */
function completion({ setbacks, notAcceptable }: DeliveryContext): DeliveryCause {
  if (setbacks === 0) return 'completed';
  return setbacks === notAcceptable ? 'notAcceptable' : 'completedWithFailures';
}

export const reportDelivery = {
  type: 'reportDelivery',
  params: ({ context }: Scope): Params<'reportDelivery'> => ({
    account: context.account,
    cause: context.cause ?? completion(context),
    ...(context.status === null ? {} : { status: context.status }),
    ...(context.retryAfterMs === null ? {} : { retryAfterMs: context.retryAfterMs }),
    ...(context.unconfirmed === null ? {} : { unconfirmed: context.unconfirmed }),
    acknowledged: context.acknowledged,
    failed: context.failed,
  }),
} as const;

/** Also where no answer came: the offer alone has announced a session id. */
const closeChannel = { type: 'closeChannel', params: {} } as const;

/** What every way into `bye` does, after the cause was set. */
export const sayBye = [
  stop('refresh'),
  stop('duration'),
  'startBye',
  sendBye({ ackFirst: false }),
  arm('grace'),
] as const;

/** The BYE was challenged (RFC 3261 §22): it goes out once more; the grace is that of the first. */
export const proveBye = ['takeChallenge', 'countBye', sendBye({ ackFirst: false })] as const;

/** The same while messages may be under way: nothing more is sent behind the BYE (T-12, A-31). */
export const breakOff = [closeChannel, ...sayBye] as const;

/** The same after a restart, when nobody remembers whether the ACK left. */
export const sayByeAgain = [
  closeChannel,
  stop('refresh'),
  stop('duration'),
  stop('grace'),
  'startBye',
  sendBye({ ackFirst: true }),
  arm('grace'),
] as const;

/** What every way into `ended` does. */
export const end = [
  stop('invite'),
  stop('grace'),
  stop('refresh'),
  stop('duration'),
  'forgetTimers',
  closeChannel,
  reportDelivery,
] as const;

export const cancel = [stop('invite'), 'startCancel', cancelInvite, arm('grace')] as const;
