/** Events that are in the log, and of which tables and tail know nothing yet. */
import type { Projection } from '../../engine/ports.ts';
import type { Environment } from './lmdb-environment.ts';
import type { LmdbLog } from './lmdb-log.ts';
import { followed, type LogTail } from './lmdb-tail.ts';
import { rowChanges } from './lmdb-views.ts';

export interface CatchUp {
  readonly log: LmdbLog;
  readonly tail: LogTail;
  readonly projections: readonly Projection[];
}

/** After a start, or a commit that failed and may have been written all the same. */
export function catchUp({ log, tail, projections }: CatchUp): void {
  for (const { count, event } of log.after(tail.upTo())) {
    const changes = rowChanges(projections, tail.row);
    changes.project(event);
    tail.take([{ stream: event.stream, revision: event.revision, count }], changes.rows);
  }
}

/** For a reader beside the process that writes: what that one keeps in memory is made anew. */
export function keptUp(options: CatchUp & { readonly env: Environment }): () => void {
  const { env, tail } = options;
  let tables = tail.upTo();
  return () => {
    // Else the read may be of the moment when this turn of the event loop first read.
    env.root.resetReadTxn();
    const now = followed(env);
    if (now !== tables) tail.clear(now);
    tables = now;
    catchUp(options);
  };
}
