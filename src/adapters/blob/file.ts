import { mkdir, readdir, rename, rm, stat, unlink } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { BlobStore, BlobWriter, Sealed } from '../../engine/ports.ts';
import { CONTENT_NAME } from './content-name.ts';
import { flushFolder, makeFolder } from './durable-folder.ts';
import { openContent } from './file-reader.ts';
import { type IncomingFile, incomingFile } from './incoming-file.ts';

export interface FileBlobsOptions {
  /** Folder of the contents, on a local disk; made when it is missing. One process writes to it. */
  readonly dir: string;
  /** Elapsed milliseconds, of a clock that nobody sets; default: that of the host. */
  readonly now?: () => number;
}

/** Contents lie in 256 folders by the first digits of their names. */
const FOLDER_NAME = /^[0-9a-f]{2}$/;
/** Contents without a name: they are renamed when they are whole, so they lie on the same disk. */
const UNFINISHED = 'tmp';
const { ENOSPC, EDQUOT, EFBIG } = constants.errno;
/**
 * The disk is full, the user's share of it, or the largest file. By number: libuv has no name for
 * EDQUOT, and calls it an unknown error.
 */
const FULL = new Set([ENOSPC, EDQUOT, EFBIG]);

/**
 * Contents as files: `<dir>/<first two digits>/<sha256>`. A file gets its name when its octets are
 * flushed, so what has a name is whole; what a crash left unfinished is removed here. Sealed means
 * that the name is flushed too. What was sealed before this open counts as sealed now.
 *
 * A process that only reads needs no store: `openContent` and `listContents` change nothing.
 *
 * Rejects when the folder cannot be made, read or written.
 */
