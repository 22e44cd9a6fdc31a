/**
 * What the log says is open, and what must be submitted for it after a restart. Pure, so that a
 * test may crash between any two steps and recover by this very function.
 */
import type { DeliveringRow, OpenDeliveryRow, TimerRow } from '../projections/in-flight.ts';
import { deliveryStream, depositStream } from './account.ts';

export interface OpenWork {
  readonly timers: readonly TimerRow[];
  /** Mailboxes in `delivering`, by account. */
  readonly delivering: readonly (readonly [account: string, row: DeliveringRow])[];
  /** Deliveries that were opened and have not ended, by id. */
  readonly openDeliveries: ReadonlyMap<string, OpenDeliveryRow>;
  /** Deliveries whose stream exists. */
  readonly known: ReadonlySet<string>;
  /** Sessions of senders that were offered and have not ended, by deposit. */
  readonly openDeposits: readonly string[];
  /** Deposits with messages that came whole and are not in their mailbox, or still held there. */
  readonly unsettled: ReadonlySet<string>;
}

export type RecoveryStep =
  /** Arm the timer again; a past one fires at once. */
  | { readonly step: 'timer'; readonly timer: TimerRow }
  /** The delivery was cut short, or never opened: DeliveryInterrupted closes it. */
  | { readonly step: 'interrupt'; readonly account: string; readonly delivery: string }
  /** The delivery ended, but its mailbox was not told. */
  | { readonly step: 'report'; readonly account: string; readonly delivery: string }
  /** A session of a sender was cut short: DepositInterrupted closes it. */
  | { readonly step: 'interruptDeposit'; readonly deposit: string }
  /** The session ended, but not all that it brought has found its place. */
  | { readonly step: 'settle'; readonly deposit: string };

/**
 * Every mailbox in `delivering` is looked at, not every open delivery: the crash may have come
 * before the delivery was opened, or after it ended and before it was reported (C-01). Timers of a
 * delivery that is interrupted are left out: they would say that the client did not answer in time,
 * while it was we who were away (C-09).
 */
export function recover(open: OpenWork): readonly RecoveryStep[] {
  const closing: RecoveryStep[] = [];
  const interrupted = new Set<string>();
  for (const [account, { delivery }] of open.delivering) {
    const ended = open.known.has(delivery) && !open.openDeliveries.has(delivery);
    closing.push({ step: ended ? 'report' : 'interrupt', account, delivery });
    if (!ended) interrupted.add(deliveryStream(delivery));
  }
  for (const deposit of open.openDeposits) {
    closing.push({ step: 'interruptDeposit', deposit });
    interrupted.add(depositStream(deposit));
  }
  for (const deposit of open.unsettled) {
    if (!interrupted.has(depositStream(deposit))) closing.push({ step: 'settle', deposit });
  }
  const timers = open.timers.filter(({ stream }) => !interrupted.has(stream));
  return [...timers.map((timer) => ({ step: 'timer', timer }) as const), ...closing];
}
