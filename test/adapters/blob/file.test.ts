import {
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listContents, openFileBlobs } from '../../../src/adapters/blob/file.ts';
import { openContent } from '../../../src/adapters/blob/file-reader.ts';
import type { BlobStore } from '../../../src/engine/ports.ts';
import { newFolder } from '../store/store-folder.ts';
import {
  contentOf,
  expectSame,
  keptOf,
  listOf,
  octetsOf,
  put,
  putWhole,
  shaOf,
  split,
} from './blob-examples.ts';
import { blobStoreContract } from './blob-store.contract.ts';
import { splitsAndOrders } from './splits.contract.ts';

const MIB = 1024 * 1024;

describe('the file store keeps the contract of contents', () => {
  blobStoreContract(async (now) => openFileBlobs({ dir: await newFolder(), now }));
  splitsAndOrders(async (now) => openFileBlobs({ dir: await newFolder(), now }));
});

describe('the file store', () => {
  let dir: string;
  let store: BlobStore;
  beforeEach(async () => {
    dir = join(await newFolder(), 'made', 'anew');
    store = await openFileBlobs({ dir });
  });
  afterEach(() => store.close());

  const pathOf = (sha256: string) => join(dir, sha256.slice(0, 2), sha256);
  const unfinished = () => readdirSync(join(dir, 'tmp'));

  test('a content is a file of its name, and what has a name is never unfinished', async () => {
    const content = octetsOf(200_000);
    const writer = store.create();
    writer.write(0, content);
    const given = store.create();
    given.write(0, content);
    given.discard();
    const { sha256 } = keptOf(await writer.seal(150_000));
    expect(readFileSync(pathOf(sha256)).compare(content, 0, 150_000)).toBe(0);
    await store.close();
    expect(unfinished()).toEqual([]);
  });

  test('closed and opened again → contents are there, and count as sealed at the open', async () => {
    const content = octetsOf(600_000);
    const { sha256 } = await put(store, split(content, 10_000), content.length);
    await store.close();
    let elapsedMs = 1_000_000;
    store = await openFileBlobs({ dir, now: () => elapsedMs });
    expectSame(await contentOf(store, sha256), content);
    elapsedMs += 59_999;
    expect(await store.remove(sha256, 60_000)).toBe(false);
    elapsedMs += 1;
    expect(await store.remove(sha256, 60_000)).toBe(true);
    expect(await listOf(store)).toEqual({});
  });

  test('what a crash left unfinished is removed at the open, what is not ours is not listed', async () => {
    const sha256 = await putWhole(store, octetsOf(10));
    store.create().write(0, octetsOf(20));
    await expect.poll(() => unfinished().length).toBe(1);
    writeFileSync(join(dir, 'tmp', '99'), 'left behind');
    writeFileSync(join(dir, 'notes.txt'), 'of somebody else');
    writeFileSync(join(dir, sha256.slice(0, 2), 'notes.txt'), 'of somebody else');
    const other = await openFileBlobs({ dir });
    expect(unfinished()).toEqual([]);
    expect(await listOf(other)).toEqual({ [sha256]: 10 });
    await other.close();
  });

  test('who only reads opens a content beside the writing process', async () => {
    const content = octetsOf(5_000);
    const writer = store.create();
    writer.write(0, content);
    const sha256 = await putWhole(store, content);
    const reader = await openContent(pathOf(sha256), sha256);
    expect((await reader?.next(9_999))?.length).toBe(5_000);
    await reader?.close();
    for await (const found of listContents(dir)) expect(found).toEqual({ sha256, bytes: 5_000 });
    expect(await writer.seal(5_000)).toMatchObject({ outcome: 'sealed' });
  });

  test('a folder that cannot be made → rejected, with its path', async () => {
    const file = join(await newFolder(), 'file');
    writeFileSync(file, '');
    await expect(openFileBlobs({ dir: join(file, 'below') })).rejects.toThrow(file);
  });

  test('unwrittenBytes tells all that is not on the disk, so memory is bounded by who asks', async () => {
    const most = 2 * MIB;
    const piece = octetsOf(64 * 1024);
    let wake = () => {};
    const writer = store.create(() => wake());
    const onDisk = () => unfinished().map((name) => statSync(join(dir, 'tmp', name)).size)[0] ?? 0;
    let waits = 0;
    let highest = 0;
    for (let given = piece.length; given <= 64 * MIB; given += piece.length) {
      writer.write(given - piece.length, piece);
      highest = Math.max(highest, writer.unwrittenBytes);
      expect(given - onDisk()).toBeLessThanOrEqual(writer.unwrittenBytes);
      while (writer.unwrittenBytes > most) {
        waits += 1;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
    const { sha256 } = keptOf(await writer.seal(64 * MIB));
    expect(statSync(pathOf(sha256)).size).toBe(64 * MIB);
    expect(highest).toBeLessThanOrEqual(most + piece.length);
    expect(waits).toBeGreaterThan(0);
  });

  describe('damage on the disk is found before the last octets are given', () => {
    const content = octetsOf(MIB + 77);
    let sha256: string;
    beforeEach(async () => {
      sha256 = await putWhole(store, content);
    });

    /** What is given before the reader says what is wrong, and what it says. */
    async function outcome(): Promise<readonly [given: number, why: string]> {
      const reader = await store.open(sha256);
      let given = 0;
      try {
        for (let view = await reader?.next(30_000); view; view = await reader?.next(30_000)) {
          given += view.length;
        }
        return [given, 'nothing'];
      } catch (error) {
        await expect(reader?.next(1)).rejects.toThrow((error as Error).message);
        return [given, (error as Error).message];
      } finally {
        await reader?.close();
      }
    }

    test.each([0, 500_000, content.length - 1])('octet %i flipped', async (at) => {
      const octets = readFileSync(pathOf(sha256));
      octets[at] = (octets[at] ?? 0) ^ 1;
      writeFileSync(pathOf(sha256), octets);
      const [given, why] = await outcome();
      expect(given).toBeLessThan(content.length);
      expect(why).toContain(`the content ${sha256} is damaged: the digest`);
      expect(why).toContain(`Restore ${pathOf(sha256)} from a backup`);
    });

    test.each([0, 1, 262_144, content.length - 1])('cut to %i octets', async (bytes) => {
      truncateSync(pathOf(sha256), bytes);
      const [given, why] = await outcome();
      expect(given).toBeLessThan(Math.max(1, bytes));
      expect(why).toContain('is damaged');
    });

    test('one octet too many', async () => {
      writeFileSync(pathOf(sha256), '!', { flag: 'a' });
      const [given, why] = await outcome();
      expect(given).toBeLessThan(content.length);
      expect(why).toContain('is damaged');
    });

    test('cut while it is read', async () => {
      const reader = await store.open(sha256);
      await reader?.next(10);
      truncateSync(pathOf(sha256), 300_000);
      const rest = async () => {
        while (await reader?.next(100_000));
      };
      await expect(rest()).rejects.toThrow(/is damaged: it ends after \d+ of 1048653 octets/);
      await reader?.close();
    });

    test('and mended by who stores the same content again', async () => {
      truncateSync(pathOf(sha256), 5);
      await putWhole(store, content);
      expectSame(await contentOf(store, sha256), content);
    });
  });

  test('a folder stands where the file should be → failed, nothing left', async () => {
    const content = octetsOf(9);
    mkdirSync(pathOf(shaOf(content)), { recursive: true });
    const writer = store.create();
    writer.write(0, content);
    const reason = expect.stringContaining(`not stored in ${dir}: EISDIR`);
    expect(await writer.seal(9)).toEqual({ outcome: 'failed', reason });
    expect(unfinished()).toEqual([]);
  });
});
