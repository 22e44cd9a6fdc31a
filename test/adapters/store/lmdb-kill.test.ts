import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openLmdbStore } from '../../../src/adapters/store/lmdb.ts';
import { startChild } from './child.ts';
import { all, projections, rowsOf, SEED } from './store-examples.ts';
import { newFolder } from './store-folder.ts';

const CHILD = join(import.meta.dirname, 'lmdb-child.ts');
const ROUNDS = Number(process.env.RESTANTE_KILL_ROUNDS ?? 5);

test(`${ROUNDS} kills at any moment lose nothing that was acknowledged`, async () => {
  const dir = await newFolder();
  const acknowledged = new Map<string, number>();
  let events = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    // Each round goes on in the store that the one before left behind.
    const seed = SEED + round;
    const child = await startChild(CHILD, ['write', dir, String(seed)]);
    const enough = 20 + ((seed * 48_271) % 1_500);
    await child.until((lines) => lines.length >= enough);
    child.process.kill('SIGKILL');
    expect((await child.ended).how).toBe('SIGKILL');
    for (const line of child.lines()) {
      const [stream = '', revision] = line.split(' ');
      acknowledged.set(stream, Math.max(Number(revision), acknowledged.get(stream) ?? -1));
    }

    const store = await openLmdbStore({ dir, projections });
    for (const [stream, revision] of acknowledged) {
      const last = await store.last(stream);
      expect(last?.revision, `round ${round}, ${stream}`).toBeGreaterThanOrEqual(revision);
    }
    const heads = new Map<string, number>();
    for (const { stream, revision, position } of await all(store.readAll())) {
      expect(revision, position).toBe((heads.get(stream) ?? -1) + 1);
      heads.set(stream, revision);
    }
    const survived = await rowsOf(store);
    const rebuilt = await store.rebuild();
    expect(survived).toEqual(await rowsOf(store));
    expect(rebuilt.events).toBeGreaterThan(events);
    events = rebuilt.events;
    await store.close();
  }
});
