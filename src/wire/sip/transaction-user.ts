import type { Hop, SendResult } from './hop.ts';
import type { SipMessage } from './message.ts';
import type { ServerTransaction } from './server-transaction.ts';
import type { TransactionClock } from './timer-queues.ts';

/** Who lives on top of the transactions (RFC 3261 §5: the transaction user). */
export interface TransactionUser {
  /** A new request, neither ACK nor CANCEL: answer it through the transaction. */
  onRequest(transaction: ServerTransaction): void;
  /** An ACK of no failure known here: that of a 2xx. */
  onAck(message: SipMessage, source: Hop): void;
  /** The INVITE is to be given up: answer it with 487. The CANCEL has its 200 already. */
  onCancel?(invite: ServerTransaction, cancel: ServerTransaction): void;
  /** A CANCEL came; it is answered here, right after this. */
  onCancelReceived?(cancel: SipMessage, source: Hop): void;
  /** What the peer answered to a CANCEL of ours: only the INVITE's own outcome counts. */
  onCancelAnswered?(response: SipMessage, hop: Hop): void;
  /** A response that no transaction wants; a 2xx to INVITE among them needs ACK and BYE. */
  onStrayResponse(message: SipMessage, source: Hop): void;
  /** A response could not be sent, or no ACK came to a failure (RFC 3261 §17.2.4, §17.2.1). */
  onLost?(transaction: ServerTransaction, reason: string): void;
}

export interface TransactionOptions {
  readonly clock: TransactionClock;
  /** Hands octets to the transport; with a promise it also tells what became of them. */
  send(octets: Uint8Array, hop: Hop): Promise<SendResult> | undefined;
  readonly user: TransactionUser;
  /**
   * Renders what the layer answers on its own: 100, 200 and 481 to CANCEL, 500 to an INVITE that
   * the user left unanswered, 503 when there is no room.
   */
  answer?(request: SipMessage, source: Hop, status: number): Uint8Array;
  /**
   * Whether a request that would begin a transaction is too much, while so many have no final
   * answer: it is answered 503 and forgotten. Default: never.
   */
  refuses?(request: SipMessage, source: Hop, unanswered: number): boolean;
  /** RFC 3261 table 4: 500 ms, 4 s, 5 s. */
  readonly t1Ms?: number;
  readonly t2Ms?: number;
  readonly t4Ms?: number;
  /** Server transactions kept at most; default 500,000: 32 s (Timer J) of 15,000 requests/s. */
  readonly transactionsMax?: number;
  /** An INVITE without a final answer gets 500 after this; default 10 min (Timer C is > 3 min). */
  readonly inviteAnswerMaxMs?: number;
}

/** The server side: what is there now, and what happened since the start. */
export interface ServerCounts {
  readonly servers: number;
  /** Those of `servers` that are answered and kept for repetitions alone. */
  readonly completed: number;
  /** Those of `servers` that have no final answer yet. */
  readonly unanswered: number;
  /** Requests that came again. */
  readonly repeatedTotal: number;
  /** Completed transactions that went before their time, for want of room. */
  readonly evictedTotal: number;
  /** Requests answered 503 for want of room. */
  readonly refusedTotal: number;
  /** Requests that the user never answered. */
  readonly unansweredTotal: number;
  /** Answers that came after a final one or too late, and were not sent. */
  readonly surplusTotal: number;
  /** Failures of INVITE for which no ACK came. */
  readonly unacknowledgedTotal: number;
}

export interface TransactionCounts extends ServerCounts {
  readonly clients: number;
  /** Timers that run. */
  readonly waits: number;
  /** Responses that no transaction wanted. */
  readonly strayTotal: number;
}
