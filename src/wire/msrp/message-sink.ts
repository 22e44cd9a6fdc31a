/** Where incoming messages go, octet by octet, so that nobody need hold one whole. */
import { joinOctets } from './render.ts';

/** Where the octets of one incoming message go as they come. */
export interface MessageSink {
  /**
   * `at` counts from 0; later octets replace earlier ones (RFC 4975 §7.3.1). The octets are a view
   * that stays unchanged.
   */
  write(at: number, octets: Uint8Array): void;
  /** The message will never be complete: given up by the peer, refused, or the session ended. */
  discard(reason: string): void;
  /** Octets taken and not yet worked off; the connection is not read while there are too many. */
  readonly unwrittenBytes: number;
}

/** Keeps a message in memory, for whoever knows that messages are small. */
export interface MemorySink extends MessageSink {
  /** The first `bytes` octets of the message; 0 where none was written. */
  octets(bytes: number): Uint8Array;
}

export function memorySink(): MemorySink {
  let pieces: { readonly at: number; readonly octets: Uint8Array }[] = [];
  /** Octets in all, as long as each piece begins where the one before it ended. */
  let inOrder: number | undefined = 0;

  return {
    write(at, octets) {
      pieces.push({ at, octets });
      inOrder = at === inOrder ? at + octets.length : undefined;
    },
    discard() {
      pieces = [];
    },
    unwrittenBytes: 0,
    octets(bytes) {
      if (inOrder === bytes) return joinOctets(pieces.map((piece) => piece.octets));
      const whole = new Uint8Array(bytes);
      for (const { at, octets } of pieces) {
        if (at < bytes) whole.set(octets.subarray(0, bytes - at), at);
      }
      return whole;
    },
  };
}
