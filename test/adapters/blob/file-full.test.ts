/** A disk that is full: a small one in memory, which only root may mount. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openFileBlobs } from '../../../src/adapters/blob/file.ts';
import type { BlobStore } from '../../../src/engine/ports.ts';
import { newFolder } from '../store/store-folder.ts';
import { contentOf, expectSame, listOf, octetsOf, putWhole, split } from './blob-examples.ts';

const DISK = await newFolder();
const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'restante-test', DISK]);
const MOUNTED = mount.status === 0;
if (!MOUNTED) {
  const why = mount.error?.message ?? mount.stderr.toString().trim();
  console.warn(`SKIPPED: nothing shows what a full disk does, for no small one is mounted: ${why}`);
}

afterAll(() => {
  if (!MOUNTED) return;
  // Lazily: a file that a failed test left open must not keep it mounted.
  const { status, stderr } = spawnSync('umount', ['-l', DISK]);
  if (status !== 0) throw new Error(`${DISK} is still mounted: ${stderr}`);
});

describe.skipIf(!MOUNTED)('a disk of 1 MiB', () => {
  let store: BlobStore;
  let dir: string;
  let folders = 0;
  beforeEach(async () => {
    folders += 1;
    dir = join(DISK, String(folders));
    store = await openFileBlobs({ dir });
  });
  afterEach(async () => {
    for (const sha256 of Object.keys(await listOf(store))) await store.remove(sha256, 0);
    await store.close();
  });

  const full = {
    outcome: 'full',
    reason: expect.stringMatching(/has no room for a content: ENOSPC.*make room there/),
  };

  test('a content of 2 MiB → full, nothing is left behind, the store works on', async () => {
    const content = octetsOf(2 * 1024 * 1024);
    const writer = store.create();
    for (const [at, octets] of split(content, 50_000)) writer.write(at, octets);
    expect(await writer.seal(content.length)).toEqual(full);
    expect(writer.unwrittenBytes).toBe(0);
    expect(readdirSync(join(dir, 'tmp'))).toEqual([]);
    expect(await listOf(store)).toEqual({});
    const smaller = content.subarray(0, 700_000);
    expectSame(await contentOf(store, await putWhole(store, smaller)), smaller);
  });

  test('who waits while much is unwritten is not left waiting', async () => {
    let wake = () => {};
    const writer = store.create(() => wake());
    for (const [at, octets] of split(octetsOf(3 * 1024 * 1024), 20_000)) {
      writer.write(at, octets);
      while (writer.unwrittenBytes > 60_000) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    expect(await writer.seal(3 * 1024 * 1024)).toEqual(full);
  });

  test('filled by many at once → what is sealed is right, and room comes back', async () => {
    const contents = Array.from({ length: 12 }, (_, seed) => octetsOf(150_000, seed));
    const sealed = await Promise.all(
      contents.map(async (content) => {
        const writer = store.create();
        for (const [at, octets] of split(content, 9_000)) writer.write(at, octets);
        return [await writer.seal(content.length), content] as const;
      }),
    );
    const kept = sealed.flatMap(([answer, content]) =>
      answer.outcome === 'sealed' ? [{ ...answer, content }] : [],
    );
    expect(kept.length).toBeLessThan(7);
    for (const [answer] of sealed) expect(['sealed', 'full']).toContain(answer.outcome);
    expect(readdirSync(join(dir, 'tmp'))).toEqual([]);
    expect(Object.keys(await listOf(store)).length).toBe(kept.length);
    for (const { sha256, content, release } of kept) {
      expectSame(await contentOf(store, sha256), content);
      release();
      expect(await store.remove(sha256, 0)).toBe(true);
    }
    await putWhole(store, octetsOf(900_000));
  });

  test('a full one → given up all the same', async () => {
    const writer = store.create();
    for (const [at, octets] of split(octetsOf(2 * 1024 * 1024), 50_000)) writer.write(at, octets);
    writer.discard();
    await store.close();
    expect(readdirSync(join(dir, 'tmp'))).toEqual([]);
  });
});
