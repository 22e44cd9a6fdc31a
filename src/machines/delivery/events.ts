/**
 * NOTE: these names and shapes are on disk for ever. They change only by an upcaster and a decision
 * record. All times are epoch milliseconds.
 */
import type { LargeSource } from '../mailbox/events.ts';

export interface DeliveryOpenedData {
  readonly account: string;
  /** Revision of the mailbox event that opened it: the snapshot reaches to it. */
  readonly through: number;
}

/** What the peer's SDP answer said, once judged by A-34. */
export type Answer =
  | {
      readonly acceptable: true;
      /** `a=path` of the peer, leftmost first. */
      readonly path: readonly string[];
      /** Who connects: `active` means the peer does (RFC 6135). */
      readonly setup: 'active' | 'passive';
      /** `a=max-size` in octets. */
      readonly maxSize?: number;
      readonly acceptTypes: readonly string[];
      readonly acceptWrappedTypes: readonly string[];
      /** Present: the client takes message/sipfrag alone. */
      readonly encapsulation?: 'sipfrag';
      /** Present: the client takes no message/msrp, so no Large message. */
      readonly refusesLarge?: true;
      /** `a=fingerprint` of the client's certificate, over TLS (RFC 4572 §5). */
      readonly fingerprint?: string;
    }
  | { readonly acceptable: false; readonly reason: string };

/** What a 401 or 407 asks for, as far as there are credentials of ours for it (RFC 3261 §22). */
export interface Challenge {
  /** Its header values as received: a nonce is no secret, it proves nothing without the password. */
  readonly lines: readonly string[];
  /** Not the password was wrong but the nonce too old (RFC 7616 §3.3). */
  readonly stale: boolean;
}

export interface InviteProgressedData {
  readonly status: number;
  /** Raw Contact value. */
  readonly contact?: string;
  /** Raw Allow value. */
  readonly allow?: string;
  /** CSeq number of the INVITE that it speaks of; absent: the one that counts. */
  readonly inviteCseq?: number;
  /** Names the early dialog that it belongs to (RFC 3261 §12.1); absent: it has no To-tag. */
  readonly toTag?: string;
  /** Contact URI: target of requests in the early dialog; absent: it has no usable one. */
  readonly remoteTarget?: string;
  /** Record-Route values reversed (RFC 3261 §12.1.2). */
  readonly routeSet?: readonly string[];
  /** Present: it was sent reliably and wants a PRACK (RFC 3262 §4). */
  readonly rseq?: number;
}

export interface InviteAnsweredData {
  readonly status: number;
  /** CSeq number of the INVITE that it answers; absent: the one that counts. */
  readonly inviteCseq?: number;
  readonly toTag: string;
  /** Contact URI of the 2xx: the session identity (IM-11.3.2.3-19); empty: it has no usable one. */
  readonly remoteTarget: string;
  /** Record-Route values reversed (RFC 3261 §12.1.2). */
  readonly routeSet: readonly string[];
  /** Raw Allow value (IM-11.3.2.3-18). */
  readonly allow?: string;
  readonly sessionExpiresSeconds?: number;
  readonly refresher?: 'uac' | 'uas';
  readonly answer: Answer;
}

/** Names one message of the mailbox, so that views find its row without a look-up. */
export interface PushedMessage {
  readonly account: string;
  readonly id: string;
  /** Mailbox revision at which it became pushable. */
  readonly revision: number;
  readonly bytes: number;
  readonly expiresAt?: number;
  /** Of a Large message. */
  readonly source?: LargeSource;
}

export interface SnapshotData {
  readonly through: number;
  readonly count: number;
  /** SHA-256 over the ids in order, each followed by LF. */
  readonly digest: string;
}

export interface PushFailedData extends PushedMessage {
  /** `unsent`: no octet of it was sent; the others as in the outcome list of T-11. */
  readonly outcome: 'failed' | 'timeout' | 'unsent';
  readonly reason: string;
  readonly status?: number;
  /** Counts towards `push.maxAttempts`. */
  readonly attempt: boolean;
  /** Present and true: this client does not take such a message at all. */
  readonly notAcceptable?: boolean;
  /** It was acknowledged before in this delivery: the acknowledgement is taken back. */
  readonly takesBack?: boolean;
}

export interface InviteRefusedData {
  readonly status: number;
  /** CSeq number of the INVITE that it refuses; absent: the one that counts. */
  readonly inviteCseq?: number;
  readonly retryAfterMs?: number;
  /** Min-SE of a 422 (RFC 4028 §7.3). */
  readonly minSeSeconds?: number;
  readonly challenge?: Challenge;
}

/** A refresh of ours that was refused, or granted with the description of another session. */
export interface RefreshRefusedData {
  readonly status: number;
  /** When it may be tried again: Retry-After, or the pause after a 491 (RFC 3261 §14.1). */
  readonly retryAfterMs?: number;
  /** Min-SE of a 422 (RFC 4028 §7.3). */
  readonly minSeSeconds?: number;
  readonly challenge?: Challenge;
}

export interface SessionRefreshedData {
  /** The interval that begins now; absent: as before. */
  readonly sessionExpiresSeconds?: number;
  /** Who refreshes from now on, in terms of the push INVITE (`uac`: we); absent: as before. */
  readonly refresher?: 'uac' | 'uas';
  /** The peer's new Contact URI (RFC 3261 §12.2); absent: as before. */
  readonly remoteTarget?: string;
}

export type DeliveryEvent =
  | { type: 'DeliveryOpened'; data: DeliveryOpenedData }
  | { type: 'InviteProgressed'; data: InviteProgressedData }
  | { type: 'InviteAnswered'; data: InviteAnsweredData }
  | { type: 'InviteRefused'; data: InviteRefusedData }
  | {
      type: 'InviteTimedOut';
      data: { readonly by: 'transaction' } | { readonly dueAt: number };
    }
  | { type: 'ChannelBound'; data: { readonly remote: string } }
  | { type: 'SnapshotTaken'; data: SnapshotData }
  | { type: 'SnapshotExtended'; data: SnapshotData }
  | { type: 'PushAcknowledged'; data: PushedMessage & { readonly messageId: string } }
  | { type: 'PushFailed'; data: PushFailedData }
  | { type: 'ChannelLost'; data: { readonly reason: string } }
  | { type: 'RefreshDue'; data: { readonly dueAt: number } }
  | { type: 'SessionRefreshed'; data: SessionRefreshedData }
  | { type: 'SessionExpired'; data: { readonly dueAt: number } | RefreshRefusedData }
  | { type: 'ByeReceived'; data: { readonly reason?: string } }
  | {
      type: 'ByeAnswered';
      data: { readonly status: number; readonly challenge?: Challenge };
    }
  | { type: 'GraceElapsed'; data: { readonly dueAt: number } }
  | {
      type: 'DeliveryInterrupted';
      data: { readonly account: string; readonly cause: 'restart' | 'takeover' };
    };
