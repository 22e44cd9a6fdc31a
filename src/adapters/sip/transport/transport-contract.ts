import type { Hop } from '../../../wire/sip/hop.ts';
import type { Refusal, SipMessage } from '../../../wire/sip/message.ts';

/** Who takes what the transports receive. */
export interface TransportReceiver {
  onMessage(message: SipMessage, source: Hop): void;
  /** Octets that are no message to go on with; with a status the sender is to be answered. */
  onRefusal(refusal: Refusal, source: Hop): void;
  /** What went wrong where; the transports go on. */
  onError(error: { readonly where: string; readonly what: string }): void;
  /** Whether a peer's connections are bounded by `connectionsMax` alone; absent: everybody's. */
  trusted?(address: string): boolean;
}

export interface TransportLimits {
  /** Stream connections at most, in both directions. */
  readonly connectionsMax: number;
  /** Of these, connections that came from peers that are not trusted: all are answered 403. */
  readonly untrustedMax: number;
  /** The same, from one address. */
  readonly untrustedPerAddressMax: number;
  /** Connections of peers that authenticated; more count as strangers', to leave room for the core. */
  readonly vouchedMax: number;
  /** A connection on which nothing moves is closed; RFC 5626 §4.4.1: pings come every 95-120 s. */
  readonly idleMs: number;
  /** From the first octet of a message to its last: 64*T1, when its sender has given up anyway. */
  readonly messageWithinMs: number;
  /** All handshakes of a connection; below Timer F (32 s), so that who waits hears of it. */
  readonly connectWithinMs: number;
  /** With more than this unread by the peer, nothing more is read from it. */
  readonly pauseAboveBytes: number;
  /** With more than this unread by the peer, nothing more is sent to it. */
  readonly writeBytesMax: number;
  /** A WebSocket on which nothing moved for so long is pinged (RFC 7118 §6). */
  readonly pingQuietMs: number;
  /** Who gives no sign of life so long after a ping is gone. */
  readonly pongWithinMs: number;
  /** How long a connection whose framing is lost stays for the answer. */
  readonly lingerMs: number;
}

export const TRANSPORT_LIMITS: TransportLimits = {
  connectionsMax: 10_000,
  untrustedMax: 256,
  untrustedPerAddressMax: 16,
  vouchedMax: 9_000,
  idleMs: 600_000,
  messageWithinMs: 32_000,
  connectWithinMs: 10_000,
  pauseAboveBytes: 256 * 1024,
  writeBytesMax: 4 * 1024 * 1024,
  // Web proxies close what is silent for 60 s.
  pingQuietMs: 45_000,
  // RFC 5626 §4.4.1: a flow is dead without a pong within 10 s.
  pongWithinMs: 10_000,
  lingerMs: 500,
};
