/** The port to the MSRP side of a deposit: what comes in, and nothing of sockets. */
import type { SenderEnd } from '../machines/deposit/events.ts';
import type { ChannelOffer } from './channel.ts';

/** A message that came whole. Its body is durable in the blob store, or here. */
export interface ReceivedMessage {
  /** MSRP Message-ID. */
  readonly messageId: string;
  readonly contentType: string;
  readonly bytes: number;
  /** SHA-256 of the body, lower-case hexadecimal. */
  readonly sha256: string;
  /** Small enough to travel with the event; absent: it is in the blob store. */
  readonly body?: Uint8Array;
  /** Start line, headers and empty line of the SEND that brought the first octet. */
  readonly head: Uint8Array;
  /** SENDs that it came in. */
  readonly chunks: number;
  /** The end-line of that SEND stands in the body, too. */
  readonly endLineOccurs: boolean;
}

export interface AbortedMessage {
  readonly messageId: string;
  /** Octets that had come. */
  readonly bytes: number;
  readonly reason: string;
}

export interface DepositCallbacks {
  /** The sender has connected and named the session. */
  bound(remote: string): void;
  /**
   * Resolves to the status that its last SEND is answered with, when the message is in the log, or
   * will never be.
   */
  completed(message: ReceivedMessage): Promise<200 | 413>;
  /** A message that had begun will never be whole. */
  aborted(message: AbortedMessage): void;
  /** Nothing came for so long, and nothing is owed to the sender; told again until it is closed. */
  idle(idleMs: number): void;
  /** Told once, unless it was `close` that ended the session. */
  lost(reason: string): void;
}

export interface DepositChannels {
  /** Announces the session of a deposit; its id is unguessable (REF-4975-7). `tls`: over TLS. */
  offer(deposit: string, tls: boolean): ChannelOffer;
  /**
   * Keeps the sender's path, and the fingerprint of its certificate, in the process; returns the form
   * of the path that may be recorded.
   */
  conceal(deposit: string, path: readonly string[], fingerprint?: string): readonly string[];
  /** Connects, or waits for the sender to connect, as the descriptions say. */
  open(deposit: string, end: SenderEnd, on: DepositCallbacks): void;
  /**
   * Takes no more messages. The answers that are owed to the sender are still given; what was not
   * whole is given up.
   */
  close(deposit: string): void;
  /** Whether a message of the largest size would find room. */
  hasRoom(): Promise<boolean>;
}
