import { readFileSync } from 'node:fs';
import type { Database } from 'lmdb';
import { StoreUnavailable } from './store-unavailable.ts';

const CLAIM = 'writer';

interface Claimant {
  readonly pid: number;
  /** When the process started, in ticks since boot: tells it from a later one with the same id. */
  readonly started: string;
}

export interface WriterClaim {
  release(): void;
}

/**
 * Makes this process the only writer of the store. The claim stands in the environment itself and
 * is looked at and taken in one LMDB write transaction, so two processes cannot take it at once;
 * that of a process which is gone counts for nothing.
 *
 * @throws StoreUnavailable when another living process, or this one, writes to it
 */
export function claimWriter(meta: Database<unknown, string>, dir: string): WriterClaim {
  const own: Claimant = { pid: process.pid, started: startOf(process.pid) ?? '' };
  meta.transactionSync(() => {
    const other = meta.get(CLAIM) as Claimant | undefined;
    if (other && startOf(other.pid) === other.started) {
      throw new StoreUnavailable(
        other.pid === own.pid
          ? `this process (${own.pid}) writes to the store in ${dir} already: close that one first`
          : `process ${other.pid} writes to the store in ${dir}: stop it first, or open the store` +
              ' read-only',
      );
    }
    meta.putSync(CLAIM, own);
  });
  return {
    release() {
      meta.removeSync(CLAIM);
    },
  };
}

/** `undefined`: there is no such process. Without `/proc` every start is ''. */
function startOf(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return undefined;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // proc(5): field 3 is the state, 22 the start; the name, field 2, may hold spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie waits for its parent only: it writes no more.
    return fields[0] === 'Z' ? undefined : (fields[19] ?? '');
  } catch {
    return '';
  }
}
