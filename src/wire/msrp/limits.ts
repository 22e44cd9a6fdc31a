/** Bounds on what a peer can make us hold. All are configurable; these are the defaults. */
export interface MsrpLimits {
  /** Start line and headers of one frame. RFC 4975 names no bound; ours fits a path of relays. */
  readonly headBytesMax: number;
  readonly headersMax: number;
  /** A body that ends within it comes whole; that of a longer SEND comes in pieces. */
  readonly wholeBytesMax: number;
  /** A reassembled message (`large.maxBytes`); beyond it the sender gets 413. */
  readonly messageBytesMax: number;
  /** Messages of one session that may be incomplete at one time. */
  readonly partialMessagesMax: number;
  /** Separate spans of one message that came out of order. */
  readonly gapsMax: number;
  /** Finished messages whose Message-ID a session remembers to recognise a repetition. */
  readonly rememberedMessagesMax: number;
}

export const MSRP_LIMITS: MsrpLimits = {
  headBytesMax: 16 * 1024,
  headersMax: 64,
  // The chunks that we send ourselves, and whoever does likewise, come whole.
  wholeBytesMax: 65 * 1024,
  messageBytesMax: 10 * 1024 * 1024,
  partialMessagesMax: 8,
  gapsMax: 256,
  rememberedMessagesMax: 1024,
};

/** RFC 4975 §7.1: the body of a request that is no SEND. */
export const OTHER_BODY_BYTES_MAX = 10_240;
/** RFC 4975 §7.1.1: a chunk with a longer body must be interruptible (range-end `*`). */
export const UNINTERRUPTED_BYTES_MAX = 2048;
/** RFC 4975 §7.1.4: a transaction without an answer 30 s after its last octet has failed. */
export const TRANSACTION_MS = 30_000;
/** `push.window`: messages sent and not yet acknowledged. */
export const WINDOW_MESSAGES = 32;
/** Body of one interruptible chunk that we send: a response waits behind at most this much. */
export const CHUNK_BYTES = 64 * 1024;
