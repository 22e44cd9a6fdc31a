/** What a store that died finds at its next start, when the tables had not followed the log yet. */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterEach, describe, expect, test } from 'vitest';
import { openLmdbStore } from '../../../src/adapters/store/lmdb.ts';
import { catchUp } from '../../../src/adapters/store/lmdb-catch-up.ts';
import { groupCommit } from '../../../src/adapters/store/lmdb-commit.ts';
import { type Environment, openEnvironment } from '../../../src/adapters/store/lmdb-environment.ts';
import { lmdbLog } from '../../../src/adapters/store/lmdb-log.ts';
import { followed, logTail } from '../../../src/adapters/store/lmdb-tail.ts';
import {
  all,
  appendAll,
  NOTES,
  noted,
  notes,
  projections,
  rowsOf,
  type Store,
  TALLY,
} from './store-examples.ts';
import { newFolder } from './store-folder.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function opened(
  dir: string,
  options: Partial<Parameters<typeof openLmdbStore>[0]> = {},
): Promise<Store> {
  // No tail is written on account of its size.
  const store = await openLmdbStore({ dir, projections, tailSizeMax: 100_000, ...options });
  closing.push(() => store.close());
  return store;
}

/** The store as it lies on the disk at this moment, for one that starts after a crash. */
async function crashed(dir: string): Promise<string> {
  const left = await newFolder();
  cpSync(join(dir, 'data.mdb'), join(left, 'data.mdb'));
  const raw = open({ path: left, noSubdir: false, maxDbs: 80 });
  // This process lives, so its claim would count.
  await raw.openDB({ name: 'meta', encoding: 'json' }).remove('writer');
  await raw.close();
  rmSync(join(left, 'lock.mdb'), { force: true });
  return left;
}

async function followedIn(dir: string): Promise<unknown> {
  const raw = open({ path: dir, noSubdir: false, maxDbs: 80, readOnly: true });
  const count = raw.openDB({ name: 'meta', encoding: 'json' }).get('followed');
  await raw.close();
  return count ?? 0;
}

describe('a crash before the tail was written', () => {
  test('rows, revisions and repetitions are as they were answered', async () => {
    const dir = await newFolder();
    const first = await opened(dir);
    const event = noted({ add: ['sum', 2] });
    await first.append('mailbox-a', 'none', [event]);
    await appendAll(first, 'mailbox-b', noted({ put: ['k', 1] }));
    await appendAll(first, 'mailbox-b', noted({ remove: 'k' }), noted({ add: ['sum', 3] }));
    const rows = await rowsOf(first);
    const left = await crashed(dir);
    expect(await followedIn(left)).toBe(0);
    const again = await opened(left);
    expect(await rowsOf(again)).toEqual(rows);
    expect(await again.append('mailbox-a', 'none', [event])).toMatchObject({ revision: 0 });
    expect(await again.append('mailbox-b', 'none', [noted()])).toMatchObject({ head: 2 });
    expect(await all(again.read('mailbox-b', { from: 1 }))).toHaveLength(2);
    expect(await again.get(NOTES, 'sum')).toBe(5);
  });

  test('and another one after a view was built anew: no event counts twice', async () => {
    const dir = await newFolder();
    const first = await opened(dir, { projections: [notes] });
    await appendAll(first, 'mailbox-a', noted({ add: ['sum', 2] }), noted({ add: ['sum', 3] }));
    const left = await crashed(dir);
    // A release with one more view takes over, and dies before its first commit.
    const second = await opened(left);
    expect(await second.get(TALLY, 'mailbox-a')).toMatchObject({ events: 2 });
    const third = await opened(await crashed(left));
    expect(await third.get(TALLY, 'mailbox-a')).toMatchObject({ events: 2 });
    expect(await third.get(NOTES, 'sum')).toBe(5);
  });

  test('a reader makes up for it, whether a writer comes or not', async () => {
    const dir = await newFolder();
    const first = await opened(dir);
    await appendAll(first, 'mailbox-a', noted({ add: ['sum', 2] }));
    const left = await crashed(dir);
    const before = await opened(left, { readOnly: true });
    expect(await before.get(NOTES, 'sum')).toBe(2);
    expect((await before.last('mailbox-a'))?.revision).toBe(0);
    await before.close();
    const writer = await opened(left);
    const reader = await opened(left, { readOnly: true });
    await appendAll(writer, 'mailbox-a', noted({ add: ['sum', 3] }));
    expect(await reader.get(NOTES, 'sum')).toBe(5);
    expect(await reader.count(TALLY)).toBe(1);
    await writer.rebuild();
    expect(await reader.get(NOTES, 'sum')).toBe(5);
  });
});

