/** Our 2xx to INVITEs of the client that wait for their ACK (RFC 3261 §13.3.1.4). */
import type { SipMessage } from '../../../wire/sip/message.ts';
import { repeatSuccess } from '../../../wire/sip/repeat-success.ts';
import type { TransactionClock } from '../../../wire/sip/timer-queues.ts';

export interface AwaitedAcks {
  /**
   * A 2xx left; at most one per delivery waits: no client begins an INVITE without the answer to
   * its last (RFC 3261 §14.1), so the 2xx to that arrived.
   */
  wait(delivery: string, success: Success): void;
  /** `false`: it was not waited for, and nobody was told. */
  acknowledged(delivery: string, cseq: number, ack: SipMessage): boolean;
  /** Our offer went out in a 2xx and has no answer yet. */
  isOffering(delivery: string): boolean;
  /** Gives up waiting: the dialog is over. */
  forget(delivery: string): void;
  /** Resolves when none waits (any more): before that we may not say BYE (RFC 3261 §15). */
  settled(delivery: string): Promise<void>;
  /** Nothing is sent and nobody is told any more. */
  close(): void;
}

export interface Success {
  readonly cseq: number;
  /** The 2xx carries our offer, the ACK its answer. */
  readonly isOffer: boolean;
  sendAgain(): void;
  onAck(ack: SipMessage): void;
  /** Nothing came for 64*T1. */
  onMissing(): void;
}

interface Waiting {
  readonly success: Success;
  readonly settled: Promise<void>;
  settle(): void;
  /** Ends the repetitions. */
  stop(): void;
}

export function awaitedAcks(clock: TransactionClock): AwaitedAcks {
  const waiting = new Map<string, Waiting>();

  function forget(delivery: string): void {
    const known = waiting.get(delivery);
    waiting.delete(delivery);
    known?.stop();
    known?.settle();
  }

  return {
    forget,
    wait(delivery, success) {
      forget(delivery);
      let settle = (): void => {};
      const settled = new Promise<void>((resolve) => {
        settle = resolve;
      });
      const { acknowledged: stop } = repeatSuccess({
        clock,
        send: success.sendAgain,
        onUnacknowledged() {
          forget(delivery);
          success.onMissing();
        },
      });
      waiting.set(delivery, { success, settled, settle, stop });
    },
    acknowledged(delivery, cseq, ack) {
      const known = waiting.get(delivery);
      if (known?.success.cseq !== cseq) return false;
      forget(delivery);
      known.success.onAck(ack);
      return true;
    },
    isOffering: (delivery) => waiting.get(delivery)?.success.isOffer === true,
    async settled(delivery) {
      // Behind the one that waited there may be the next.
      for (let one = waiting.get(delivery); one; one = waiting.get(delivery)) await one.settled;
    },
    close() {
      for (const { stop } of waiting.values()) stop();
      waiting.clear();
    },
  };
}
