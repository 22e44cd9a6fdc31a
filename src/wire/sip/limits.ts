/** What a receiver takes before it says 513; every bound is checked before more is buffered. */
export interface SipLimits {
  /** A whole message: start line, headers and body. */
  readonly messageBytesMax: number;
  /** Start line and headers, the empty line included. */
  readonly headBytesMax: number;
  readonly headerLinesMax: number;
  /** One header with its folds, or the start line. */
  readonly lineBytesMax: number;
}

/** RFC 768: the length field of UDP has 16 bits (RFC 3261 §18.1.1 asks for all of them). */
export const DATAGRAM_BYTES_MAX = 65_535;

export const SIP_LIMITS: SipLimits = {
  // Four times the largest SIP MESSAGE taken (`message.maxBytes`, 64 KiB), so that a message that
  // is too large can still be read and answered 413; the portable limit of one event, too.
  messageBytesMax: 256 * 1024,
  // As much as the largest datagram; RFC 4475 §3.1.1.7 needs 3.5 KiB.
  headBytesMax: 64 * 1024,
  // The longest request of RFC 4475 has 43 lines; 256 leaves room for 70 Vias and 70 Routes
  // (RFC 3261 §8.1.1.6: Max-Forwards SHOULD be 70).
  headerLinesMax: 256,
  // The bound of most HTTP servers; a SIP Identity token of 4 KiB fits.
  lineBytesMax: 16 * 1024,
};

/** RFC 3261 §8.1.1.5: the sequence number MUST be less than 2**31. */
export const CSEQ_MAX = 2 ** 31 - 1;
/** RFC 3261 §20.19: the largest Expires. */
export const DELTA_SECONDS_MAX = 2 ** 32 - 1;
