import { type FileHandle, open, unlink } from 'node:fs/promises';
import { prefixDigest } from './prefix-digest.ts';

/** Pieces that follow each other go to the disk together, up to so many octets at a time. */
const BATCH_BYTES = 1024 * 1024;
/** What Linux takes in one writev (IOV_MAX). */
const BATCH_PIECES = 1024;
/** So many octets are flushed while more arrive, so that little is left to flush at the end. */
const FLUSH_EARLY_BYTES = 4 * 1024 * 1024;

interface Piece {
  readonly at: number;
  readonly octets: Uint8Array;
}

/** A file on its way in, under a name that nobody reads. */
export interface IncomingFile {
  /** Octets for a place; what goes wrong is told by `complete`. */
  put(at: number, octets: Uint8Array): void;
  readonly unwrittenBytes: number;
  /**
   * The file holds `[0, bytes)`, flushed, and is closed; resolves with its SHA-256. Rejects with the
   * first thing that went wrong.
   */
  complete(bytes: number): Promise<string>;
  /** Closes the file and removes it. */
  abandon(): Promise<void>;
}

export interface IncomingFileOptions {
  readonly path: string;
  /** One early flush of a store at a time: many would take all threads that the host writes with. */
  readonly earlyFlush: { running: boolean };
  readonly onWritten?: (() => void) | undefined;
}

export function incomingFile({ path, earlyFlush, onWritten }: IncomingFileOptions): IncomingFile {
  const queue: Piece[] = [];
  const digest = prefixDigest();
  let file: FileHandle | undefined;
  let made = false;
  let unwritten = 0;
  let unflushed = 0;
  /** Behind the last octet. */
  let extent = 0;
  let failure: { readonly error: unknown } | undefined;
  let draining: Promise<void> | undefined;
  let flushing: Promise<void> | undefined;

  async function opened(): Promise<FileHandle> {
    file ??= await open(path, 'wx+');
    made = true;
    return file;
  }

  async function close(): Promise<void> {
    const closing = file;
    file = undefined;
    await closing?.close();
  }

  function stop(error: unknown): void {
    failure ??= { error };
    unwritten -= sizeOf(queue.splice(0));
    told();
  }

  function check(): void {
    if (failure) throw failure.error;
  }

  function told(): void {
    // On its own: what the caller throws there is no failure of this file.
    if (onWritten) queueMicrotask(onWritten);
  }

  async function drain(): Promise<void> {
    try {
      const to = await opened();
      for (let batch = takeBatch(queue); batch.length > 0; batch = takeBatch(queue)) {
        const bytes = sizeOf(batch);
        try {
          const writing = writeAll(to, batch);
          // While the disk is busy.
          for (const { at, octets } of batch) digest.follow(at, octets);
          await writing;
        } finally {
          unwritten -= bytes;
        }
        told();
        unflushed += bytes;
        if (unflushed >= FLUSH_EARLY_BYTES && !earlyFlush.running) flushEarly(to);
      }
    } catch (error) {
      stop(error);
    }
    draining = undefined;
  }

  function flushEarly(to: FileHandle): void {
    earlyFlush.running = true;
    unflushed = 0;
    // The system tells a failed flush once: the one at the end would not hear of it.
    flushing = to
      .datasync()
      .catch(stop)
      .finally(() => {
        earlyFlush.running = false;
      });
  }

  return {
    put(at, octets) {
      if (failure || octets.length === 0) return;
      if (!Number.isSafeInteger(at) || at < 0) {
        stop(new RangeError(`octets for the place ${at}: places count from 0`));
        return;
      }
      queue.push({ at, octets });
      unwritten += octets.length;
      extent = Math.max(extent, at + octets.length);
      draining ??= drain();
    },
    get unwrittenBytes() {
      return unwritten;
    },
    async complete(bytes) {
      await draining;
      check();
      if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > extent) {
        throw new RangeError(`${bytes} octets cannot be sealed where ${extent} were written`);
      }
      const whole = await opened();
      if (bytes < extent) await whole.truncate(bytes);
      const sha256 = await digest.finish(whole, bytes);
      await flushing;
      check();
      await whole.datasync();
      await close();
      return sha256;
    },
    async abandon() {
      stop(new Error('the content was given up'));
      await draining;
      await flushing;
      try {
        await close();
        if (made) await unlink(path);
      } catch {
        // It has no name that anybody reads, and the next open of the store removes it.
      }
    },
  };
}

function sizeOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { octets }) => sum + octets.length, 0);
}

/** Takes the first pieces that follow each other without a gap, in the order they came. */
function takeBatch(queue: Piece[]): readonly Piece[] {
  let count = 0;
  let bytes = 0;
  for (const { at, octets } of queue) {
    const follows = count === 0 || at === (queue[0]?.at ?? 0) + bytes;
    const fits = count === 0 || bytes + octets.length <= BATCH_BYTES;
    if (!follows || !fits || count === BATCH_PIECES) break;
    count += 1;
    bytes += octets.length;
  }
  return queue.splice(0, count);
}

async function writeAll(file: FileHandle, batch: readonly Piece[]): Promise<void> {
  let rest = batch.map(({ octets }) => octets);
  let at = batch[0]?.at ?? 0;
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest, at);
    if (bytesWritten === 0) throw new Error('the disk took no octets and gave no reason');
    at += bytesWritten;
    rest = behind(rest, bytesWritten);
  }
}

/** A disk that is nearly full takes a part. */
function behind(list: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  return list.flatMap((octets) => {
    const skipped = Math.min(skip, octets.length);
    skip -= skipped;
    return skipped === octets.length ? [] : [octets.subarray(skipped)];
  });
}
