import type { DeliveryCause } from '../mailbox/events.ts';
import type { PushDialog } from './effects.ts';
import type { DeliveryEvent, InviteAnsweredData } from './events.ts';

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

export function dialogOf(data: InviteAnsweredData): PushDialog {
  const { toTag, remoteTarget, routeSet } = data;
  return { toTag, remoteTarget, routeSet };
}

/** RFC 4028 §10: the refresher refreshes at half the interval. */
export function refreshDueAt(
  at: number,
  sessionExpiresSeconds: number | null | undefined,
): number | null {
  return sessionExpiresSeconds ? at + (sessionExpiresSeconds * 1000) / 2 : null;
}

/** Messages of the snapshot whose fate is not known yet. */
export function outcomesMissing({ count, acknowledged, failed }: DeliveryContext): number {
  return count === null ? Number.POSITIVE_INFINITY : count - acknowledged - failed;
}
