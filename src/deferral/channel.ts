/** The port to the MSRP side: what a push needs of a session, and nothing of sockets. */
import type { ChannelEnd } from '../machines/delivery/effects.ts';
import type { OutgoingMessage, PushOutcome } from '../wire/msrp/sender.ts';

export interface ChannelCallbacks {
  /** Messages can pass. */
  bound(remote: string): void;
  /** A failure REPORT followed the acknowledgement (RFC 4975 §7.1.4, A-31). */
  takenBack(key: string, status: number): void;
  /** Told once; also when it was never bound. */
  lost(reason: string): void;
}

/** Our end of the session, as the SDP offer says it. */
export interface ChannelOffer {
  readonly host: string;
  readonly port: number;
  readonly sessionId: string;
  /** Present: over TLS, with a certificate of this fingerprint (RFC 4572 §5). */
  readonly fingerprint?: string;
}

export interface Channels {
  /** Announces the session of this delivery; its id is unguessable (REF-4975-7). */
  offer(delivery: string): ChannelOffer;
  /**
   * Keeps the peer's path of this delivery, and the fingerprint of its certificate (RFC 4572 §5), in
   * the process and returns the form of it that may be
   * recorded, session ids cut (RFC 4975 §14.1: they must stay unknown); `open` is given that form.
   * Absent where a path is no secret.
   */
  conceal?(delivery: string, path: readonly string[], fingerprint?: string): readonly string[];
  /** Connects, or waits for the peer to connect, as the answer says (RFC 4975 §5.4, RFC 6135). */
  open(delivery: string, end: ChannelEnd, on: ChannelCallbacks): void;
  /**
   * The peer's end of a session that was opened, its path as it is used; `undefined`: none was.
   * Absent where no peer can ask for the session again.
   */
  peer?(delivery: string): ChannelEnd | undefined;
  /** Messages go out in the order of the calls. */
  send(delivery: string, message: OutgoingMessage): Promise<PushOutcome>;
  /** Gives the session up; what is open is lost. Nothing happens when there is none. */
  close(delivery: string): void;
}
