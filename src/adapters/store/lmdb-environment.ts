import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase, type RootDatabaseOptionsWithPath } from 'lmdb';
import { claimWriter, type WriterClaim } from './lmdb-writer-claim.ts';
import { LOG_DICTIONARY } from './log-dictionary.ts';
import { StoreUnavailable } from './store-unavailable.ts';

/**
 * Layout of the environment: raised when an older release could not read it. Since 2 the tables
 * follow the log: an older release would take them for complete.
 */
const FORMAT = 2;
/** Name in `meta`: count of the last event that the tables follow. */
export const FOLLOWED = 'followed';
/** Below it there is nothing to gain: an event's place in a page has its own cost. */
const COMPRESS_FROM_BYTES = 256;
/** Views of one store at most; LMDB reserves a slot for each at open. */
const VIEWS_MAX = 64;
/** Read transactions of all processes together; LMDB's own default is 126. */
const READERS_MAX = 256;
/** Address space, not disk: enough that it is not mapped anew while it is read and written. */
const MAP_BYTES_DEFAULT = 256 * 1024 ** 3;

export interface LmdbOptions {
  /** Folder of the environment; made when it is missing, but not by a reader. */
  readonly dir: string;
  /** The views that the writing process keeps; a reader finds what is there. */
  readonly views?: readonly string[];
  /** For readers beside the writing process: nothing is written, an append rejects. */
  readonly readOnly?: boolean;
  /** Address space reserved at open, default 256 GiB; a store that outgrows it is mapped anew. */
  readonly mapSizeBytes?: number;
  /** Commits are not flushed. For the tests that prove that they would notice. */
  readonly unsafeNoSync?: boolean;
}

export interface Environment {
  readonly root: RootDatabase<unknown, string>;
  readonly dir: string;
  readonly readOnly: boolean;
  /** Position → encoded event. */
  readonly log: Database<Uint8Array, number>;
  /** The same table, for values that are written as they are: read them through `log`. */
  readonly uncompressedLog: Database<Uint8Array, number>;
  /** [stream, revision] → position. */
  readonly streams: Database<number, [string, number]>;
  /** Names → what the store knows about itself. */
  readonly meta: Database<unknown, string>;
  /** @throws RangeError when the store does not keep this view */
  view(name: string): Database<unknown, string>;
  close(): Promise<void>;
}

/**
 * Opens the folder for one writing process, or for a reader.
 *
 * @throws StoreUnavailable when another process writes to it, a newer release made it, or the
 *   system refuses
 */
export function openEnvironment(options: LmdbOptions): Environment {
  const { dir, readOnly = false } = options;
  const root = openRoot(options);
  let claim: WriterClaim | undefined;
  try {
    const meta = root.openDB<unknown, string>({ name: 'meta', encoding: 'json' });
    const format = meta?.get('format');
    if (readOnly && format === undefined) {
      throw new StoreUnavailable(`${dir} holds no store: start the server on it once`);
    }
    if (typeof format === 'number' && format > FORMAT) {
      throw new StoreUnavailable(
        `${dir} has store format ${format}, this release reads up to ${FORMAT}:` +
          ' run the release that wrote it, or a later one',
      );
    }
    if (readOnly && format !== FORMAT) {
      throw new StoreUnavailable(`${dir} is of an older release: start the server on it once`);
    }
    if (!readOnly) {
      claim = claimWriter(meta, dir);
      if (format === undefined) begin(meta);
    }
    const views = new Map<string, Database<unknown, string>>();
    const openView = (name: string) =>
      root.openDB<unknown, string>({ name: `view:${name}`, encoding: 'json' });
    if (!readOnly) for (const name of options.views ?? []) views.set(name, openView(name));
    const log = root.openDB<Uint8Array, number>({
      name: 'log',
      encoding: 'binary',
      compression: {
        threshold: COMPRESS_FROM_BYTES,
        dictionary: Buffer.from(String(meta.get('dictionary'))),
      },
    });
    if (!readOnly && format === 1) upgrade(meta, log);
    return {
      root,
      dir,
      readOnly,
      log,
      uncompressedLog: root.openDB<Uint8Array, number>({ name: 'log', encoding: 'binary' }),
      streams: root.openDB<number, [string, number]>({
        name: 'streams',
        encoding: 'ordered-binary',
      }),
      meta,
      view(name) {
        const known = views.get(name);
        if (known) return known;
        const view = readOnly ? openView(name) : undefined;
        if (!view)
          throw new RangeError(`no projection of the store in ${dir} keeps the view ${name}`);
        views.set(name, view);
        return view;
      },
      async close() {
        claim?.release();
        await root.close();
      },
    };
  } catch (error) {
    claim?.release();
    root.close();
    throw error;
  }
}

function begin(meta: Database<unknown, string>): void {
  meta.transactionSync(() => {
    meta.putSync('dictionary', LOG_DICTIONARY);
    meta.putSync('format', FORMAT);
  });
}

/** In a store of format 1 the tables follow the whole log. */
function upgrade(meta: Database<unknown, string>, log: Database<Uint8Array, number>): void {
  const [head = 0] = log.getKeys({ reverse: true, limit: 1 });
  meta.transactionSync(() => {
    meta.putSync(FOLLOWED, head);
    meta.putSync('format', FORMAT);
  });
}

function openRoot(options: LmdbOptions): RootDatabase<unknown, string> {
  const { dir, readOnly = false, mapSizeBytes = MAP_BYTES_DEFAULT, unsafeNoSync } = options;
  try {
    if (readOnly) statSync(join(dir, 'data.mdb'));
    else mkdirSync(dir, { recursive: true });
    const settings: RootDatabaseOptionsWithPath & { readonly txnStartThreshold: number } = {
      path: dir,
      // A folder with a dot in its name is a folder all the same.
      noSubdir: false,
      readOnly,
      mapSize: mapSizeBytes,
      maxDbs: VIEWS_MAX + 3,
      maxReaders: READERS_MAX,
      // A commit answers when it is flushed, and nobody sees what is not.
      overlappingSync: false,
      // Our commits are batches already. The package's own batching would keep a promise to itself,
      // whose rejection by a failed commit nobody could catch.
      eventTurnBatching: false,
      txnStartThreshold: 1,
      ...(unsafeNoSync && { noSync: true }),
    };
    return open<unknown, string>(settings);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StoreUnavailable(
      `the store in ${dir} does not open: ${reason}. ` +
        (readOnly
          ? 'Name the folder that the server writes to, and check that it may be read and locked'
          : 'Check that the folder may be written, is on a local disk and has space'),
      { cause: error },
    );
  }
}
