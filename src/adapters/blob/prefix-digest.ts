import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';

const READ_BYTES = 256 * 1024;

/** SHA-256 of a file that grows, as far as its octets came in order. */
export interface PrefixDigest {
  /** These octets now stand at this place of the file. */
  follow(at: number, octets: Uint8Array): void;
  /** Digest of `[0, bytes)` in hexadecimal: what did not come in order is read from the file. */
  finish(file: FileHandle, bytes: number): Promise<string>;
}

export function prefixDigest(): PrefixDigest {
  let hash = createHash('sha256');
  /** `hash` is that of `[0, hashed)` as it stands in the file. */
  let hashed = 0;

  function restart(): void {
    hash = createHash('sha256');
    hashed = 0;
  }

  function update(octets: Uint8Array): void {
    hash.update(octets);
    hashed += octets.length;
  }

  return {
    follow(at, octets) {
      // What was hashed is replaced: nothing is known any more.
      if (at < hashed) restart();
      if (at === hashed) update(octets);
    },
    async finish(file, bytes) {
      if (hashed > bytes) restart();
      const block = hashed < bytes ? Buffer.allocUnsafeSlow(READ_BYTES) : Buffer.alloc(0);
      while (hashed < bytes) {
        const length = Math.min(block.length, bytes - hashed);
        const { bytesRead } = await file.read(block, 0, length, hashed);
        if (bytesRead === 0) throw new Error(`the file ends after ${hashed} of ${bytes} octets`);
        update(block.subarray(0, bytesRead));
      }
      return hash.digest('hex');
    },
  };
}
