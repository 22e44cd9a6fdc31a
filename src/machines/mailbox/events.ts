/**
 * NOTE: these names and shapes are on disk for ever. They change only by an upcaster and a decision
 * record. All times are epoch milliseconds.
 */

export type Priority = 'emergency' | 'urgent' | 'normal' | 'non-urgent';

/** Where a registered client can be reached, and what it said it can do. */
export interface Binding {
  /** The contact URI; for a third-party REGISTER the S-CSCF's own. */
  readonly contact: string;
  readonly expiresAt: number;
  /** Whether it registered the IM feature tag (`+g.oma.sip-im`), and how that is known. */
  readonly im: 'contact' | 'embedded' | 'assumed' | 'regEvent' | false;
  readonly callId: string;
  readonly cseq: number;
  /** Feature parameters as registered, `;`-separated, without `expires` (RFC 3840 §6). */
  readonly features?: string;
  /** Transport address that the REGISTER came from: `udp 192.0.2.17:5060`. */
  readonly source?: string;
  /**
   * Connection that the REGISTER came by, where the transport has any: a number that no other one
   * has, also after a restart. The client is reached over it and no other (RFC 5626 §5.3).
   */
  readonly connection?: number;
  /** Path values of the REGISTER in their order: the way to the contact (RFC 3327 §5). */
  readonly path?: readonly string[];
  /** Accounts of the implicit registration set, this one included (RFC 7315 §4.1). */
  readonly identities?: readonly string[];
  /**
   * Who said so: the client, an S-CSCF for it, or a notifier of the package `reg` (RFC 3680), whose
   * contacts are known here but not registered here. Absent in events of old.
   */
  readonly via?: RegistrationData['via'];
}

export interface MessageDeferredData {
  /** Deferred Message-ID, `<string>@<host>`. */
  readonly id: string;
  readonly kind: 'message' | 'large';
  readonly bytes: number;
  /** Absent: never. */
  readonly expiresAt?: number;
  /** Absent: normal. */
  readonly priority?: Priority;
  /** Present and true: not pushable until MessageReleased. */
  readonly held?: boolean;
  /**
   * Present and true: the registered client was asked a moment ago and could not be reached. A push
   * would meet the same, so it comes after a pause, or with the next registration.
   */
  readonly unreachable?: boolean;
  /**
   * What it is stored once for: digest of (account, Call-ID, From-tag, CSeq number) of a MESSAGE, of
   * (deposit, MSRP Message-ID) of a Large message.
   */
  readonly deposit: string;
  /** Of a Large message: where its octets are. */
  readonly source?: LargeSource;
}

/** The session that a Large message came by, and the revision of its MessageCompleted there. */
export interface LargeSource {
  readonly deposit: string;
  readonly revision: number;
  /** SHA-256 of the body, when that is in the blob store. */
  readonly blob?: string;
}

export interface RegistrationData {
  /** What the event was derived from; each binding says its own. */
  readonly via: 'direct' | 'thirdParty' | 'regEvent';
  /** All bindings of the account after this request. */
  readonly bindings: readonly Binding[];
  /** When the last binding with the IM tag expires; null: none has it. */
  readonly expiresAt: number | null;
  /** How many registration events the bindings were derived from; refused when one is newer. */
  readonly asOf: number;
}

/** A removal says where the message was: only a waiting one counted as pushable. */
export interface RemovalData {
  readonly id: string;
  /** Mailbox revision at which it became pushable (or was deferred, when it never was). */
  readonly revision: number;
  readonly from: 'waiting' | 'held' | 'parked';
  readonly bytes: number;
  readonly expiresAt?: number;
  readonly source?: LargeSource;
}

/** What the view says about expiry after this event. */
export interface ExpiryOutlook {
  /** Earliest expiry among the messages that stay; null: none expires. */
  readonly next: number | null;
  /** How many MessageDeferred events the view had seen; refused when one is newer. */
  readonly asOf: number;
}

export type DeliveryCause =
  | 'completed'
  | 'completedWithFailures'
  | 'refused'
  | 'noAnswer'
  | 'notAcceptable'
  | 'channelLost'
  | 'sessionExpired'
  | 'peerBye'
  | 'restart'
  | 'takeover';

export interface DeliveryEndedData {
  readonly delivery: string;
  readonly cause: DeliveryCause;
  /** Final status of a refused INVITE. */
  readonly status?: number;
  readonly retryAfterMs?: number;
  /** The BYE or CANCEL of this delivery was not answered in time (C-13). */
  readonly unconfirmed?: boolean;
  /** Net of acknowledgements taken back. */
  readonly acknowledged: number;
  readonly failed: number;
}

export type MailboxEvent =
  | { type: 'MessageDeferred'; data: MessageDeferredData }
  | { type: 'SubscriberRegistered'; data: RegistrationData }
  | { type: 'SubscriberDeregistered'; data: RegistrationData }
  | { type: 'RegistrationExpired'; data: { readonly dueAt: number } }
  | { type: 'OfflineDeliverySet'; data: { readonly active: boolean; readonly by: string } }
  | { type: 'DeliveryEnded'; data: DeliveryEndedData }
  | { type: 'RetryDue'; data: { readonly dueAt: number } }
  | { type: 'MessageExpired'; data: RemovalData & ExpiryOutlook }
  | { type: 'ExpiryChecked'; data: ExpiryOutlook }
  | { type: 'MessageDeleted'; data: RemovalData & { readonly by: string } }
  | { type: 'MessageParked'; data: RemovalData & { readonly delivery: string } }
  | { type: 'MessageHeld'; data: RemovalData & { readonly by: string } }
  | {
      type: 'MessageReleased';
      data: {
        readonly id: string;
        /** Where it was until now. */
        readonly from: 'held' | 'parked';
        readonly by: string;
        /** Of a Large message whose session has ended. */
        readonly source?: LargeSource;
      };
    };
