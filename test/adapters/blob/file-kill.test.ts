import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { listContents, openFileBlobs } from '../../../src/adapters/blob/file.ts';
import { startChild } from '../store/child.ts';
import { SEED } from '../store/store-examples.ts';
import { newFolder } from '../store/store-folder.ts';
import { contentOf, shaOf } from './blob-examples.ts';

const CHILD = join(import.meta.dirname, 'blob-child.ts');
const ROUNDS = process.env.RESTANTE_VERIFY === '1' ? 40 : 4;
/** Each round reads all that the rounds before it left. */
const WITHIN_MS = 60_000 + ROUNDS * 10_000;

test(
  `${ROUNDS} kills at any moment lose nothing that was sealed`,
  async ({ task }) => {
    const dir = await newFolder();
    const sealed = new Map<string, number>();
    let unfinished = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      // Each round goes on in the folder that the one before left behind.
      const seed = SEED + round;
      const child = await startChild(CHILD, ['flood', dir, String(seed)]);
      const enough = 10 + ((seed * 48_271) % 150);
      await child.until((lines) => lines.length >= enough);
      child.process.kill('SIGKILL');
      expect((await child.ended).how).toBe('SIGKILL');
      for (const line of child.lines()) {
        const [, sha256 = '', bytes] = line.split(' ');
        sealed.set(sha256, Number(bytes));
      }
      unfinished += readdirSync(join(dir, 'tmp')).length;

      // What has a name is whole, sealed or not, before any store has looked at it.
      for await (const { sha256 } of listContents(dir)) {
        expect(shaOf(readFileSync(join(dir, sha256.slice(0, 2), sha256)))).toBe(sha256);
      }
      const store = await openFileBlobs({ dir });
      expect(readdirSync(join(dir, 'tmp'))).toEqual([]);
      for (const [sha256, bytes] of sealed) {
        expect((await contentOf(store, sha256))?.length, `round ${round}`).toBe(bytes);
      }
      await store.close();
    }
    const measured = `${ROUNDS} kills, ${sealed.size} contents sealed, ${unfinished} unfinished`;
    console.log(measured);
    Object.assign(task.meta, { measured });
  },
  WITHIN_MS,
);
