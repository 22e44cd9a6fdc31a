/** The body of a message on its way in: small ones stay in memory, larger ones go to the blob store. */
import { createHash } from 'node:crypto';
import type { BlobStore, BlobWriter } from '../../engine/ports.ts';
import { type EndLineWatch, endLineWatch } from '../../wire/msrp/end-line-watch.ts';
import { type MemorySink, type MessageSink, memorySink } from '../../wire/msrp/message-sink.ts';

/** A larger body does not travel with its event (the portable limit is 256 KiB an event). */
export const INLINE_BYTES_MAX = 64 * 1024;

export type SealedBody =
  | {
      readonly outcome: 'sealed';
      /** Lower-case hexadecimal. */
      readonly sha256: string;
      /** Absent: it is durable in the blob store. */
      readonly octets?: Uint8Array;
      release(): void;
    }
  | { readonly outcome: 'full' | 'failed'; readonly reason: string };

export interface IncomingBody extends MessageSink {
  seal(bytes: number): Promise<SealedBody>;
  /** Whether the end-line of this transaction stands in the sealed body. */
  hasEndLine(tid: string, sealed: Extract<SealedBody, { outcome: 'sealed' }>): Promise<boolean>;
}

/** `onWritten`: some of `unwrittenBytes` was worked off. */
export function incomingBody(blobs: BlobStore, onWritten: () => void): IncomingBody {
  const watch = endLineWatch();
  let memory: MemorySink | undefined = memorySink();
  let writer: BlobWriter | undefined;
  let held = 0;
  let extent = 0;

  function spill(): BlobWriter {
    const made = blobs.create(onWritten);
    // What came in any order is laid out once; holes are filled by what is still to come.
    if (memory && extent > 0) made.write(0, memory.octets(extent));
    memory = undefined;
    writer = made;
    return made;
  }

  return {
    get unwrittenBytes() {
      return writer?.unwrittenBytes ?? 0;
    },
    write(at, octets) {
      watch.write(at, octets);
      held += octets.length;
      if (memory && held <= INLINE_BYTES_MAX && at + octets.length <= INLINE_BYTES_MAX) {
        memory.write(at, octets);
        extent = Math.max(extent, at + octets.length);
        return;
      }
      (writer ?? spill()).write(at, octets);
    },
    discard(reason) {
      memory?.discard(reason);
      writer?.discard();
    },
    async seal(bytes) {
      if (writer) return writer.seal(bytes);
      const octets = memory?.octets(bytes) ?? new Uint8Array(0);
      const sha256 = createHash('sha256').update(octets).digest('hex');
      return { outcome: 'sealed', sha256, octets, release: () => {} };
    },
    async hasEndLine(tid, { sha256, octets }) {
      const known = watch.has(tid);
      if (known !== 'unsure') return known;
      const again = endLineWatch();
      if (octets) again.write(0, octets);
      else await readAgain(blobs, sha256, again);
      // Too much looks like one: another id costs nothing.
      return again.has(tid) !== false;
    },
  };
}

const READ_BYTES = 256 * 1024;

async function readAgain(blobs: BlobStore, sha256: string, watch: EndLineWatch): Promise<void> {
  const reader = await blobs.open(sha256);
  if (!reader) throw new Error(`the content ${sha256} is gone while it is being kept`);
  let at = 0;
  for (;;) {
    const octets = await reader.next(READ_BYTES);
    if (octets === undefined) break;
    watch.write(at, octets);
    at += octets.length;
  }
  await reader.close();
}
