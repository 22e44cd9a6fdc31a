/** What an event changes of what a delivery knows; the chart names which of these when. */
import type { DeliveryCause } from '../mailbox/events.ts';
import {
  type DeliveryContext,
  dialogOf,
  lastCseqOf,
  type Of,
  refreshMethod,
  type Scope,
  sessionTimes,
} from './context.ts';
import { unchallenged, usedAgain, withChallenge } from './credentials.ts';
import { earlyDialog, withProgress } from './early-dialogs.ts';
import type { InviteRefusedData } from './events.ts';
import {
  GRACE_MS,
  INVITE_TIMEOUT_MS,
  PUSH_DURATION_MAX_MS,
  REFRESH_PAUSE_MIN_MS,
  RETRY_AFTER_MIN_MS,
} from './limits.ts';

type Change = Partial<DeliveryContext>;

export function open({ event }: Scope): Change {
  const { data, at } = event as Of<'DeliveryOpened'>;
  return { account: data.account, through: data.through, inviteDueAt: at + INVITE_TIMEOUT_MS };
}

export function nameAccount({ event }: Scope): Change {
  return { account: (event as Of<'DeliveryInterrupted'>).data.account };
}

/** The cause of the end is set once. */
export function blame({ context }: Scope, { cause }: { cause: DeliveryCause }): Change {
  return { cause: context.cause ?? cause };
}

export function blameInterruption({ context, event }: Scope): Change {
  return { cause: context.cause ?? (event as Of<'DeliveryInterrupted'>).data.cause };
}

export function progress({ context, event }: Scope): Change {
  const { data } = event as Of<'InviteProgressed'>;
  return {
    progressed: true,
    early: withProgress(context.early, data, context.inviteCseq),
    // A PRACK is a request as any other.
    ...(data.rseq === undefined ? {} : { credentials: usedAgain(context.credentials) }),
  };
}

/** The dialog of a 2xx is the one that is kept; what it does not say, its early dialog may have. */
export function confirm({ context, event }: Scope): Change {
  const { data } = event as Of<'InviteAnswered'>;
  const { answer } = data;
  const early = earlyDialog(context.early, data.toTag) ?? earlyDialog(context.early, undefined);
  return {
    dialog: dialogOf(context, data),
    cseq: lastCseqOf(context, data),
    allow: data.allow ?? early?.allow ?? null,
    maxSize: (answer.acceptable && answer.maxSize) || null,
    encapsulation: (answer.acceptable && answer.encapsulation) || null,
    refusesLarge: answer.acceptable && answer.refusesLarge === true,
    inviteDueAt: null,
    unconfirmed: false,
  };
}

export function timeSession({ context, event }: Scope): Change {
  const { data, at } = event as Of<'InviteAnswered'>;
  const { sessionExpiresSeconds, refresher } = data;
  // A timer that the client brings up later is ours where that costs no more than an UPDATE.
  const isTimed = sessionExpiresSeconds !== undefined || refreshMethod(context) === 'UPDATE';
  return sessionTimes(at, sessionExpiresSeconds, {
    refreshes: isTimed && refresher !== 'uas',
    pushEndsAt: at + PUSH_DURATION_MAX_MS,
  });
}

/** Another INVITE follows the one that was refused: the same, but for what the refusal asked for. */
export function countInvite({ context }: Scope): Change {
  const credentials = usedAgain(context.credentials);
  const inviteCseq = context.inviteCseq + 1;
  return {
    inviteCseq,
    cseq: inviteCseq,
    progressed: false,
    early: [],
    credentials,
    inviteCredentials: credentials,
  };
}

export function carryInterval({ context, event }: Scope): Change {
  const { minSeSeconds } = event.data as { readonly minSeSeconds?: number };
  return { minSeSeconds: minSeSeconds ?? context.minSeSeconds };
}

export function takeChallenge({ context, event }: Scope): Change {
  return withChallenge(context, event.data as InviteRefusedData);
}

