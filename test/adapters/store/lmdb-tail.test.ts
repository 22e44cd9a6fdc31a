/** The tail of the log by itself: what waits, what is on its way, and the tables, seen as one. */
import fc from 'fast-check';
import { ABORT } from 'lmdb';
import { afterEach, describe, expect, test } from 'vitest';
import { type Environment, openEnvironment } from '../../../src/adapters/store/lmdb-environment.ts';
import {
  followed,
  type LogTail,
  logTail,
  writeTail,
} from '../../../src/adapters/store/lmdb-tail.ts';
import { type Range, STREAM_BYTES_MAX } from '../../../src/engine/ports.ts';
import { SEED } from './store-examples.ts';
import { newFolder } from './store-folder.ts';

const open: Environment[] = [];
afterEach(async () => {
  for (const env of open.splice(0)) await env.close();
});

async function opened(): Promise<{ env: Environment; tail: LogTail }> {
  const env = openEnvironment({ dir: await newFolder(), views: ['notes'] });
  open.push(env);
  return { env, tail: logTail(env) };
}

const rowsOf = (changes: readonly (readonly [string, unknown])[]) =>
  new Map([['notes', new Map(changes)]]);

/** What the tail must say, without layers. */
interface Model {
  readonly rows: Map<string, unknown>;
  readonly streams: Map<string, number[]>;
  count: number;
}

function expectSame(tail: LogTail, model: Model, ranges: readonly Range[]): void {
  const sorted = [...model.rows].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const range of ranges) {
    const { from = '', to = '\x7f', limit = Number.POSITIVE_INFINITY, reverse } = range;
    const within = sorted.filter(([key]) => key >= from && key < to);
    if (reverse) within.reverse();
    expect(tail.range('notes', range), JSON.stringify(range)).toEqual(within.slice(0, limit));
  }
  expect(tail.range('notes')).toEqual(sorted);
  expect(tail.count('notes')).toBe(sorted.length);
  for (const key of KEYS) expect(tail.row('notes', key), key).toEqual(model.rows.get(key));
  for (const stream of STREAMS) {
    const counts = model.streams.get(stream) ?? [];
    expect(tail.headOf(stream)).toBe(counts.length === 0 ? undefined : counts.length - 1);
    expect(tail.places(stream, 0, 1_000)).toEqual(counts);
    expect(tail.places(stream, 1, 2)).toEqual(counts.slice(1, 3));
    expect(tail.place(stream, counts.length - 1)).toBe(counts.at(-1));
    expect(tail.place(stream, counts.length)).toBeUndefined();
  }
  expect(tail.upTo()).toBe(model.count);
}

const KEYS = ['a', 'a/1', 'a/10', 'a/2', 'b', 'c', '~'];
const STREAMS = ['mailbox-a', 'mailbox-a-b', 'delivery-c'];
const key = fc.constantFrom(...KEYS);
const take = fc.record({
  kind: fc.constant('take' as const),
  changes: fc.array(fc.tuple(key, fc.option(fc.nat(9), { nil: undefined })), { maxLength: 4 }),
  streams: fc.array(fc.constantFrom(...STREAMS), { maxLength: 3 }),
});
/** A commit that takes the tail along, and how it goes; looked at while it is on its way, too. */
const leave = fc.record({
  kind: fc.constant('leave' as const),
  ends: fc.constantFrom('written' as const, 'failed' as const, 'doubtful' as const),
});
const range: fc.Arbitrary<Range> = fc.record(
  {
    from: fc.constantFrom('', 'a', 'a/', 'a/1', 'b', 'd'),
    to: fc.constantFrom('a', 'a/2', 'a0', 'b', '\x7f'),
    limit: fc.nat(4),
    reverse: fc.boolean(),
  },
  { requiredKeys: [] },
);

describe('the tail and its tables are one', () => {
  test('in any history of rows that come and go, and of commits that fail or are in doubt', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 3, arbitrary: take }, leave), { maxLength: 12 }),
        fc.array(range, { minLength: 1, maxLength: 4 }),
        async (steps, ranges) => {
          const { env, tail } = await opened();
          const model: Model = { rows: new Map(), streams: new Map(), count: 0 };
          for (const step of steps) {
            if (step.kind === 'leave') await leaving(env, tail, step.ends, () => look());
            else taken(tail, model, step);
            look();
          }
          // What the tables say alone, after the end and a new start.
          await writeTail(env, tail);
          expect(tail.size()).toBe(0);
          expectSame(logTail(env), model, ranges);
          await env.close();
          open.pop();

          function look(): void {
            expectSame(tail, model, ranges);
          }
        },
      ),
      { seed: SEED, numRuns: 100 },
    );
  });

  test('the longest name of a stream has its place in the index', async () => {
    const { env, tail } = await opened();
    const stream = 'ü'.repeat(STREAM_BYTES_MAX / 2);
    tail.take([{ stream, revision: 2 ** 52, count: 1 }], rowsOf([]));
    await writeTail(env, tail);
    expect(logTail(env).place(stream, 2 ** 52)).toBe(1);
  });

  test('a transaction that could not even be put together takes nothing with it', async () => {
    const { env, tail } = await opened();
    tail.take([{ stream: 'mailbox-a', revision: 0, count: 1 }], rowsOf([['a', 1]]));
    // The commit failed before it came to the tail.
    tail.failed();
    expect(tail.row('notes', 'a')).toBe(1);
    expect(tail.headOf('mailbox-a')).toBe(0);
    await writeTail(env, tail);
    expect(logTail(env).row('notes', 'a')).toBe(1);
    expect(followed(env)).toBe(1);
  });
});

function taken(
  tail: LogTail,
  model: Model,
  { changes, streams }: { changes: [string, number | undefined][]; streams: string[] },
): void {
  const placed = streams.map((stream) => {
    const counts = model.streams.get(stream) ?? [];
    model.streams.set(stream, counts);
    model.count += 1;
    counts.push(model.count);
    return { stream, revision: counts.length - 1, count: model.count };
  });
  const before = tail.size();
  tail.take(placed, rowsOf(changes));
  expect(tail.size()).toBeGreaterThanOrEqual(before + placed.length);
  for (const [key, row] of changes) {
    if (row === undefined) model.rows.delete(key);
    else model.rows.set(key, row);
  }
}

async function leaving(
  env: Environment,
  tail: LogTail,
  ends: 'written' | 'failed' | 'doubtful',
  look: () => void,
): Promise<void> {
  if (ends === 'failed') {
    env.root.transactionSync(() => {
      tail.write();
      return ABORT;
    });
    tail.failed();
    return;
  }
  const flushed = env.root.batch(() => tail.write());
  look();
  await flushed;
  look();
  if (ends === 'written') tail.written();
  else tail.failed();
}
