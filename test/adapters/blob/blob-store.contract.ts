import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BlobStore } from '../../../src/engine/ports.ts';
import {
  contentOf,
  expectSame,
  keptOf,
  listOf,
  octetsOf,
  type Piece,
  put,
  putWhole,
  shaOf,
  split,
} from './blob-examples.ts';

const HOSTILE = [
  '',
  '.',
  '../../etc/passwd',
  `../${'a'.repeat(61)}`,
  'A'.repeat(64),
  'a'.repeat(63),
  'a'.repeat(65),
  `${'a'.repeat(64)}\n`,
  `${'a'.repeat(63)}\u0000`,
  `${'a'.repeat(63)}/`,
];

/** What every store must do with contents, whatever it is made of. */
export function blobStoreContract(open: (now: () => number) => Promise<BlobStore>): void {
  let store: BlobStore;
  let elapsedMs: number;
  beforeEach(async () => {
    elapsedMs = 0;
    store = await open(() => elapsedMs);
  });
  afterEach(() => store.close());

  describe('a content', () => {
    const large = octetsOf(1_300_013);
    const reversed = (pieces: readonly Piece[]) => [...pieces].reverse();

    test.each<[string, number, readonly Piece[]]>([
      ['in one piece', large.length, [[0, large]]],
      ['in order', large.length, split(large, 9_973)],
      ['in small pieces', 30_000, split(large.subarray(0, 30_000), 7)],
      ['backwards', large.length, reversed(split(large, 65_536))],
      ['the first piece last', large.length, [...split(large, 65_536).slice(1), [0, large]]],
      ['over something else', large.length, [[0, octetsOf(1_300_000, 1)], ...split(large, 70_001)]],
      [
        'a piece of it replaced when it was whole',
        large.length,
        [
          [0, large],
          [500_000, octetsOf(9, 3)],
          [500_000, large.subarray(500_000, 500_009)],
        ],
      ],
      ['cut at the seal', 700_000, split(large, 65_536)],
      ['cut at the seal, backwards', 700_000, reversed(split(large, 65_536))],
      ['cut to nothing', 0, split(large, 65_536)],
      ['of nothing', 0, []],
      ['of nothing, written', 0, [[0, new Uint8Array()]]],
      [
        'with pieces of nothing',
        4,
        [
          [0, large.subarray(0, 4)],
          [2, new Uint8Array()],
        ],
      ],
      ['of one octet', 1, [[0, large.subarray(0, 1)]]],
    ])('%s → its octets under their digest', async (_, bytes, pieces) => {
      const content = large.subarray(0, bytes);
      const kept = await put(store, pieces, bytes);
      expect(kept).toMatchObject({ sha256: shaOf(content), bytes });
      expectSame(await contentOf(store, kept.sha256), content);
      expect(await listOf(store)).toEqual({ [kept.sha256]: bytes });
    });

    test('overlapping → what came last counts', async () => {
      const pieces: Piece[] = [
        [0, Uint8Array.of(1, 1, 1, 1)],
        [2, Uint8Array.of(2, 2, 2, 2)],
        [1, Uint8Array.of(3, 3)],
        [5, Uint8Array.of(4, 4)],
        [3, Uint8Array.of(5)],
      ];
      const { sha256 } = await put(store, pieces, 7);
      expect(await contentOf(store, sha256)).toEqual(Uint8Array.of(1, 3, 3, 5, 2, 4, 4));
    });

    test('is seen by nobody before it is sealed', async () => {
      const content = octetsOf(70_000);
      const writer = store.create();
      writer.write(0, content);
      expect(await store.open(shaOf(content))).toBeUndefined();
      expect(await listOf(store)).toEqual({});
      keptOf(await writer.seal(content.length));
      expectSame(await contentOf(store, shaOf(content)), content);
    });

    test('twice, one after the other and at once → kept once, sealed each time', async () => {
      const content = octetsOf(300_000);
      const first = await put(store, [[0, content]], content.length);
      const others = await Promise.all(
        [50_000, 300_000, 7_000].map((bytes) => put(store, split(content, bytes), content.length)),
      );
      for (const other of others) expect(other.sha256).toBe(first.sha256);
      expectSame(await contentOf(store, first.sha256), content);
      expect(await listOf(store)).toEqual({ [first.sha256]: content.length });
    });

    test('beside another, in turns → both as they are', async () => {
      const [one, other] = [octetsOf(200_000, 1), octetsOf(150_000, 2)];
      const [writer, second] = [store.create(), store.create()];
      for (const [at, octets] of split(one, 1_000)) {
        writer.write(at, octets);
        if (at < other.length) second.write(at, other.subarray(at, at + 1_000));
      }
      const sealed = await Promise.all([writer.seal(one.length), second.seal(other.length)]);
      const names = sealed.map((answer) => keptOf(answer).sha256);
      expect(names).toEqual([shaOf(one), shaOf(other)]);
      expectSame(await contentOf(store, shaOf(one)), one);
      expectSame(await contentOf(store, shaOf(other)), other);
    });

    test('from who stops while much is unwritten → gets in, all of it written', async () => {
      const content = octetsOf(3_000_000);
      let wake = () => {};
      let called = 0;
      const writer = store.create(() => {
        called += 1;
        wake();
      });
      for (const [at, octets] of split(content, 20_000)) {
        const before = writer.unwrittenBytes;
        writer.write(at, octets);
        const taken = writer.unwrittenBytes - before;
        expect([0, octets.length]).toContain(taken);
        while (writer.unwrittenBytes > 100_000) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
      const { sha256 } = keptOf(await writer.seal(content.length));
      expect(writer.unwrittenBytes).toBe(0);
      expect(sha256).toBe(shaOf(content));
      const calls = called;
      writer.write(0, content);
      expect([writer.unwrittenBytes, called]).toEqual([0, calls]);
    });

    test.each([
      ['more octets than were written', 10, 0],
      ['a number of octets that is none', Number.NaN, 0],
      ['less than nothing', -1, 0],
      ['octets before the first place', 9, -1],
      ['octets between two places', 9, 0.5],
    ])('sealed with %s → failed with a reason, the store goes on', async (_, bytes, at) => {
      const writer = store.create();
      writer.write(0, octetsOf(9));
      writer.write(at, octetsOf(9));
      const reason = expect.stringMatching(/octets/);
      expect(await writer.seal(bytes)).toEqual({ outcome: 'failed', reason });
      expect(writer.unwrittenBytes).toBe(0);
      expect(await listOf(store)).toEqual({});
      await putWhole(store, octetsOf(9));
    });

    test('sealed twice → the first answer; what comes behind changes nothing', async () => {
      const content = octetsOf(5_000);
      const writer = store.create();
      writer.write(0, content);
      const sealing = writer.seal(content.length);
      writer.write(0, octetsOf(5_000, 1));
      writer.discard();
      const again = await writer.seal(3);
      expect(again).toBe(await sealing);
      expectSame(await contentOf(store, keptOf(again).sha256), content);
    });

    test('given up → nothing of it is there, a seal fails, the store goes on', async () => {
      const content = octetsOf(2_500_000);
      const writer = store.create();
      for (const [at, octets] of split(content, 50_000)) writer.write(at, octets);
      writer.discard();
      writer.discard();
      writer.write(0, content);
      expect(await writer.seal(content.length)).toMatchObject({ outcome: 'failed' });
      expect(writer.unwrittenBytes).toBe(0);
      store.create().discard();
      expect(await listOf(store)).toEqual({});
      expect(await store.open(shaOf(content))).toBeUndefined();
      await putWhole(store, content);
    });
  });

  describe('reading', () => {
    const content = octetsOf(600_000);
    let sha256: string;
    beforeEach(async () => {
      sha256 = await putWhole(store, content);
    });

    test.each([1_000, 262_144, 262_145, 600_000, 10 ** 9])('%i octets at a time', async (step) => {
      expectSame(await contentOf(store, sha256, step), content);
    });

    test('octet by octet', async () => {
      const short = octetsOf(300);
      expectSame(await contentOf(store, await putWhole(store, short), 1), short);
    });

    test('what was given stays as it is; behind the end there is nothing, ever', async () => {
      const reader = await store.open(sha256);
      const first = await reader?.next(10);
      let given = first?.length ?? 0;
      while (given < content.length) given += (await reader?.next(100_000))?.length ?? 0;
      expect(await reader?.next(1)).toBeUndefined();
      expect(await reader?.next(1)).toBeUndefined();
      expectSame(first, content.subarray(0, 10));
      await reader?.close();
    });

    test('two at once, each in its own steps', async () => {
      const both = [contentOf(store, sha256, 70_000), contentOf(store, sha256, 1_234)];
      for (const back of await Promise.all(both)) expectSame(back, content);
    });

    test('less than one octet → rejected, the reader goes on', async () => {
      const reader = await store.open(sha256);
      await expect(reader?.next(0)).rejects.toThrow(/ask for one or more/);
      await expect(reader?.next(Number.NaN)).rejects.toThrow(/ask for one or more/);
      expect((await reader?.next(5))?.length).toBe(5);
      await reader?.close();
    });

    test('given up half way, closed twice → then rejected', async () => {
      const reader = await store.open(sha256);
      await reader?.next(5);
      await reader?.close();
      await reader?.close();
      await expect(reader?.next(5)).rejects.toThrow(/closed/);
    });

    test('goes on when the content is removed', async () => {
      const reader = await store.open(sha256);
      const first = await reader?.next(100);
      expect(await store.remove(sha256, 0)).toBe(true);
      const rest: Uint8Array[] = [];
      for (let view = await reader?.next(9_999); view; view = await reader?.next(9_999)) {
        rest.push(view);
      }
      await reader?.close();
      expectSame(Buffer.concat([first ?? octetsOf(1), ...rest]), content);
    });
  });

  describe('removing', () => {
    const content = octetsOf(1_000);

    test('a content → it is gone, the others stay, it may come back', async () => {
      const sha256 = await putWhole(store, content);
      const other = await putWhole(store, octetsOf(1_001));
      expect(await listOf(store)).toEqual({ [sha256]: 1_000, [other]: 1_001 });
      expect(await store.remove(sha256, 0)).toBe(true);
      expect(await store.open(sha256)).toBeUndefined();
      expect(await listOf(store)).toEqual({ [other]: 1_001 });
      await putWhole(store, content);
      expectSame(await contentOf(store, sha256), content);
    });

    test('what a seal holds → it stays until each seal is released, each counted once', async () => {
      const first = await put(store, [[0, content]], content.length);
      const second = await put(store, [[0, content]], content.length);
      const remove = async () => store.remove(first.sha256, 0);
      expect(await remove()).toBe(false);
      first.release();
      first.release();
      expect(await remove()).toBe(false);
      expectSame(await contentOf(store, first.sha256), content);
      second.release();
      expect(await remove()).toBe(true);
      const third = await put(store, [[0, content]], content.length);
      second.release();
      expect(await remove()).toBe(false);
      third.release();
      expect(await remove()).toBe(true);
    });

    test('what was sealed within the time → it stays; a seal begins the time anew', async () => {
      elapsedMs = 10_000;
      const sha256 = await putWhole(store, content);
      elapsedMs += 59_999;
      expect(await store.remove(sha256, 60_000)).toBe(false);
      await putWhole(store, content);
      elapsedMs += 59_999;
      expect(await store.remove(sha256, 60_000)).toBe(false);
      expectSame(await contentOf(store, sha256), content);
      elapsedMs += 1;
      expect(await store.remove(sha256, 60_000)).toBe(true);
    });

    test('what is not there → true, for it is not', async () => {
      expect(await store.open(shaOf(content))).toBeUndefined();
      expect(await store.remove(shaOf(content), 60_000)).toBe(true);
      elapsedMs = 100_000;
      expect(await store.remove(shaOf(content), 60_000)).toBe(true);
      expect(await store.remove(shaOf(content), 60_000)).toBe(true);
    });

    test.each(HOSTILE)('the name %j names nothing', async (name) => {
      expect(await store.open(name)).toBeUndefined();
      expect(await store.remove(name, 0)).toBe(false);
    });

    test('while the same content is sealed → what was sealed is there', async () => {
      for (let round = 0; round < 30; round += 1) {
        const sha256 = await putWhole(store, content);
        const writer = store.create();
        writer.write(0, content);
        const [sealed] = await Promise.all([
          writer.seal(content.length),
          store.remove(sha256, 0),
          store.remove(sha256, 0),
        ]);
        expectSame(await contentOf(store, sha256), content);
        keptOf(sealed).release();
      }
    });
  });

  describe('closing', () => {
    test('waits for what is being sealed, gives up the rest, takes no more', async () => {
      const content = octetsOf(2_000_000);
      const [whole, part] = [store.create(), store.create()];
      for (const [at, octets] of split(content, 50_000)) {
        whole.write(at, octets);
        part.write(at, octets);
      }
      const sealing = whole.seal(content.length);
      await store.close();
      expect(await sealing).toMatchObject({ outcome: 'sealed' });
      expect(await part.seal(50_000)).toMatchObject({ outcome: 'failed' });
      const late = store.create();
      late.write(0, content);
      expect(await late.seal(content.length)).toMatchObject({ outcome: 'failed' });
    });
  });
}
