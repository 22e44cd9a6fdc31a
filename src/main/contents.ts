/** Contents of Large messages lie in files beside the store. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CONTENT_NAME } from '../adapters/blob/content-name.ts';
import { listContents } from '../adapters/blob/file.ts';
import { openContent } from '../adapters/blob/file-reader.ts';
import type { Contents } from '../adapters/cli/command-line.ts';

/** Where the server keeps them; `data` is the folder that it was given. */
export function contentsFolder(data: string): string {
  return join(data, 'blobs');
}

/** Changes nothing: the server may run meanwhile. */
export function openContents(data: string): Contents {
  const dir = contentsFolder(data);
  const pathOf = (sha256: string) => join(dir, sha256.slice(0, 2), sha256);
  return {
    pathOf,
    open: async (sha256) =>
      CONTENT_NAME.test(sha256) ? openContent(pathOf(sha256), sha256) : undefined,
    async *list() {
      // A server of before Large Message mode, or none yet, made no such folder.
      if (await isThere(dir)) yield* listContents(dir);
    },
  };
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
