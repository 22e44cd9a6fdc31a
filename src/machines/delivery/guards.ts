/** The questions that the chart asks of where a delivery stands and of what just came. */
import { DUE, TIMER_EVENTS, TIMERS } from './asks.ts';
import {
  type DeliveryContext,
  type Of,
  outcomesMissing,
  refreshMethod,
  type Scope,
} from './context.ts';
import { mayAnswer } from './credentials.ts';
import { tellsNews } from './early-dialogs.ts';
import type { Challenge } from './events.ts';
import { REFRESH_RETRIES_MAX } from './limits.ts';

/** A refresh is ours, and was not refused too often. */
function mayRetry({ refreshes, refreshRetries }: DeliveryContext): boolean {
  return refreshes && refreshRetries < REFRESH_RETRIES_MAX;
}

export const guards = {
  isAcceptable: ({ event }: Scope) => (event as Of<'InviteAnswered'>).data.answer.acceptable,
  isSameDialog: ({ context, event }: Scope) =>
    (event as Of<'InviteAnswered'>).data.toTag === context.dialog?.toTag,
  /** It speaks of an INVITE that was refused, and that another one followed. */
  isOutdated: ({ context, event }: Scope) => {
    const { inviteCseq } = event.data as { readonly inviteCseq?: number };
    return inviteCseq !== undefined && inviteCseq < context.inviteCseq;
  },
  isTransaction: ({ event }: Scope) => 'by' in (event as Of<'InviteTimedOut'>).data,
  isDue: ({ context, event }: Scope) => {
    const timer = TIMERS.find((name) => TIMER_EVENTS[name] === event.type);
    const { dueAt } = event.data as { readonly dueAt?: number };
    return timer !== undefined && dueAt !== undefined && dueAt === context[DUE[timer]];
  },
  tellsNothingNew: ({ context, event }: Scope) =>
    context.progressed && !tellsNews(context.early, (event as Of<'InviteProgressed'>).data),
  hasProgressed: ({ context }: Scope) => context.progressed,
  /** Once the CANCEL has left, only a reliable response still wants something. */
  wantsNothing: ({ context, event }: Scope) =>
    context.progressed && (event as Of<'InviteProgressed'>).data.rseq === undefined,
  // RFC 4028 §7.3: once; a client that asks again for more is refused for good.
  asksForLongerInterval: ({ context, event }: Scope) => {
    const { status, minSeSeconds } = (event as Of<'InviteRefused'>).data;
    return status === 422 && minSeSeconds !== undefined && context.minSeSeconds === null;
  },
  asksForCredentials: ({ context, event }: Scope) =>
    mayAnswer(
      context.challenged,
      event.data as { readonly status: number; readonly challenge?: Challenge },
    ),
  /** Gave up on an INVITE that nobody had answered yet: it may still ring (RFC 3261 §9.1). */
  owesCancel: ({ context }: Scope) =>
    context.unconfirmed === true && context.dialog === null && !context.progressed,
  lacksDialog: ({ context }: Scope) => context.dialog === null,
  isBound: ({ context }: Scope) => context.bound,
  isEmpty: ({ event }: Scope) => (event as Of<'SnapshotTaken'>).data.count === 0,
  hasSnapshot: ({ context }: Scope) => context.count !== null,
  extendsNothing: ({ context, event }: Scope) =>
    context.count === null ||
    (event as Of<'SnapshotExtended'>).data.through <= context.snapshotThrough,
  takesBack: ({ event }: Scope) => (event as Of<'PushFailed'>).data.takesBack === true,
  takesNothingBack: ({ context, event }: Scope) =>
    (event as Of<'PushFailed'>).data.takesBack === true && context.acknowledged === 0,
  isLast: ({ context }: Scope) => outcomesMissing(context) === 1,
  hasAllOutcomes: ({ context }: Scope) => outcomesMissing(context) === 0,
  lacksSnapshot: ({ context }: Scope) => context.count === null,
  // RFC 4028 §10: of any other refusal the session lives on until shortly before it expires.
  endsSession: ({ event }: Scope) => {
    const { status = 0 } = (event as Of<'SessionExpired'>).data as { readonly status?: number };
    return status === 408 || status === 481 || (status >= 200 && status < 300);
  },
  /** A 422 to a refresh: it may be refreshed for longer (RFC 4028 §7.4). */
  asksToRefreshForLonger: ({ context, event }: Scope) => {
    const { status, minSeSeconds = 0 } = event.data as {
      readonly status?: number;
      readonly minSeSeconds?: number;
    };
    const longer = minSeSeconds > (context.sessionExpiresSeconds ?? 0);
    return status === 422 && longer && mayRetry(context);
  },
  /** A client that named UPDATE in Allow, or a proxy before it, does not take it after all. */
  asksToRefreshByInvite: ({ context, event }: Scope) => {
    const { status } = event.data as { readonly status?: number };
    const isRefused = status === 405 || status === 501;
    return isRefused && refreshMethod(context) === 'UPDATE' && mayRetry(context);
  },
  asksToRefreshLater: ({ context, event }: Scope) =>
    'retryAfterMs' in event.data && mayRetry(context),
} as const;
