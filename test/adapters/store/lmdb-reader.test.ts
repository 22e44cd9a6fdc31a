/** A reader beside the process that writes: what that one keeps in memory is made anew. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openLmdbStore } from '../../../src/adapters/store/lmdb.ts';
import { all, NOTES, type Note, noted, projections, rowsOf, SEED } from './store-examples.ts';
import { newFolder } from './store-folder.ts';

const key = fc.constantFrom('a', 'b', 'c/1', 'c/2');
const note: fc.Arbitrary<Note> = fc.oneof(
  fc.record({ put: fc.tuple(key, fc.nat(9)) }),
  fc.record({ remove: key }),
  fc.record({ add: fc.tuple(key, fc.nat(9)) }),
);
const step = fc.oneof(
  { weight: 8, arbitrary: fc.array(note, { minLength: 1, maxLength: 3 }) },
  { weight: 1, arbitrary: fc.constant('rebuild' as const) },
);
const SOME = { from: 'a', to: 'c/2', limit: 2, reverse: true };

test('sees after each answer what the writer sees, however much of it is in the tables', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 12 }),
      fc.constantFrom(1, 3, 100_000),
      async (steps, tailSizeMax) => {
        const dir = await newFolder();
        const writer = await openLmdbStore({ dir, projections, tailSizeMax });
        const reader = await openLmdbStore({ dir, projections, readOnly: true });
        for (const [index, step] of steps.entries()) {
          const stream = `mailbox-${index % 2}`;
          if (step === 'rebuild') await writer.rebuild();
          else {
            const expected = (await writer.last(stream))?.revision ?? 'none';
            await writer.append(
              stream,
              expected,
              step.map((data) => noted(data)),
            );
          }
          expect(await rowsOf(reader)).toEqual(await rowsOf(writer));
          expect(await reader.range(NOTES, SOME)).toEqual(await writer.range(NOTES, SOME));
          expect(await reader.count(NOTES)).toBe(await writer.count(NOTES));
          expect(await reader.last(stream)).toEqual(await writer.last(stream));
          expect(await all(reader.read(stream))).toEqual(await all(writer.read(stream)));
        }
        await reader.close();
        await writer.close();
      },
    ),
    { seed: SEED, numRuns: 40 },
  );
});

test('reads once what the writer has not put into the tables, however often it is asked', async () => {
  const dir = await newFolder();
  let projected = 0;
  const counting = projections.map((projection) => ({
    ...projection,
    project(event: Parameters<typeof projection.project>[0]) {
      projected += 1;
      return projection.project(event);
    },
  }));
  const writer = await openLmdbStore({ dir, projections, tailSizeMax: 100_000 });
  const events = Array.from({ length: 700 }, () => noted({ add: ['sum', 1] }));
  await writer.append('mailbox-a', 'none', events);
  const reader = await openLmdbStore({ dir, projections: counting, readOnly: true });
  // One turn of the event loop: the writer cannot write its tail meanwhile.
  const sums = await Promise.all(Array.from({ length: 50 }, () => reader.get(NOTES, 'sum')));
  expect(new Set(sums)).toEqual(new Set([700]));
  expect(projected).toBe(2 * 700);
  await reader.close();
  await writer.close();
});
