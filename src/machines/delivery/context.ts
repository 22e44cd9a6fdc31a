import type { DeliveryCause } from '../mailbox/events.ts';
import type { PushDialog } from './effects.ts';
import type { DeliveryEvent, InviteAnsweredData } from './events.ts';
import { EXPIRY_MARGIN_MAX_MS } from './limits.ts';

/** What a delivery knows: plain data, O(1). */
export interface DeliveryContext {
  readonly account: string;
  readonly through: number;
  readonly cause: DeliveryCause | null;
  readonly status: number | null;
  readonly retryAfterMs: number | null;
  /** A provisional response was seen. */
  readonly progressed: boolean;
  readonly allow: string | null;
  readonly dialog: PushDialog | null;
  /** CSeq number of the INVITE that counts: 2 after a 422 (RFC 4028 §7.4). */
  readonly inviteCseq: number;
  /** What the answer allows: octets of a body, and the form of the messages. */
  readonly maxSize: number | null;
  readonly encapsulation: 'sipfrag' | null;
  /** CSeq number of our last request in the dialog. */
  readonly cseq: number;
  readonly sessionExpiresSeconds: number | null;
  /** The session timer is ours to refresh, and there is a way to. */
  readonly refreshes: boolean;
  /** When the push ends whatever the session timer says. */
  readonly pushEndsAt: number | null;
  readonly bound: boolean;
  /** Messages of the snapshot; null: not taken. */
  readonly count: number | null;
  readonly snapshotThrough: number;
  readonly acknowledged: number;
  /** Outcomes other than acknowledged; after one of the `setbacks` the next delivery must pause. */
  readonly failed: number;
  readonly setbacks: number;
  /** Our last BYE or CANCEL was not answered in time; null: none was sent, nothing is known. */
  readonly unconfirmed: boolean | null;
  /** When each running timer is due; what fires with another `dueAt` is stale. */
  readonly inviteDueAt: number | null;
  readonly graceDueAt: number | null;
  readonly refreshDueAt: number | null;
  readonly durationDueAt: number | null;
}

export type Stamped = DeliveryEvent & { readonly id: string; readonly at: number };
export type Of<Type extends DeliveryEvent['type']> = Extract<Stamped, { type: Type }>;
export interface Scope {
  readonly context: DeliveryContext;
  readonly event: Stamped;
}

export const initialContext: DeliveryContext = {
  account: '',
  through: 0,
  cause: null,
  status: null,
  retryAfterMs: null,
  progressed: false,
  allow: null,
  dialog: null,
  inviteCseq: 1,
  maxSize: null,
  encapsulation: null,
  cseq: 1,
  sessionExpiresSeconds: null,
  refreshes: false,
  pushEndsAt: null,
  bound: false,
  count: null,
  snapshotThrough: 0,
  acknowledged: 0,
  failed: 0,
  setbacks: 0,
  unconfirmed: null,
  inviteDueAt: null,
  graceDueAt: null,
  refreshDueAt: null,
  durationDueAt: null,
};

/** What a 2xx says of its dialog, as requests within it need it. */
export function dialogOf(data: InviteAnsweredData): PushDialog {
  const { toTag, remoteTarget, routeSet } = data;
  return { toTag, remoteTarget, routeSet };
}

/** Who may refresh, and how: by UPDATE, or not at all (RFC 4028 §7.4). */
export function isRefreshedByUs(
  { refresher }: InviteAnsweredData,
  allow: string | null | undefined,
): boolean {
  const methods = (allow ?? '').split(',').map((method) => method.trim());
  return refresher !== 'uas' && methods.includes('UPDATE');
}

/**
 * What follows from an interval that begins `at` (RFC 4028 §10): a refresh at half of it, and the
 * end of a session that nobody refreshes a third of it, at most 32 s, before the peer sees it
 * expire. Without an interval only A-29 ends it.
 */
export function sessionTimes(
  at: number,
  sessionExpiresSeconds: number | null | undefined,
  push: { readonly refreshes: boolean; readonly pushEndsAt: number },
): Pick<
  DeliveryContext,
  'sessionExpiresSeconds' | 'refreshes' | 'pushEndsAt' | 'refreshDueAt' | 'durationDueAt'
> {
  const { refreshes, pushEndsAt } = push;
  if (!sessionExpiresSeconds) {
    const unlimited = { sessionExpiresSeconds: null, refreshDueAt: null };
    return { ...push, ...unlimited, durationDueAt: pushEndsAt };
  }
  const intervalMs = sessionExpiresSeconds * 1000;
  const marginMs = Math.ceil(Math.min(EXPIRY_MARGIN_MAX_MS, intervalMs / 3));
  return {
    ...push,
    sessionExpiresSeconds,
    refreshDueAt: refreshes ? at + intervalMs / 2 : null,
    durationDueAt: Math.min(pushEndsAt, at + intervalMs - marginMs),
  };
}

/** Messages of the snapshot whose fate is not known yet. */
export function outcomesMissing({ count, acknowledged, failed }: DeliveryContext): number {
  return count === null ? Number.POSITIVE_INFINITY : count - acknowledged - failed;
}
