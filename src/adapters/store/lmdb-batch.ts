import type { Append, ExpectedRevision, Projection } from '../../engine/ports.ts';
import type { Candidate, Position, Recorded } from '../../engine/recorded.ts';
import { type LmdbLog, positionOf } from './lmdb-log.ts';
import type { LogTail } from './lmdb-tail.ts';
import { type RowChanges, rowChanges } from './lmdb-views.ts';

/** An append that waits for its commit. */
export interface Pending {
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly events: readonly Candidate[];
  /** Encoded when it was handed over, while an earlier commit is being flushed. */
  readonly values: readonly Uint8Array[];
  /** Nobody waits for it: a record of what was on the wire. */
  readonly lazy: boolean;
  readonly answer: (answer: Append) => void;
  readonly fail: (error: unknown) => void;
}

interface Entered {
  readonly count: number;
  readonly stream: string;
  readonly revision: number;
  readonly value: Uint8Array;
  /** A message that is kept for long. */
  readonly message: boolean;
}

/** What goes into one transaction. */
export interface Batch {
  readonly records: Entered[];
  readonly rows: RowChanges;
  /** Heads of the streams that this batch appends to. */
  readonly heads: Map<string, number>;
  readonly answers: (readonly [Pending, Append])[];
  /** They can be judged only when this batch is committed. */
  readonly deferred: Pending[];
  last: number;
}

export interface BatchOptions {
  readonly log: LmdbLog;
  readonly tail: LogTail;
  readonly projections: readonly Projection[];
}

/** Judges the appends in their order; one at which a projection throws is left out and rejected. */
export function assemble(
  { log, tail, projections }: BatchOptions,
  taken: readonly Pending[],
): { batch: Batch; rejected: readonly (readonly [Pending, unknown])[] } {
  const rejected: (readonly [Pending, unknown])[] = [];
  let rest = taken;
  for (;;) {
    const batch: Batch = {
      records: [],
      rows: rowChanges(projections, tail.row),
      heads: new Map(),
      answers: [],
      deferred: [],
      last: log.head(),
    };
    let current: Pending | undefined;
    try {
      for (const pending of rest) {
        current = pending;
        judge(log, batch, pending);
      }
      return { batch, rejected };
    } catch (error) {
      // Its rows are half made: the others are put together anew without it.
      const culprit = current;
      if (!culprit) throw error;
      rejected.push([culprit, error]);
      rest = rest.filter((pending) => pending !== culprit);
    }
  }
}

function judge(log: LmdbLog, batch: Batch, pending: Pending): void {
  const { stream, expected } = pending;
  const head = batch.heads.get(stream);
  if (head !== undefined) {
    if (head === expected) enter(batch, pending);
    else batch.deferred.push(pending);
  } else if (stands(log, stream, expected)) enter(batch, pending);
  else batch.answers.push([pending, repetition(log, pending) ?? conflict(log, stream)]);
}

/** Revisions of this store start at 0 and have no gaps, so two looks at the index tell. */
function stands(log: LmdbLog, stream: string, expected: ExpectedRevision): boolean {
  return expected === 'none'
    ? !log.has(stream, 0)
    : log.has(stream, expected) && !log.has(stream, expected + 1);
}

function enter(batch: Batch, pending: Pending): void {
  const { stream, expected, events, values, lazy } = pending;
  const first = firstOf(expected);
  const positions: Position[] = [];
  for (const [index, value] of values.entries()) {
    const event = events[index];
    if (!event) break;
    batch.last += 1;
    const count = batch.last;
    const revision = first + index;
    const position = positionOf(count);
    positions.push(position);
    batch.records.push({
      count,
      stream,
      revision,
      value,
      message: !lazy && event.octets !== undefined,
    });
    batch.rows.project(recorded(event, stream, revision, position));
  }
  const revision = first + positions.length - 1;
  batch.heads.set(stream, revision);
  batch.answers.push([pending, { outcome: 'appended', revision, positions }]);
}

/** Written out, since a spread here is a tenth of the cost of an append. */
function recorded(
  { id, type, at, data, octets, meta }: Candidate,
  stream: string,
  revision: number,
  position: Position,
): Recorded {
  return octets
    ? { stream, revision, position, id, type, at, data, octets, meta }
    : { stream, revision, position, id, type, at, data, meta };
}

/** The answer of the first time, when these events stand where they were to be appended. */
function repetition(log: LmdbLog, { stream, expected, events }: Pending): Append | undefined {
  const first = firstOf(expected);
  const positions: Position[] = [];
  for (const [index, { id }] of events.entries()) {
    const there = log.at(stream, first + index);
    if (there?.id !== id) return undefined;
    positions.push(there.position);
  }
  return { outcome: 'appended', revision: first + positions.length - 1, positions };
}

/** The revision of the first event of an append. */
export function firstOf(expected: ExpectedRevision): number {
  return expected === 'none' ? 0 : expected + 1;
}

function conflict(log: LmdbLog, stream: string): Append {
  return { outcome: 'conflict', head: log.headOf(stream) ?? 'none' };
}
