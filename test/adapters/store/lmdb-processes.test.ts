import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { describe, expect, test } from 'vitest';
import { openLmdbStore } from '../../../src/adapters/store/lmdb.ts';
import { startChild } from './child.ts';
import {
  all,
  appendAll,
  NOTES,
  noted,
  projections,
  rowsOf,
  scrambled,
  tally,
} from './store-examples.ts';
import { newFolder } from './store-folder.ts';

const CHILD = join(import.meta.dirname, 'lmdb-child.ts');
const STRACE = spawnSync('strace', ['-V']).status === 0;
if (!STRACE)
  console.warn('SKIPPED: the order of flush and answer is not checked, strace is missing');

describe('the LMDB store over its life', () => {
  test('opened again → events, rows and revisions are there, and go on', async () => {
    const dir = await newFolder();
    const first = await openLmdbStore({ dir, projections });
    await appendAll(first, 'mailbox-a', noted({ add: ['sum', 2] }), noted());
    const [events, rows] = [await all(first.readAll()), await rowsOf(first)];
    await first.close();
    const again = await openLmdbStore({ dir, projections });
    expect(await all(again.readAll())).toEqual(events);
    expect(await rowsOf(again)).toEqual(rows);
    await appendAll(again, 'mailbox-a', noted());
    expect((await again.last('mailbox-a'))?.revision).toBe(2);
    await again.close();
  });

  test('a store of format 1 is taken over as it is; its readers wait for that', async () => {
    const dir = await newFolder();
    const first = await openLmdbStore({ dir, projections });
    await appendAll(first, 'mailbox-a', noted({ add: ['sum', 2] }), noted());
    const rows = await rowsOf(first);
    await first.close();
    const raw = open({ path: dir, noSubdir: false, maxDbs: 80 });
    const meta = raw.openDB<unknown, string>({ name: 'meta', encoding: 'json' });
    await meta.put('format', 1);
    await meta.remove('followed');
    await raw.close();
    const reader = openLmdbStore({ dir, projections, readOnly: true });
    await expect(reader).rejects.toThrow(/older release: start the server/);
    const again = await openLmdbStore({ dir, projections });
    expect(await rowsOf(again)).toEqual(rows);
    await appendAll(again, 'mailbox-a', noted({ add: ['sum', 1] }));
    expect(await again.get(NOTES, 'sum')).toBe(3);
    await again.close();
  });

  test('closing flushes what was accepted, the unhurried too', async () => {
    const dir = await newFolder();
    const store = await openLmdbStore({ dir, projections });
    const answers = [
      store.append('signal-n', 'none', [noted()], { flush: 'next' }),
      store.append('mailbox-a', 'none', [noted()]),
      store.append('mailbox-a', 'none', [noted()]),
    ];
    await store.close();
    const outcomes = (await Promise.all(answers)).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(['appended', 'appended', 'conflict']);
    const again = await openLmdbStore({ dir, projections });
    expect(await all(again.readAll())).toHaveLength(2);
    await again.close();
  });

  test('a projection that is new or was raised is built at open, with progress', async () => {
    const dir = await newFolder();
    const first = await openLmdbStore({ dir, projections: [tally] });
    await appendAll(first, 'mailbox-a', noted({ add: ['sum', 2] }), noted({ add: ['sum', 3] }));
    await first.close();
    const seen: number[] = [];
    const progress = (events: number) => seen.push(events);
    const second = await openLmdbStore({ dir, projections, progress });
    expect(await second.get(NOTES, 'sum')).toBe(5);
    await second.close();
    const raised = projections.map((projection) => ({
      ...projection,
      version: 2,
      project: () => [],
    }));
    const third = await openLmdbStore({ dir, projections: raised, progress });
    expect(await rowsOf(third)).toEqual({ notes: [], tally: [] });
    await third.close();
    await (await openLmdbStore({ dir, projections: raised, progress })).close();
    expect(seen).toEqual([2, 2]);
  });

  test('a store of a newer format is refused, with what to do', async () => {
    const dir = await newFolder();
    await (await openLmdbStore({ dir, projections })).close();
    const root = open({ path: dir, noSubdir: false });
    await root.openDB({ name: 'meta', encoding: 'json' }).put('format', 99);
    await root.close();
    await expect(openLmdbStore({ dir, projections })).rejects.toThrow(/format 99.*later/);
  });

  test('a folder that holds no store, or cannot be one, is refused', async () => {
    const dir = await newFolder();
    const nowhere = join(dir, 'nowhere');
    const reading = openLmdbStore({ dir: nowhere, projections, readOnly: true });
    await expect(reading).rejects.toThrow(/nowhere.*Name the folder/);
    const inFile = openLmdbStore({ dir: join(CHILD, 'store'), projections });
    await expect(inFile).rejects.toThrow(/Check that the folder/);
  });

  test('grows beyond the size that it began with', async () => {
    const dir = await newFolder();
    const store = await openLmdbStore({ dir, projections, mapSizeBytes: 1024 * 1024 });
    const octets = scrambled(200_000, 1);
    for (let index = 0; index < 40; index += 1) {
      const events = Array.from({ length: 4 }, () => noted({}, octets));
      await appendAll(store, `mailbox-${index}`, ...events);
    }
    expect(await all(store.readAll())).toHaveLength(160);
    await store.close();
  });
});

