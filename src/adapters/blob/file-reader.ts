import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { BlobReader } from '../../engine/ports.ts';

/** A reader holds two of them at most: the one it gives from and the one ahead. */
const BLOCK_BYTES = 256 * 1024;

/**
 * Opens a content in the file of its name; `undefined` when there is none. A block is given when the
 * next one is asked for, and the last block when the digest is right.
 */
export async function openContent(path: string, sha256: string): Promise<BlobReader | undefined> {
  const file = await openThere(path);
  if (!file) return undefined;
  try {
    const { size } = await file.stat();
    return reader({ file, path, sha256, bytes: size });
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

interface OpenContent {
  readonly file: FileHandle;
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}

function reader(content: OpenContent): BlobReader {
  const { file, bytes, sha256 } = content;
  const hash = createHash('sha256');
  let block: Uint8Array = new Uint8Array();
  /** Octets of `block` that were given. */
  let given = 0;
  /** Octets of all blocks so far. */
  let hashed = 0;
  let right = false;
  let closed = false;
  let failure: Error | undefined;
  let ahead = readBlock(content, 0);

  async function advance(): Promise<void> {
    const read = await ahead;
    if (read instanceof Error) throw read;
    const next = hashed + read.length;
    if (next < bytes) ahead = readBlock(content, next);
    hash.update(read);
    if (next === bytes && hash.digest('hex') !== sha256) {
      throw damaged(content, `the digest of its ${bytes} octets is another`);
    }
    [block, given, hashed, right] = [read, 0, next, next === bytes];
  }

  return {
    bytes,
    async next(bytesMax) {
      if (closed) throw new Error(`the reader of ${content.path} is closed: open it again`);
      if (!(bytesMax >= 1)) throw new RangeError(`${bytesMax} octets at most: ask for one or more`);
      if (failure) throw failure;
      if (given === block.length && !right) {
        try {
          await advance();
        } catch (error) {
          failure = error as Error;
          throw error;
        }
      }
      const view = block.subarray(given, given + bytesMax);
      given += view.length;
      return view.length > 0 ? view : undefined;
    },
    async close() {
      if (closed) return;
      closed = true;
      await ahead;
      await file.close();
    },
  };
}

/** Never rejects: nobody may ask for the block that was read ahead. */
async function readBlock(content: OpenContent, at: number): Promise<Uint8Array | Error> {
  const block = Buffer.allocUnsafeSlow(Math.min(BLOCK_BYTES, content.bytes - at));
  let filled = 0;
  try {
    while (filled < block.length) {
      const { bytesRead } = await content.file.read(
        block,
        filled,
        block.length - filled,
        at + filled,
      );
      if (bytesRead === 0) {
        return damaged(content, `it ends after ${at + filled} of ${content.bytes} octets`);
      }
      filled += bytesRead;
    }
    return block;
  } catch (error) {
    return damaged(content, error instanceof Error ? error.message : String(error));
  }
}

function damaged({ path, sha256 }: OpenContent, why: string): Error {
  return new Error(
    `the content ${sha256} is damaged: ${why}. Restore ${path} from a backup, and check the disk`,
  );
}
