import { resolve } from 'node:path';
import type { OpenedStore } from '../adapters/cli/command-line.ts';
import { openLmdbStore } from '../adapters/store/lmdb.ts';
import { memoryStore } from '../adapters/store/memory.ts';
import { StoreUnavailable } from '../adapters/store/store-unavailable.ts';
import { projections } from '../projections/all.ts';

const LMDB = 'lmdb:';
const MEMORY = 'memory:';

/** Opens the store that a URL names: `lmdb:DIR`, or `memory:`, which is gone with the process. */
export async function openStore(target: {
  readonly url: string;
  readonly readOnly: boolean;
  readonly progress?: (events: number) => void;
}): Promise<OpenedStore> {
  const { url, readOnly, progress } = target;
  if (url === MEMORY) return { kind: 'open', store: memoryStore({ projections }) };
  if (!url.startsWith(LMDB)) {
    const todo = `write ${LMDB}DIR or ${MEMORY}`;
    return { kind: 'failure', what: `no such kind of store: ${url}`, todo };
  }
  const dir = resolve(url.slice(LMDB.length));
  try {
    const options = { dir, projections, readOnly, ...(progress ? { progress } : {}) };
    return { kind: 'open', store: await openLmdbStore(options) };
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    const todo = readOnly
      ? `name the folder of a store in place of ${dir}`
      : 'stop the server first';
    return { kind: 'failure', what: error.message, todo };
  }
}
