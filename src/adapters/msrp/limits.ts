import { MSRP_LIMITS, type MsrpLimits } from '../../wire/msrp/limits.ts';

/** Bounds of the endpoint and its connections; all configurable. */
export interface EndpointLimits extends MsrpLimits {
  /** Connections that have not yet named a session of ours; then the oldest makes room. */
  readonly unboundConnectionsMax: number;
  /** The same, from one address. */
  readonly unboundPerAddressMax: number;
  /** Octets of a connection whose session awaits its answer, beyond which it is not read. */
  readonly parkedBytesMax: number;
  /** `msrp.bindTimeout`: from connecting, or from being awaited, to the first SEND. */
  readonly bindMs: number;
  /** One frame, or each 64 KiB of a longer one: what stops a peer that drips octets. */
  readonly frameMs: number;
  /** A connection that we closed is cut when the peer does not close its side. */
  readonly closeMs: number;
  /** Octets handed to a socket and not yet taken by the kernel, beyond which sessions wait. */
  readonly queuedBytesMax: number;
  /** The same, beyond which it is not read either: whoever asks must take the answers. */
  readonly unsentBytesMax: number;
  /** Octets in the sinks of a connection, not worked off, beyond which it is not read. */
  readonly unwrittenBytesMax: number;
  /** Messages of a connection that wait for an answer, beyond which it is not read. */
  readonly unansweredMax: number;
}

export const ENDPOINT_LIMITS: EndpointLimits = {
  ...MSRP_LIMITS,
  unboundConnectionsMax: 128,
  unboundPerAddressMax: 64,
  parkedBytesMax: 256 * 1024,
  bindMs: 30_000,
  frameMs: 120_000,
  closeMs: 2_000,
  queuedBytesMax: 32 * 1024,
  unsentBytesMax: 256 * 1024,
  unwrittenBytesMax: 1024 * 1024,
  unansweredMax: 64,
};
