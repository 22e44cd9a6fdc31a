import type { Hop, SendResult } from './hop.ts';
import type { SipMessage } from './message.ts';
import type { TimerQueues } from './timer-queues.ts';

/** What became of a request. Nothing is called after a timeout or `onUnreachable`. */
export interface ClientCallbacks {
  onProvisional(response: SipMessage): void;
  /**
   * Once, but for INVITE each 2xx (repeated or of another fork) until 64*T1 after the first: the
   * user sends an ACK for each (RFC 3261 §13.2.2.4). Other finals to INVITE are ACKed here.
   */
  onFinal(response: SipMessage): void;
  /** No final response in time: for the user the same as a 408 (RFC 3261 §8.1.3.1). */
  onTimeout(): void;
  /** It could not be sent: for the user the same as a 503 (RFC 3261 §8.1.3.1). */
  onUnreachable(reason: string): void;
  /** The CANCEL that was asked for leaves now: at once, or after the first 1xx. */
  onCancelSent?(octets: Uint8Array): void;
}

export type ClientState =
  | 'calling'
  | 'trying'
  | 'proceeding'
  | 'accepted'
  | 'completed'
  | 'terminated';

/** A request that was sent and is watched until its outcome is known. */
export interface ClientTransaction {
  readonly method: string;
  readonly branch: string;
  readonly hop: Hop;
  readonly state: ClientState;
  /**
   * Cancels an INVITE (RFC 3261 §9.1) with the octets of `cancelFor`. `waiting`: no response yet,
   * it goes out after the first 1xx. `late`: there is a final response, or it is no INVITE; nothing
   * is sent. After the CANCEL the outcome is a final response or, 64*T1 later, `onTimeout`.
   */
  cancel(octets: Uint8Array): 'sent' | 'waiting' | 'late';
}

/** What the layer calls on a client transaction. */
export interface ClientEntry {
  readonly transaction: ClientTransaction;
  /** Sends the request and starts its timers; to be called once, when responses can arrive. */
  begin(): void;
  /** False when the state has no use for the response: it is then a stray one. */
  receive(response: SipMessage, status: number): boolean;
}

export interface ClientContext {
  readonly timers: TimerQueues;
  /** RFC 3261 §17.1.1.1 and table 4. */
  readonly t1Ms: number;
  readonly t2Ms: number;
  readonly t4Ms: number;
  send(octets: Uint8Array, hop: Hop, result: (result: SendResult) => void): void;
  sendCancel(octets: Uint8Array, branch: string, hop: Hop): void;
  ended(entry: ClientEntry): void;
}

export interface ClientRequest {
  readonly octets: Uint8Array;
  readonly method: string;
  readonly branch: string;
}
