/** Messages that come in, as their owner is told of them. */

/** What is known of a message when its first chunk begins. */
export interface IncomingHead {
  readonly messageId: string;
  readonly contentType: string;
  /** Of Byte-Range; absent: unknown. */
  readonly total?: number;
  readonly successReport: 'yes' | 'no';
  readonly failureReport: 'yes' | 'no' | 'partial';
}

export interface IncomingMessage<Sink> {
  readonly messageId: string;
  readonly contentType: string;
  /** Octets of the body. */
  readonly bytes: number;
  /** Start line, headers and blank line of the chunk that holds the first octet, as received. */
  readonly head: Uint8Array;
  /** Transaction id of that chunk. */
  readonly headTid: string;
  /** How many SENDs made it. */
  readonly chunks: number;
  readonly sink: Sink;
}

/** A message that had begun and will never be complete. */
export interface AbortedMessage {
  readonly messageId: string;
  /** Octets that had come. */
  readonly bytes: number;
  readonly reason: string;
}
