import type { Clock, EventStore, Projection, View, ViewStore } from '../../../src/engine/ports.ts';
import type { Candidate, Recorded } from '../../../src/engine/recorded.ts';

export type Store = EventStore & ViewStore;

/** The host's clock, for a store that has none of its own. */
export const timeOfDay: Clock = {
  now: () => Date.now(),
  timer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

export const SEED = Number(process.env.RESTANTE_SEED ?? 20261122);

/** What an event of these tests asks of the view `notes`. */
export type Note =
  | { readonly put: readonly [key: string, row: unknown] }
  | { readonly remove: string }
  | { readonly add: readonly [key: string, amount: number] }
  | { readonly nothing?: true };

export const NOTES: View<unknown> = { name: 'notes' };
/** Counts the events of each stream. */
export const TALLY: View<{ readonly events: number; readonly last: string }> = { name: 'tally' };

const amountOf = (row: unknown) => (typeof row === 'number' ? row : 0);

export const notes: Projection = {
  name: 'notes',
  version: 1,
  views: ['notes'],
  project({ data }) {
    const note = data as Note;
    if ('put' in note) return [{ view: 'notes', key: note.put[0], put: note.put[1] }];
    if ('remove' in note) return [{ view: 'notes', key: note.remove, remove: true }];
    if (!('add' in note)) return [];
    const [key, amount] = note.add;
    return [{ view: 'notes', key, fold: (row) => amountOf(row) + amount }];
  },
};

export const tally: Projection = {
  name: 'tally',
  version: 1,
  views: ['tally'],
  project: ({ stream, position }) => [
    {
      view: 'tally',
      key: encodeURIComponent(stream),
      fold: (row) => ({
        events: ((row as { events: number } | undefined)?.events ?? 0) + 1,
        last: position,
      }),
    },
  ],
};

export const projections = [notes, tally];

let ids = 0;

/** An event that no other is. */
export function noted(data: Note = {}, octets?: Uint8Array): Candidate {
  ids += 1;
  const id = `00000000-0000-8000-8000-${String(ids).padStart(12, '0')}`;
  const event = { id, type: 'Noted', at: 1_795_395_388_000 + ids, data, meta: {} };
  return octets ? { ...event, octets } : event;
}

/** Octets that no compression makes smaller. */
export function scrambled(bytes: number, seed: number): Uint8Array {
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  return Uint8Array.from({ length: bytes }, () => {
    // Marsaglia's xorshift with his shifts for 32 bits.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 255;
  });
}

export async function all(events: AsyncIterable<Recorded>): Promise<readonly Recorded[]> {
  const list: Recorded[] = [];
  for await (const event of events) list.push(event);
  return list;
}

export async function rowsOf(store: Store) {
  return { notes: await store.range(NOTES), tally: await store.range(TALLY) };
}

/** Appends that must be accepted. */
export async function appendAll(
  store: Store,
  stream: string,
  ...events: readonly Candidate[]
): Promise<string> {
  const last = await store.last(stream);
  const answer = await store.append(stream, last?.revision ?? 'none', events);
  if (answer.outcome !== 'appended') throw new Error(`not appended: ${JSON.stringify(answer)}`);
  return answer.positions.at(-1) ?? '';
}
