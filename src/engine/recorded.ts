/**
 * What stands in the log. These shapes are the storage format: they change only by an upcaster and
 * a decision record.
 */

/** Where in one store's log an event stands. Opaque; `<` on two of one store is their order. */
export type Position = string;

/** The wire message that caused an event: its octets are the event's `octets`. */
export interface Evidence {
  readonly protocol: 'sip' | 'msrp';
  readonly transport: 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';
  /** `host:port`, an IPv6 host in brackets. */
  readonly local: string;
  readonly remote: string;
}

/** A timer as the log knows it; `null` stops it. */
export interface TimerMark {
  readonly dueAt: number;
  /** The event that its expiry submits. */
  readonly event: string;
}

export interface Meta {
  /** State values before and after, for events of a chart. */
  readonly from?: string;
  readonly to?: string;
  /** Names of the effects decided, in order; an effect's id is `stream/revision/index`. */
  readonly effects?: readonly string[];
  /** Timers that this event started or stopped, by name. */
  readonly timers?: Readonly<Record<string, TimerMark | null>>;
  /** The chart and the version of its events, for example `delivery@1`. */
  readonly machine?: string;
  /** Id of the effect or event that led here. */
  readonly causation?: string;
  readonly evidence?: Evidence;
}

/** An event that is not yet in the log. */
export interface Candidate<Type extends string = string, Data = unknown> {
  /** UUID version 8: the first 128 bits of SHA-256 over stream and cause. */
  readonly id: string;
  readonly type: Type;
  /** Epoch milliseconds, stamped once at the edge. */
  readonly at: number;
  readonly data: Data;
  /** Raw octets that travel with the event: a stored message, the signal that caused the event. */
  readonly octets?: Uint8Array;
  readonly meta: Meta;
}

export interface Recorded<Type extends string = string, Data = unknown>
  extends Candidate<Type, Data> {
  readonly stream: string;
  /** Counts up by one within a stream; the first is not necessarily 0. */
  readonly revision: number;
  readonly position: Position;
}
