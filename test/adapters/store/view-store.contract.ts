import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Projection, Range } from '../../../src/engine/ports.ts';
import {
  all,
  appendAll,
  NOTES,
  type Note,
  noted,
  projections,
  rowsOf,
  SEED,
  type Store,
  TALLY,
} from './store-examples.ts';

/** What every store must do with views, whatever it is made of. */
export function viewStoreContract(
  open: (projections: readonly Projection[]) => Promise<Store>,
): void {
  let store: Store;
  beforeEach(async () => {
    store = await open(projections);
  });
  afterEach(() => store.close());

  test('a row is there as soon as the append is answered, and goes when it is removed', async () => {
    const row = { text: 'Grüße', list: [1, null, { deep: true }], no: null };
    await appendAll(store, 'mailbox-a', noted({ put: ['k', row] }));
    expect(await store.get(NOTES, 'k')).toEqual(row);
    await appendAll(store, 'mailbox-a', noted({ put: ['k', 'other'] }));
    expect(await store.get(NOTES, 'k')).toBe('other');
    await appendAll(store, 'mailbox-a', noted({ remove: 'k' }), noted({ remove: 'k' }));
    expect(await store.get(NOTES, 'k')).toBeUndefined();
    expect(await store.count(NOTES)).toBe(0);
  });

  test('folds see what was folded before them, in the same append and in others at once', async () => {
    const adds = Array.from({ length: 30 }, (_, index) =>
      store.append(`mailbox-${index}`, 'none', [
        noted({ add: ['sum', index] }),
        noted({ add: ['sum', 1] }),
      ]),
    );
    await Promise.all(adds);
    expect(await store.get(NOTES, 'sum')).toBe((29 * 30) / 2 + 30);
    expect(await store.get(TALLY, 'mailbox-7')).toMatchObject({ events: 2 });
    expect(await store.count(TALLY)).toBe(30);
  });

  test('an append that conflicts, or is a repetition, changes no row', async () => {
    const first = noted({ add: ['sum', 5] });
    await store.append('mailbox-a', 'none', [first]);
    await store.append('mailbox-a', 'none', [first]);
    await store.append('mailbox-a', 'none', [noted({ add: ['sum', 70] })]);
    expect(await store.get(NOTES, 'sum')).toBe(5);
  });

  test('rows of a range come in the order of their octets', async () => {
    const keys = ['b', 'a/1', 'a', 'a b', '~', 'A', 'a/10', '\x01', 'a/2', '0', '\x1f\x02'];
    await appendAll(store, 'mailbox-a', ...keys.map((key) => noted({ put: [key, key] })));
    const range = async (range?: Range) => (await store.range(NOTES, range)).map(([key]) => key);
    const sorted = [...keys].sort();
    expect(await range()).toEqual(sorted);
    expect(await range({ reverse: true })).toEqual([...sorted].reverse());
    expect(await range({ from: 'a', to: 'b' })).toEqual(['a', 'a b', 'a/1', 'a/10', 'a/2']);
    expect(await range({ from: 'a/', to: 'a0' })).toEqual(['a/1', 'a/10', 'a/2']);
    expect(await range({ from: 'a/', to: 'a0', reverse: true, limit: 2 })).toEqual(['a/2', 'a/10']);
    expect(await range({ from: 'a', to: 'b', reverse: true }).then((keys) => keys.at(-1))).toBe(
      'a',
    );
    expect(await range({ to: 'A', limit: 2 })).toEqual(['\x01', '\x1f\x02']);
    expect(await range({ from: 'b', to: 'a' })).toEqual([]);
    expect(await range({ limit: 0 })).toEqual([]);
    expect(await store.range(NOTES, { from: '~' })).toEqual([['~', '~']]);
  });

  test('an impossible key is refused with its append, and nobody else suffers', async () => {
    const bad = (key: string) => store.append('mailbox-b', 'none', [noted({ put: [key, 1] })]);
    const good = store.append('mailbox-g', 'none', [noted({ add: ['sum', 1] })]);
    const refused = Promise.allSettled(['', 'ü', 'a\0', 'x'.repeat(1001)].map(bad));
    const alsoGood = store.append('mailbox-h', 'none', [noted({ add: ['sum', 1] })]);
    expect((await refused).map(({ status }) => status)).toEqual(Array(4).fill('rejected'));
    expect([await good, await alsoGood].map(({ outcome }) => outcome)).toEqual(
      Array(2).fill('appended'),
    );
    expect(await store.last('mailbox-b')).toBeUndefined();
    expect(await store.range(NOTES)).toEqual([['sum', 2]]);
    await appendAll(store, 'mailbox-b', noted({ put: ['x'.repeat(1000), 1] }));
  });

  test('a view that nobody keeps, and two projections with one view, are mistakes', async () => {
    await expect(store.get({ name: 'nowhere' }, 'k')).rejects.toThrow(/nowhere/);
    const twice = [...projections, { ...projections[0], name: 'other' } as Projection];
    await expect((async () => open(twice))()).rejects.toThrow(/notes/);
  });

  test('rebuilt views are the views', async () => {
    for (let index = 0; index < 20; index += 1) {
      await appendAll(store, `mailbox-${index % 3}`, noted({ add: [`k${index % 4}`, index] }));
    }
    const live = await rowsOf(store);
    const seen: number[] = [];
    const during = store.append('mailbox-x', 'none', [noted({ add: ['k0', 1000] })]);
    await during;
    expect((await store.rebuild((events) => seen.push(events))).events).toBe(21);
    expect(seen.at(-1)).toBe(21);
    expect(await rowsOf(store)).not.toEqual(live);
    const rebuilt = await rowsOf(store);
    await store.rebuild();
    expect(await rowsOf(store)).toEqual(rebuilt);
  });

  describe('against a plain model', () => {
    const key = fc.constantFrom('a', 'b', 'c/1', 'c/2', 'd');
    const note: fc.Arbitrary<Note> = fc.oneof(
      fc.record({ put: fc.tuple(key, fc.jsonValue()) }),
      fc.record({ remove: key }),
      fc.record({ add: fc.tuple(key, fc.nat(9)) }),
    );
    const event = fc.record({ note, octets: fc.option(fc.uint8Array({ maxLength: 40 })) });
    const step = fc.record({
      stream: fc.constantFrom('mailbox-a', 'mailbox-b', 'delivery-c'),
      off: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(2) }),
      events: fc.array(event, { minLength: 1, maxLength: 3 }),
      lazy: fc.boolean(),
    });

    test('any history of concurrent rounds reads back as the model says', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 6 }),
          async (rounds) => {
            const store = await open(projections);
            const model: {
              stream: string;
              revision: number;
              data: unknown;
              octets?: Uint8Array;
            }[] = [];
            for (const round of rounds) {
              const heads = new Map<string, number>();
              const revisionOf = (stream: string) =>
                heads.get(stream) ?? model.filter((event) => event.stream === stream).length - 1;
              const answers = round.map(({ stream, off, events, lazy }) => {
                const head = revisionOf(stream);
                const expected = head - off;
                const fits = off === 0 || head < 0;
                const candidates = events.map(({ note, octets }) =>
                  noted(note, octets ?? undefined),
                );
                if (fits) heads.set(stream, head + events.length);
                return {
                  answer: store.append(stream, expected < 0 ? 'none' : expected, candidates, {
                    flush: lazy ? 'next' : 'now',
                  }),
                  fits,
                  entries: candidates.map(({ data, octets }, index) => ({
                    stream,
                    revision: head + 1 + index,
                    data,
                    ...(octets && { octets }),
                  })),
                };
              });
              for (const { answer, fits, entries } of answers) {
                const { outcome } = await answer;
                expect(outcome).toBe(fits ? 'appended' : 'conflict');
                if (outcome === 'appended') model.push(...entries);
              }
            }
            const log = await all(store.readAll());
            const sort = (events: readonly { stream: string; revision: number }[]) =>
              [...events].sort((a, b) =>
                a.stream === b.stream ? a.revision - b.revision : a.stream < b.stream ? -1 : 1,
              );
            expect(sort(log)).toMatchObject(sort(model));
            const live = await rowsOf(store);
            await store.rebuild();
            expect(await rowsOf(store)).toEqual(live);
            await store.close();
          },
        ),
        { seed: SEED, numRuns: 40 },
      );
    });
  });
}
