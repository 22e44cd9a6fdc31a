import type { BlobReader, BlobStore, BlobWriter, Digest, Sealed } from '../../engine/ports.ts';
import { CONTENT_NAME } from './content-name.ts';

export interface MemoryBlobsOptions {
  readonly digest: Digest;
  /** Elapsed milliseconds, of a clock that nobody sets. */
  readonly now: () => number;
}

interface Content {
  readonly octets: Uint8Array;
  readonly sealedAt: number;
  /** Seals that were not released. */
  holders: number;
}

/** The reference store: the whole meaning of the port in the fewest words, and no durability. */
export function memoryBlobs({ digest, now }: MemoryBlobsOptions): BlobStore {
  const contents = new Map<string, Content>();
  let closed = false;

  function keep(octets: Uint8Array): Sealed {
    const sha256 = hex(digest.sha256(octets));
    const holders = (contents.get(sha256)?.holders ?? 0) + 1;
    contents.set(sha256, { octets, sealedAt: now(), holders });
    let released = false;
    const release = () => {
      const content = contents.get(sha256);
      if (content && !released) content.holders -= 1;
      released = true;
    };
    return { outcome: 'sealed', sha256, bytes: octets.length, release };
  }

  function create(): BlobWriter {
    const pieces: (readonly [at: number, octets: Uint8Array])[] = [];
    let extent = 0;
    let over: Sealed | undefined;

    function sealed(bytes: number): Sealed {
      if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > extent) {
        return failed(`${bytes} octets cannot be sealed where ${extent} were written`);
      }
      const content = new Uint8Array(bytes);
      for (const [at, octets] of pieces) {
        if (at < bytes) content.set(octets.subarray(0, bytes - at), at);
      }
      return keep(content);
    }

    return {
      unwrittenBytes: 0,
      write(at, octets) {
        if (over || octets.length === 0) return;
        if (!Number.isSafeInteger(at) || at < 0) {
          over = failed(`octets for the place ${at}: places count from 0`);
          return;
        }
        pieces.push([at, octets]);
        extent = Math.max(extent, at + octets.length);
      },
      async seal(bytes) {
        over ??= closed ? failed('the store is closed') : sealed(bytes);
        return over;
      },
      discard() {
        over ??= failed('the content was given up before its seal');
      },
    };
  }

  return {
    create,
    open: async (sha256) => {
      const content = contents.get(sha256);
      return content && readerOf(content.octets);
    },
    async *list() {
      for (const [sha256, { octets }] of contents) yield { sha256, bytes: octets.length };
    },
    async remove(sha256, unsealedForMs) {
      if (!CONTENT_NAME.test(sha256)) return false;
      const content = contents.get(sha256);
      if (!content) return true;
      if (content.holders > 0 || now() - content.sealedAt < unsealedForMs) return false;
      return contents.delete(sha256);
    },
    close: async () => {
      closed = true;
    },
  };
}

function failed(reason: string): Sealed {
  return { outcome: 'failed', reason };
}

function readerOf(octets: Uint8Array): BlobReader {
  let at = 0;
  let closed = false;
  return {
    bytes: octets.length,
    async next(bytesMax) {
      if (closed) throw new Error('this reader is closed: open the content again');
      if (!(bytesMax >= 1)) throw new RangeError(`${bytesMax} octets at most: ask for one or more`);
      const view = octets.subarray(at, at + bytesMax);
      at += view.length;
      return view.length > 0 ? view : undefined;
    },
    close: async () => {
      closed = true;
    },
  };
}

function hex(octets: Uint8Array): string {
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join('');
}
