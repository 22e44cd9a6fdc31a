/** A content of the blob store as the body of an outgoing message: read as it is sent. */
import { reasonOf } from '../engine/judge.ts';
import type { BlobReader, BlobStore } from '../engine/ports.ts';
import type { BodySource } from '../wire/msrp/body-source.ts';

/** Octets in memory for each message under way: as much again is read ahead. */
export const BLOCK_BYTES = 256 * 1024;

/** `bytes` as the log says: a content of another length is not the one that was kept. */
export function blobBody(blobs: BlobStore, sha256: string, bytes: number): BodySource {
  let opened: Promise<BlobReader> | undefined;
  let block: Uint8Array = new Uint8Array(0);
  let blockAt = 0;
  let next: Uint8Array | undefined;
  let fetching = false;
  let closed = false;
  let failed: string | undefined;
  let wakes: (() => void)[] = [];

  async function open(): Promise<BlobReader> {
    const reader = await blobs.open(sha256);
    if (!reader) throw new Error(`the content ${sha256} is not in the blob store`);
    if (reader.bytes !== bytes) throw new Error(`the content ${sha256} has another length`);
    return reader;
  }

  async function fetch(): Promise<void> {
    opened ??= open();
    const reader = await opened;
    next = await reader.next(BLOCK_BYTES);
    if (next === undefined) throw new Error(`the content ${sha256} ends early`);
  }

  function fetchNext(): void {
    const isAhead = next !== undefined || blockAt + block.length >= bytes;
    if (fetching || closed || isAhead) return;
    fetching = true;
    fetch()
      .catch((fault: unknown) => {
        failed = reasonOf(fault);
      })
      .finally(() => {
        fetching = false;
        const waiting = wakes;
        wakes = [];
        for (const wake of waiting) if (!closed) wake();
      });
  }

  return {
    bytes,
    read(at, bytesMax, wake) {
      if (at >= blockAt + block.length && next !== undefined) {
        [block, blockAt, next] = [next, blockAt + block.length, undefined];
      }
      fetchNext();
      const from = at - blockAt;
      if (from < block.length) return block.subarray(from, from + bytesMax);
      if (failed !== undefined) return { failed };
      wakes.push(wake);
      return 'later';
    },
    close() {
      closed = true;
      // Whoever is asked for a reader in vain has said so by `failed`.
      opened?.then((reader) => reader.close()).catch(() => {});
    },
  };
}