describe('a commit that failed after it was written', () => {
  /** The commits of a store whose disk says of the first one that it failed. */
  async function doubted() {
    const dir = await newFolder();
    const env = openEnvironment({ dir, views: ['notes', 'tally'] });
    closing.push(() => env.close());
    let doubts = 1;
    const root = new Proxy(env.root, {
      get(target, name) {
        const member = Reflect.get(target, name);
        if (name !== 'batch') return typeof member === 'function' ? member.bind(target) : member;
        return async (put: () => void) => {
          await target.batch(put);
          doubts -= 1;
          if (doubts >= 0) throw new Error('lost the answer of the disk');
        };
      },
    });
    const doubtful: Environment = { ...env, root };
    const tail = logTail(doubtful);
    const log = lmdbLog(doubtful, tail);
    let unreadable = 0;
    const head = (): number => {
      unreadable -= 1;
      if (unreadable >= 0) throw new Error('the disk is gone');
      return log.head();
    };
    const options = { env: doubtful, log: { ...log, head }, tail, projections };
    const commits = groupCommit({ ...options, tailSizeMax: 100_000 }, () => {});
    closing.push(() => commits.close());
    const event = noted({ add: ['sum', 2] });
    const first = await commits.append('mailbox-a', 'none', [event], 'now');
    expect(first).toMatchObject({ outcome: 'unknown', reason: /lost the answer/ });
    const unplug = (): void => {
      unreadable = 1;
    };
    return { env, log, tail, commits, event, unplug };
  }

  test('and a log that cannot be read for a while → unknown, and the commits go on', async () => {
    const { tail, commits, event, unplug } = await doubted();
    unplug();
    const answers = [
      commits.append('mailbox-b', 'none', [noted({ add: ['sum', 3] })], 'now'),
      commits.append('mailbox-c', 'none', [noted({ add: ['sum', 4] })], 'next'),
    ];
    for (const answer of await Promise.all(answers)) {
      expect(answer).toMatchObject({ outcome: 'unknown', reason: /disk is gone/ });
    }
    const again = await commits.append('mailbox-a', 'none', [event], 'now');
    expect(again).toMatchObject({ outcome: 'appended', revision: 0 });
    expect(tail.row('notes', 'sum')).toBe(2);
  });

  test('appended again → the answer of the first time, and its rows once', async () => {
    const { tail, commits, event } = await doubted();
    const again = await commits.append('mailbox-a', 'none', [event], 'now');
    expect(again).toEqual({ outcome: 'appended', revision: 0, positions: ['000000000000001'] });
    expect(tail.row('notes', 'sum')).toBe(2);
    expect(tail.headOf('mailbox-a')).toBe(0);
  });

  test('what runs between commits, as a rebuild does, finds it followed', async () => {
    const { log, tail, commits } = await doubted();
    await commits.alone(async () => {
      expect(tail.upTo()).toBe(log.head());
      expect(tail.row('notes', 'sum')).toBe(2);
    });
    await commits.append('mailbox-b', 'none', [noted({ add: ['sum', 3] })], 'now');
    expect(tail.row('notes', 'sum')).toBe(5);
  });

  test('the end comes before anything else → the next start finds it', async () => {
    const { env, commits } = await doubted();
    await commits.close();
    const tail = logTail(env);
    catchUp({ log: lmdbLog(env, tail), tail, projections });
    expect(tail.row('notes', 'sum')).toBe(2);
    expect(followed(env)).toBeLessThanOrEqual(1);
  });
});
