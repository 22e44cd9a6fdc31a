import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BlobStore } from '../../../src/engine/ports.ts';
import { holdsAsync } from '../../controls/async-properties.ts';
import { contentOf, expectSame, keptOf, type Piece, shaOf } from './blob-examples.ts';

const RUNS = process.env.RESTANTE_VERIFY === '1' ? 2_000 : 100;

/** Octets that are not those of the content, anywhere and beyond its end. */
const stray = fc.tuple(fc.nat(3_500), fc.uint8Array({ minLength: 1, maxLength: 900 }));

/** Stray octets, the content in any split and any order, and pieces of it again. */
const written = fc
  .record({
    content: fc.uint8Array({ maxLength: 3_000 }),
    strays: fc.array(stray, { maxLength: 3 }),
    cuts: fc.array(fc.nat(3_000), { maxLength: 12 }),
    again: fc.array(fc.tuple(fc.nat(3_000), fc.nat(900)), { maxLength: 4 }),
    ranks: fc.array(fc.nat(), { minLength: 13, maxLength: 13 }),
    /** After so many writes the writer waits for a turn of the loop. */
    pauseEvery: fc.integer({ min: 1, max: 8 }),
    stepBytes: fc.integer({ min: 1, max: 4_000 }),
  })
  .map(({ content, strays, cuts, again, ranks, ...rest }) => {
    const ends = [...new Set([0, ...cuts.filter((cut) => cut < content.length)])];
    const starts = ends.sort((a, b) => a - b);
    const pieces = starts
      .map((at, index): Piece => [at, content.subarray(at, starts[index + 1])])
      .map((piece, index) => [ranks[index] ?? 0, piece] as const)
      .sort(([a], [b]) => a - b)
      .map(([, piece]) => piece);
    const copies = again.map(([at, bytes]): Piece => [at, content.subarray(at, at + bytes)]);
    const writes: readonly Piece[] = [...strays, ...pieces, ...copies];
    return { content, writes, ...rest };
  });

/** A law of every store of contents. */
export function splitsAndOrders(open: (now: () => number) => Promise<BlobStore>): void {
  test('any split and any order of writes gives the same content and name', async () => {
    const store = await open(() => 0);
    const property = fc.asyncProperty(
      written,
      async ({ content, writes, pauseEvery, stepBytes }) => {
        const writer = store.create();
        for (const [index, [at, octets]] of writes.entries()) {
          writer.write(at, octets);
          if (index % pauseEvery === pauseEvery - 1) await setImmediate();
        }
        const { sha256, bytes } = keptOf(await writer.seal(content.length));
        expect([sha256, bytes]).toEqual([shaOf(content), content.length]);
        expectSame(await contentOf(store, sha256, stepBytes), content);
      },
    );
    await holdsAsync(property, RUNS);
    await store.close();
  });
}