export function refusedBy({ context, event }: Scope): Change {
  const { status, retryAfterMs = 0 } = (event as Of<'InviteRefused'>).data;
  if (context.cause !== null) return {};
  const later = retryAfterMs >= RETRY_AFTER_MIN_MS;
  return { cause: 'refused', status, retryAfterMs: later ? retryAfterMs : null };
}

export function bind(): Change {
  return { bound: true };
}

export function takeSnapshot({ event }: Scope): Change {
  const { data } = event as Of<'SnapshotTaken'>;
  return { count: data.count, snapshotThrough: data.through };
}

export function extendSnapshot({ context, event }: Scope): Change {
  const { data } = event as Of<'SnapshotExtended'>;
  return { count: (context.count ?? 0) + data.count, snapshotThrough: data.through };
}

export function setBack({ context }: Scope): Change {
  return { setbacks: context.setbacks + 1 };
}

export function acknowledge({ context }: Scope): Change {
  return { acknowledged: context.acknowledged + 1 };
}

export function fail({ context, event }: Scope): Change {
  const { data } = event as Of<'PushFailed'>;
  return {
    failed: context.failed + 1,
    // Expiry takes an overdue message away by itself; any other failure would be tried again at
    // once and for ever.
    setbacks: context.setbacks + (data.reason === 'expired' ? 0 : 1),
    notAcceptable: context.notAcceptable + (data.notAcceptable ? 1 : 0),
    acknowledged: context.acknowledged - (data.takesBack ? 1 : 0),
  };
}

/** One more request in the dialog. */
function countRequest({ context }: Scope) {
  return { cseq: context.cseq + 1, credentials: usedAgain(context.credentials) };
}

export function startBye(scope: Scope): Change {
  return {
    ...countRequest(scope),
    challenged: unchallenged,
    refreshDueAt: null,
    durationDueAt: null,
    graceDueAt: scope.event.at + GRACE_MS,
  };
}

/** The same BYE once more, which it answers a challenge by or comes too late with. */
export function countBye(scope: Scope): Change {
  return countRequest(scope);
}

/** A BYE in a dialog that is not kept: its CSeq is not ours to count. */
export function countSurplus({ context }: Scope): Change {
  return { credentials: usedAgain(context.credentials) };
}

export function startCancel({ event }: Scope): Change {
  return { inviteDueAt: null, graceDueAt: event.at + GRACE_MS, unconfirmed: false };
}

export function refresh(scope: Scope): Change {
  return { ...countRequest(scope), challenged: unchallenged, refreshDueAt: null };
}

export function forgetAllow(): Change {
  return { allow: null };
}

/** At once, since what was refused was how and not that. */
export function refreshAgain(scope: Scope): Change {
  return { ...countRequest(scope), refreshRetries: scope.context.refreshRetries + 1 };
}

export function putRefreshOff({ context, event }: Scope): Change {
  const { retryAfterMs = 0 } = event.data as { readonly retryAfterMs?: number };
  return {
    refreshDueAt: event.at + Math.max(retryAfterMs, REFRESH_PAUSE_MIN_MS),
    refreshRetries: context.refreshRetries + 1,
  };
}

export function refreshed({ context, event }: Scope): Change {
  const { data, at } = event as Of<'SessionRefreshed'>;
  const { dialog, pushEndsAt } = context;
  const { remoteTarget, refresher } = data;
  const seconds = data.sessionExpiresSeconds ?? context.sessionExpiresSeconds;
  const refreshes = refresher === undefined ? context.refreshes : refresher === 'uac';
  return {
    ...sessionTimes(at, seconds, { refreshes, pushEndsAt: pushEndsAt ?? at }),
    refreshRetries: 0,
    ...(dialog && remoteTarget ? { dialog: { ...dialog, remoteTarget } } : {}),
  };
}

export function leaveUnconfirmed(): Change {
  return { unconfirmed: true };
}

export function forgetTimers(): Change {
  return { inviteDueAt: null, graceDueAt: null, refreshDueAt: null, durationDueAt: null };
}
