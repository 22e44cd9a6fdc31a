/**
 * NOTE: these names and shapes are on disk for ever. They change only by an upcaster and a decision
 * record. All times are epoch milliseconds.
 */

/** The dialog that the sender's INVITE makes with our 2xx (RFC 3261 §12.1.1). */
export interface DepositDialog {
  readonly callId: string;
  /** To value of the INVITE with our tag: From of our requests. */
  readonly local: string;
  /** From value of the INVITE: To of our requests. */
  readonly remote: string;
  readonly localTag: string;
  readonly remoteTag: string;
  /** URI of the INVITE's Contact (IM-11.3.2.2-2). */
  readonly remoteTarget: string;
  /** Record-Route values in their order. */
  readonly routeSet: readonly string[];
  readonly inviteCseq: number;
}

/** What the sender's description says of its end of the MSRP session; session ids are cut. */
export interface SenderEnd {
  /** `a=path`, leftmost first. */
  readonly path: readonly string[];
  /** Who connects: `active` means the sender does (RFC 4975 §5.4, RFC 6135). */
  readonly setup: 'active' | 'passive';
}

/** The session timer that our 2xx grants (RFC 4028 §9), in terms of the INVITE: `uac` refreshes. */
export interface GrantedTimer {
  readonly sessionExpiresSeconds: number;
  readonly refresher: 'uac' | 'uas';
}

export interface DepositOfferedData {
  readonly account: string;
  /** Which rule of the recogniser said yes (IM-11.3.2.2-1). */
  readonly rule: 2 | 3;
  readonly dialog: DepositDialog;
  /** Raw Contact value of the INVITE. */
  readonly contact?: string;
  /** Absent: the INVITE had no offer, and our 2xx makes one. */
  readonly end?: SenderEnd;
  readonly timer?: GrantedTimer;
}

export interface AckReceivedData {
  /** Of the answer to an offer of ours. */
  readonly end?: SenderEnd;
  /** Present: the answer to our offer is none that a message could come by. */
  readonly unacceptable?: string;
}

/** A message that came whole. Its octets: our 2xx, the SEND's head and, when small, the body. */
export interface MessageCompletedData {
  readonly account: string;
  /** Deferred Message-ID, `<string>@<host>`. */
  readonly id: string;
  /** MSRP Message-ID: names the message within the session. */
  readonly messageId: string;
  readonly contentType: string;
  /** Octets of the body. */
  readonly bytes: number;
  /** SHA-256 of the body, lower-case hexadecimal. */
  readonly sha256: string;
  /** Lengths of the parts of the event's octets; without `body` it is in the blob store. */
  readonly parts: { readonly answer: number; readonly head: number; readonly body?: number };
  /** SENDs that it came in. */
  readonly chunks: number;
  /** Present and true: the end-line of the first SEND stands in the body, too. */
  readonly endLineOccurs?: boolean;
  readonly expiresAt: number;
  readonly priority?: 'emergency' | 'urgent' | 'non-urgent';
}

export interface DepositAbortedData {
  readonly messageId: string;
  /** Octets of it that had come. */
  readonly bytes: number;
  readonly reason: string;
  /** Present: it had come whole under this Message-ID, and could not be kept. */
  readonly id?: string;
}

export type DepositEvent =
  | { type: 'DepositOffered'; data: DepositOfferedData }
  | {
      type: 'DepositRefused';
      data: { readonly account: string; readonly status: number; readonly reason: string };
    }
  | { type: 'AckReceived'; data: AckReceivedData }
  /** No ACK within 64*T1 of our 2xx (RFC 3261 §13.3.1.4). */
  | { type: 'AckMissed'; data: Record<string, never> }
  | { type: 'ChannelBound'; data: { readonly remote: string } }
  | { type: 'MessageCompleted'; data: MessageCompletedData }
  | { type: 'DepositAborted'; data: DepositAbortedData }
  | { type: 'ChannelLost'; data: { readonly reason: string } }
  /** Nothing came for `large.idleTimeout`. */
  | { type: 'IdleElapsed'; data: { readonly idleMs: number } }
  | {
      type: 'SessionRefreshed';
      data: { readonly timer?: GrantedTimer; readonly remoteTarget?: string };
    }
  | { type: 'SessionExpired'; data: { readonly dueAt: number } }
  /** Its octets are the BYE: what the record keeps of it (IM-11.3.2.5-5). */
  | { type: 'ByeReceived'; data: { readonly reason?: string } }
  | { type: 'ByeAnswered'; data: { readonly status: number } }
  | { type: 'GraceElapsed'; data: { readonly dueAt: number } }
  | {
      type: 'DepositInterrupted';
      data: { readonly cause: 'restart' | 'takeover' | 'cancelled' };
    };