export async function openFileBlobs(options: FileBlobsOptions): Promise<BlobStore> {
  const { dir, now = () => performance.now() } = options;
  const unfinished = join(dir, UNFINISHED);
  const earlyFlush = { running: false };
  /** Seals that were not released, by content. */
  const held = new Map<string, number>();
  /** A number for each content that was sealed by this process and is still there. */
  const sealedAt = new Map<string, number>();
  const removing = new Map<string, Promise<void>>();
  const folders = new Map<string, Promise<void>>();
  const writers = new Set<BlobWriter>();
  const running = new Set<Promise<unknown>>();
  let created = 0;
  let closed = false;

  await makeFolder(dir);
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished);
  for (const name of await readdir(dir)) {
    if (FOLDER_NAME.test(name)) folders.set(name, Promise.resolve());
  }
  // A process that died may have made folders and not flushed them.
  await flushFolder(dir);
  const openedAt = now();

  function folderOf(sha256: string): string {
    return join(dir, sha256.slice(0, 2));
  }

  function pathOf(sha256: string): string {
    return join(folderOf(sha256), sha256);
  }

  /** Resolves when the folder is there for good; those who come meanwhile wait for the same. */
  function folderFor(sha256: string): Promise<void> {
    const name = sha256.slice(0, 2);
    const known = folders.get(name);
    if (known) return known;
    const made = mkdir(folderOf(sha256), { recursive: true }).then(() => flushFolder(dir));
    folders.set(name, made);
    made.catch(() => folders.delete(name));
    return made;
  }

  function hold(sha256: string): () => void {
    let holds = true;
    held.set(sha256, (held.get(sha256) ?? 0) + 1);
    return () => {
      if (!holds) return;
      holds = false;
      const others = (held.get(sha256) ?? 0) - 1;
      if (others > 0) held.set(sha256, others);
      else held.delete(sha256);
    };
  }

  /** Gives a flushed file its name. */
  async function keep(path: string, sha256: string, bytes: number): Promise<Sealed> {
    // Held before anything is waited for: from here on nobody begins to remove it.
    const release = hold(sha256);
    try {
      // Whether that worked is told to who asked for it; only its end matters here.
      await removing.get(sha256)?.catch(() => {});
      await folderFor(sha256);
      // The same content may be there: this one was just proved to be right, so it takes the place.
      await rename(path, pathOf(sha256));
      await flushFolder(folderOf(sha256));
    } catch (error) {
      release();
      throw error;
    }
    sealedAt.set(sha256, now());
    return { outcome: 'sealed', sha256, bytes, release };
  }

  async function seal(incoming: IncomingFile, path: string, bytes: number): Promise<Sealed> {
    try {
      const sha256 = await incoming.complete(bytes);
      return await keep(path, sha256, bytes);
    } catch (error) {
      await incoming.abandon();
      return failureOf(error, dir);
    }
  }

  function create(onWritten?: () => void): BlobWriter {
    const path = join(unfinished, String(created++));
    const incoming = incomingFile({ path, earlyFlush, onWritten });
    let over: Promise<Sealed> | undefined;

    function end(sealed: Promise<Sealed>): Promise<Sealed> {
      over = sealed;
      writers.delete(writer);
      running.add(sealed);
      sealed.finally(() => running.delete(sealed));
      return sealed;
    }

    async function giveUp(): Promise<Sealed> {
      await incoming.abandon();
      return { outcome: 'failed', reason: `a content for ${dir} was given up before its seal` };
    }

    const writer: BlobWriter = {
      write(at, octets) {
        if (!over) incoming.put(at, octets);
      },
      get unwrittenBytes() {
        return incoming.unwrittenBytes;
      },
      seal: (bytes) => over ?? end(seal(incoming, path, bytes)),
      discard() {
        if (!over) end(giveUp());
      },
    };
    writers.add(writer);
    if (closed) writer.discard();
    return writer;
  }

  /** One at a time for each content: a seal of it waits for that one. */
  function removal(sha256: string): Promise<void> {
    const known = removing.get(sha256);
    if (known) return known;
    const removed = unlink(pathOf(sha256))
      .catch(unlessMissing)
      .then(() => void sealedAt.delete(sha256))
      .finally(() => removing.delete(sha256));
    removing.set(sha256, removed);
    return removed;
  }

  return {
    create,
    open: async (sha256) =>
      CONTENT_NAME.test(sha256) ? openContent(pathOf(sha256), sha256) : undefined,
    list: () => listContents(dir),
    async remove(sha256, unsealedForMs) {
      if (!CONTENT_NAME.test(sha256) || held.has(sha256)) return false;
      const recent = now() - (sealedAt.get(sha256) ?? openedAt) < unsealedForMs;
      if (recent) return (await sizeOf(pathOf(sha256))) === undefined;
      await removal(sha256);
      return true;
    },
    async close() {
      closed = true;
      for (const writer of [...writers]) writer.discard();
      await Promise.all(running);
      await Promise.allSettled(removing.values());
    },
  };
}

/** The contents in the folder of a store: by name, not by age. */
export async function* listContents(
  dir: string,
): AsyncGenerator<{ readonly sha256: string; readonly bytes: number }> {
  for (const folder of (await readdir(dir)).sort()) {
    if (!FOLDER_NAME.test(folder)) continue;
    for (const sha256 of (await readdir(join(dir, folder))).sort()) {
      if (!CONTENT_NAME.test(sha256) || !sha256.startsWith(folder)) continue;
      const bytes = await sizeOf(join(dir, folder, sha256));
      // Removed since the folder was read.
      if (bytes !== undefined) yield { sha256, bytes };
    }
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(unlessMissing))?.size;
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

function failureOf(error: unknown, dir: string): Sealed {
  const { errno = 0, message } = error as NodeJS.ErrnoException;
  if (!FULL.has(-errno)) {
    return { outcome: 'failed', reason: `a content was not stored in ${dir}: ${message}` };
  }
  const advice = 'make room there, or allow its user more';
  return { outcome: 'full', reason: `${dir} has no room for a content: ${message}: ${advice}` };
}