describe('the LMDB store and other processes', () => {
  test('one reads on while the other writes, and misses nothing', async () => {
    const dir = await newFolder();
    const store = await openLmdbStore({ dir, projections });
    const count = 25_000;
    const reader = await startChild(CHILD, ['follow', dir, String(count)]);
    await reader.until((lines) => lines.includes('open'));
    for (let batch = 0; batch < count / 500; batch += 1) {
      const events = Array.from({ length: 500 }, () => noted({ add: ['sum', 1] }));
      await store.append(`mailbox-${batch}`, 'none', events);
    }
    expect(await reader.ended).toEqual({ how: 0, errors: '' });
    expect(reader.lines().at(-1)).toBe(`saw ${count}`);
    await store.close();
  });

  test('a reader cannot append', async () => {
    const dir = await newFolder();
    const store = await openLmdbStore({ dir, projections });
    const reader = await openLmdbStore({ dir, projections, readOnly: true });
    await appendAll(store, 'mailbox-a', noted({ add: ['sum', 1] }));
    expect(await reader.get(NOTES, 'sum')).toBe(1);
    await expect(reader.append('mailbox-a', 0, [noted()])).rejects.toThrow(/read-only/);
    await reader.close();
    await store.close();
  });

  test('a second writer is refused with the process id of the first; a dead one is not', async () => {
    const dir = await newFolder();
    const writer = await startChild(CHILD, ['write', dir, '1']);
    await writer.until((lines) => lines.length > 0);
    await expect(openLmdbStore({ dir, projections })).rejects.toThrow(
      new RegExp(`process ${writer.process.pid} writes to the store.*stop it first`),
    );
    writer.process.kill('SIGKILL');
    await writer.ended;
    const store = await openLmdbStore({ dir, projections });
    await expect(openLmdbStore({ dir, projections })).rejects.toThrow(/this process/);
    await store.close();
  });

  test('a disk that is full → never a false answer, and what was acknowledged stays', async () => {
    const dir = await newFolder();
    // ulimit -f counts blocks of 1 KiB in bash: the file may grow to 1 MiB.
    const limited = ['bash', '-c', 'ulimit -f 1024 && exec "$0" "$@"'];
    const child = await startChild(CHILD, ['fill', dir, '40'], limited);
    const { how, errors } = await child.ended;
    const outcomes = child.lines().filter((line) => line !== 'open');
    expect({ how, outcomes: outcomes.length }, errors).toEqual({ how: 0, outcomes: 40 });
    const appended = outcomes.filter((outcome) => outcome === 'appended').length;
    expect(appended).toBeGreaterThan(3);
    expect(outcomes).toContain('unknown');
    const store = await openLmdbStore({ dir, projections });
    expect((await all(store.readAll())).length).toBeGreaterThanOrEqual(appended);
    const rows = await rowsOf(store);
    await store.rebuild();
    expect(await rowsOf(store)).toEqual(rows);
    await store.close();
  });

  test.skipIf(!STRACE)(
    'an answer leaves after the flush, and a store that does not flush is found out',
    async () => {
      const flushesBeforeAnswers = async (noSync: string) => {
        const dir = await newFolder();
        const trace = join(dir, 'trace');
        const prefix = ['env', `RESTANTE_TEST_NO_SYNC=${noSync}`];
        prefix.push('strace', '-f', '-o', trace, '-e', 'trace=fdatasync,fsync,msync,write');
        const child = await startChild(CHILD, ['fill', join(dir, 'store'), '5'], prefix);
        expect((await child.ended).how).toBe(0);
        const calls = readFileSync(trace, 'latin1').split('\n');
        let flushed = 0;
        return calls.slice(calls.findIndex((call) => call.includes('"open'))).flatMap((call) => {
          if (/f(data)?sync.* = 0/.test(call)) flushed += 1;
          if (!call.includes('"appended')) return [];
          const flushes = flushed;
          flushed = 0;
          return [flushes];
        });
      };
      const flushes = await flushesBeforeAnswers('0');
      expect(flushes).toHaveLength(5);
      expect(Math.min(...flushes)).toBeGreaterThan(0);
      expect(Math.max(...(await flushesBeforeAnswers('1')))).toBe(0);
    },
  );
});
