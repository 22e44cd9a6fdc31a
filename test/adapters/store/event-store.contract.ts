import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EVENT_BYTES_MAX, LAZY_APPEND_MS, STREAM_BYTES_MAX } from '../../../src/engine/ports.ts';
import { all, appendAll, noted, type Store } from './store-examples.ts';

/** What every store must do with events, whatever it is made of. */
export function eventStoreContract(open: () => Promise<Store>): void {
  let store: Store;
  beforeEach(async () => {
    store = await open();
  });
  afterEach(() => store.close());

  describe('append', () => {
    test('to a new stream with none → revision 0', async () => {
      const answer = await store.append('mailbox-a', 'none', [noted()]);
      expect(answer).toMatchObject({ outcome: 'appended', revision: 0 });
    });

    test('with the exact head → the next revision, a later position', async () => {
      const first = await appendAll(store, 'mailbox-a', noted());
      const answer = await store.append('mailbox-a', 0, [noted(), noted()]);
      expect(answer).toMatchObject({ outcome: 'appended', revision: 2 });
      const log = (await all(store.readAll())).map(({ position }) => position);
      expect(log[0]).toBe(first);
      expect(answer).toMatchObject({ positions: log.slice(1) });
      expect(log).toEqual([...log].sort());
    });

    test.each([
      ['none', 'none', 0],
      ['a revision too low', 0, 1],
      ['a revision too high', 7, 1],
    ] as const)(
      'expecting %s where it is not → conflict with the head',
      async (_, expected, head) => {
        await appendAll(store, 'mailbox-a', noted());
        if (head === 1) await appendAll(store, 'mailbox-a', noted());
        const answer = await store.append('mailbox-a', expected, [noted()]);
        expect(answer).toEqual({ outcome: 'conflict', head });
        expect(await all(store.read('mailbox-a'))).toHaveLength(head + 1);
      },
    );

    test('expecting a revision of a stream that is not there → conflict, none', async () => {
      const answer = await store.append('mailbox-a', 0, [noted()]);
      expect(answer).toEqual({ outcome: 'conflict', head: 'none' });
    });

    test('again with the same ids and the same expectation → the same answer, nothing new', async () => {
      const events = [noted(), noted()];
      const first = await store.append('mailbox-a', 'none', events);
      await appendAll(store, 'mailbox-a', noted());
      expect(await store.append('mailbox-a', 'none', events)).toEqual(first);
      expect(await all(store.readAll())).toHaveLength(3);
    });

    test('with ids that are there in part, or elsewhere → conflict', async () => {
      const events = [noted(), noted()];
      await store.append('mailbox-a', 'none', events);
      const half = [events[0] ?? noted(), noted()];
      const longer = [...events, noted()];
      expect(await store.append('mailbox-a', 'none', half)).toEqual({
        outcome: 'conflict',
        head: 1,
      });
      expect(await store.append('mailbox-a', 'none', longer)).toMatchObject({
        outcome: 'conflict',
      });
      expect(await store.append('mailbox-a', 0, events)).toMatchObject({ outcome: 'conflict' });
    });

    test('two at once to one stream → one is appended, one sees where it stands', async () => {
      const answers = await Promise.all([
        store.append('mailbox-a', 'none', [noted()]),
        store.append('mailbox-a', 'none', [noted()]),
      ]);
      expect(answers.map(({ outcome }) => outcome).sort()).toEqual(['appended', 'conflict']);
      expect(answers).toContainEqual({ outcome: 'conflict', head: 0 });
    });

    test('the same twice at once → both hear the same, once in the log', async () => {
      const events = [noted()];
      const [one, other] = await Promise.all([
        store.append('mailbox-a', 'none', events),
        store.append('mailbox-a', 'none', events),
      ]);
      expect(one).toEqual(other);
      expect(await all(store.readAll())).toHaveLength(1);
    });

    test('many at once to many streams → all there, gapless and in order', async () => {
      const streams = Array.from({ length: 40 }, (_, index) => `mailbox-${index}`);
      const chains = streams.flatMap((stream) => [
        store.append(stream, 'none', [noted()]),
        store.append(stream, 0, [noted(), noted()]),
        store.append(stream, 2, [noted()]),
      ]);
      const answers = await Promise.all(chains);
      expect(answers.every(({ outcome }) => outcome === 'appended')).toBe(true);
      for (const stream of streams) {
        const revisions = (await all(store.read(stream))).map(({ revision }) => revision);
        expect(revisions).toEqual([0, 1, 2, 3]);
      }
      const positions = (await all(store.readAll())).map(({ position }) => position);
      expect(positions).toEqual([...new Set(positions)].sort());
    });

    test('without hurry → durable all the same, also before the next hurried one', async () => {
      const lazy = store.append('signal-n', 'none', [noted()], { flush: 'next' });
      const other = store.append('mailbox-a', 'none', [noted()]);
      expect(await lazy).toMatchObject({ outcome: 'appended', revision: 0 });
      expect(await other).toMatchObject({ outcome: 'appended' });
      const alone = store.append('signal-n', 0, [noted()], { flush: 'next' });
      expect(await alone).toMatchObject({ outcome: 'appended', revision: 1 });
      expect(LAZY_APPEND_MS).toBeLessThan(1000);
    });

    test('of nothing, or of too much → rejected, nothing written, the store goes on', async () => {
      const large = noted({}, new Uint8Array(EVENT_BYTES_MAX));
      const many = Array.from({ length: 8 }, () => noted({}, new Uint8Array(120 * 1024)));
      await expect(store.append('mailbox-a', 'none', [])).rejects.toThrow(/no event/);
      await expect(store.append('mailbox-a', 'none', [large])).rejects.toThrow(
        /refuse such content/,
      );
      await expect(store.append('mailbox-a', 'none', many)).rejects.toThrow(/split it/);
      expect(await store.head()).toBeUndefined();
      await appendAll(store, 'mailbox-a', ...many.slice(0, 7));
    });

    test('to a stream whose name is too long for an index → rejected, the store goes on', async () => {
      const name = `mailbox-${'ü'.repeat(STREAM_BYTES_MAX / 2)}`;
      const tooLong = store.append(name, 'none', [noted()]);
      await expect(tooLong).rejects.toThrow(/hash what it is named for/);
      await appendAll(store, 'mailbox-a', noted());
      expect(await all(store.readAll())).toHaveLength(1);
    });

    test('is over when the store is closed', async () => {
      await store.close();
      await expect(store.append('mailbox-a', 'none', [noted()])).rejects.toThrow(/closed/);
      store = await open();
    });
  });

  describe('an event comes back as it was', () => {
    const binary = Uint8Array.from(
      { length: 65_536 },
      (_, index) => (index * 31 + (index >> 8)) & 255,
    );
    test.each([
      ['no octets', undefined],
      ['0 octets', new Uint8Array()],
      ['1 octet', Uint8Array.of(0)],
      ['64 KiB of all octets', binary],
      ['a window on a larger buffer', binary.subarray(7, 900)],
    ])('%s', async (_, octets) => {
      const event = noted({}, octets);
      const position = await appendAll(store, 'mailbox-a', event, noted());
      const expected = { ...event, stream: 'mailbox-a', revision: 0, position };
      const back = (await all(store.read('mailbox-a', { limit: 1 })))[0];
      expect(back).toEqual({ ...expected, position: back?.position });
      expect('octets' in (back ?? {})).toBe(octets !== undefined);
      expect((await all(store.readAll()))[0]).toEqual(back);
    });

    test('data, Unicode and everything of meta', async () => {
      const data = { text: 'Grüße 🚀  \u0000\ud800', empty: {}, list: [null, 0.1, true, ''] };
      const meta = {
        from: 'idle',
        to: 'registered',
        effects: ['openDelivery', 'startTimer'],
        timers: { expiry: { dueAt: 1, event: 'MessageExpired' }, retry: null },
        machine: 'mailbox@1',
        causation: 'delivery-x/3/0',
        evidence: {
          protocol: 'sip',
          transport: 'udp',
          local: '[::1]:5060',
          remote: '192.0.2.1:5061',
        },
      } as const;
      const event = { ...noted(), data, meta };
      await appendAll(store, 'mailbox-sip:jürgen@example.org', event, { ...noted(), data: {} });
      const [back, empty] = await all(store.readAll());
      expect(back).toMatchObject(event);
      expect(back?.stream).toBe('mailbox-sip:jürgen@example.org');
      expect(empty).toMatchObject({ data: {}, meta: {} });
    });
  });

  describe('reading', () => {
    beforeEach(async () => {
      for (let index = 0; index < 5; index += 1) {
        await appendAll(store, 'mailbox-a', noted(), noted());
        await appendAll(store, 'mailbox-ab', noted());
      }
    });

    test('a stream from a revision on, so many, and nothing of its neighbours', async () => {
      const read = async (from?: number, limit?: number) =>
        (
          await all(
            store.read('mailbox-a', {
              ...(from !== undefined && { from }),
              ...(limit !== undefined && { limit }),
            }),
          )
        ).map(({ stream, revision }) => `${stream}/${revision}`);
      expect(await read()).toHaveLength(10);
      expect(await read(8)).toEqual(['mailbox-a/8', 'mailbox-a/9']);
      expect(await read(3, 2)).toEqual(['mailbox-a/3', 'mailbox-a/4']);
      expect(await read(10)).toEqual([]);
      expect(await read(0, 0)).toEqual([]);
      expect(await all(store.read('mailbox-b'))).toEqual([]);
    });

    test('the log after a position, so many, in the order of positions', async () => {
      const events = await all(store.readAll());
      const positions = events.map(({ position }) => position);
      expect(positions).toEqual([...positions].sort());
      expect(new Set(positions).size).toBe(15);
      const after = positions[6] ?? '';
      expect(await all(store.readAll({ after }))).toEqual(events.slice(7));
      expect(await all(store.readAll({ after, limit: 3 }))).toEqual(events.slice(7, 10));
      expect(await all(store.readAll({ after: positions.at(-1) ?? '' }))).toEqual([]);
    });

    test('ends at the head of its start, however much comes meanwhile', async () => {
      let seen = 0;
      for await (const { stream } of store.readAll()) {
        seen += 1;
        await appendAll(store, `${stream}-again`, noted());
      }
      expect(seen).toBe(15);
    });

    test('may be given up half way', async () => {
      for await (const { revision } of store.read('mailbox-a')) if (revision === 3) break;
      for await (const _ of store.readAll()) break;
      expect(await all(store.readAll())).toHaveLength(15);
    });

    test('last and head', async () => {
      const events = await all(store.readAll());
      expect(await store.last('mailbox-ab')).toEqual(events.at(-1));
      expect(await store.last('mailbox-a')).toEqual(events.at(-2));
      expect(await store.last('mailbox-none')).toBeUndefined();
      expect(await store.head()).toBe(events.at(-1)?.position);
    });
  });

  describe('grown', () => {
    test('an empty log has no head; an append wakes who waits for the first', async () => {
      expect(await store.head()).toBeUndefined();
      const grown = store.grown(undefined, 30_000);
      await appendAll(store, 'mailbox-a', noted());
      await grown;
      await store.grown(undefined, 30_000);
    });

    test('an append wakes who waits at the head, closing too', async () => {
      const head = await appendAll(store, 'mailbox-a', noted());
      const grown = store.grown(head, 30_000);
      const next = await appendAll(store, 'mailbox-a', noted());
      await grown;
      const never = store.grown(next, 30_000);
      await store.close();
      await never;
      store = await open();
    });

    test('resolves when the time is over', async () => {
      const head = await appendAll(store, 'mailbox-a', noted());
      await store.grown(head, 5);
    });
  });
}
