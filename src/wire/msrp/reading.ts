/** A body taken chunk by chunk from its source, which may give less at a time, or nothing yet. */
import type { BodySource } from './body-source.ts';
import { UNINTERRUPTED_BYTES_MAX } from './limits.ts';

/** How far a body has been read. */
export interface Reading {
  readonly body: Uint8Array | BodySource;
  /** Octets of the whole body. */
  readonly bytes: number;
  /** Octets given out so far. */
  taken: number;
  /** Read, and too few for a chunk. */
  held: Uint8Array[];
  closed: boolean;
}

export function openReading(body: Uint8Array | BodySource): Reading {
  const bytes = body instanceof Uint8Array ? body.length : body.bytes;
  return { body, bytes, taken: 0, held: [], closed: false };
}

/**
 * The next chunk in parts, shorter than `bytesMax` when it ends the body or the source has no more
 * yet; `later`: `wake` is called when there is more.
 */
export function readChunk(
  reading: Reading,
  bytesMax: number,
  wake: () => void,
): readonly Uint8Array[] | 'later' | { readonly failed: string } {
  const { body, bytes, taken, held } = reading;
  const wanted = Math.min(bytesMax, bytes - taken);
  if (body instanceof Uint8Array) {
    reading.taken += wanted;
    return [wanted === bytes ? body : body.subarray(taken, taken + wanted)];
  }
  let have = lengthOf(held);
  while (have < wanted) {
    const got = body.read(taken + have, wanted - have, wake);
    // RFC 4975 §7.1.1: only the last chunk may be shorter than that.
    if (got === 'later' && have >= UNINTERRUPTED_BYTES_MAX) break;
    if (!(got instanceof Uint8Array)) return got;
    if (got.length === 0 || got.length > wanted - have) {
      return { failed: `${got.length} octets read where 1 to ${wanted - have} were asked for` };
    }
    held.push(got);
    have += got.length;
  }
  reading.taken += have;
  reading.held = [];
  return held;
}

/** Nothing more will be asked of the source. It is told once, however often this is called. */
export function closeReading(reading: Reading): void {
  if (reading.closed) return;
  reading.closed = true;
  closeBody(reading.body);
}

/** The same for a body that was never read. */
export function closeBody(body: Uint8Array | BodySource): void {
  if (!(body instanceof Uint8Array)) body.close();
}

export function lengthOf(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  return bytes;
}
