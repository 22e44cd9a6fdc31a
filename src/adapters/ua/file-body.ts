import { type FileHandle, open, stat } from 'node:fs/promises';
import type { BodySource } from '../../wire/msrp/body-source.ts';

/**
 * A file as the body of a message, read a chunk at a time while it is sent, and open only as long;
 * its length is that of now. Rejects when there is no such file.
 */
export async function fileBody(path: string): Promise<BodySource> {
  const { size: bytes } = await stat(path);
  let file: Promise<FileHandle> | undefined;
  let fetched: { readonly at: number; readonly octets: Uint8Array } | undefined;
  let failed: string | undefined;
  let fetching = false;

  async function fetch(at: number, bytesMax: number): Promise<void> {
    fetching = true;
    try {
      file ??= open(path);
      fetched = { at, octets: await readAt(await file, at, Math.min(bytesMax, bytes - at)) };
    } catch (error) {
      failed = `${path} cannot be read: ${error instanceof Error ? error.message : error}`;
    }
    fetching = false;
  }

  return {
    bytes,
    read(at, bytesMax, wake) {
      if (failed !== undefined) return { failed };
      if (fetched?.at === at) return fetched.octets.subarray(0, bytesMax);
      if (!fetching) void fetch(at, bytesMax).then(wake);
      return 'later';
    },
    close() {
      // A file that was only read has nothing to lose when it does not close.
      void file?.then((opened) => opened.close()).catch(() => {});
    },
  };
}

/** Memory of its own for each chunk: the one before it may still be waiting in the socket. */
async function readAt(file: FileHandle, at: number, bytes: number): Promise<Uint8Array> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, at);
  if (bytesRead === 0) throw new Error(`it ended after ${at} octets`);
  return buffer.subarray(0, bytesRead);
}
