import type { TransactionClock } from './timer-queues.ts';

export interface RepeatedSuccess {
  /** The ACK came: nothing more is sent. */
  acknowledged(): void;
}

/**
 * Repeats the 2xx to an INVITE until its ACK comes: after T1, then at intervals that double up to
 * T2, on every transport, since the 2xx is acknowledged end to end (RFC 3261 §13.3.1.4). Call it
 * when the first 2xx was sent. After 64*T1 without an ACK it calls `onUnacknowledged`: the user
 * then ends the dialog with BYE.
 */
export function repeatSuccess(options: {
  readonly clock: TransactionClock;
  readonly t1Ms?: number;
  readonly t2Ms?: number;
  send(): void;
  onUnacknowledged(): void;
}): RepeatedSuccess {
  const t1Ms = options.t1Ms ?? 500;
  const t2Ms = options.t2Ms ?? 4_000;
  let stopRepeat = (): void => {};
  const schedule = (intervalMs: number): void => {
    stopRepeat = options.clock.timer(intervalMs, () => {
      options.send();
      schedule(Math.min(intervalMs * 2, t2Ms));
    });
  };
  const stopEnd = options.clock.timer(64 * t1Ms, () => {
    stopRepeat();
    options.onUnacknowledged();
  });
  schedule(t1Ms);
  return {
    acknowledged() {
      stopRepeat();
      stopEnd();
    },
  };
}
