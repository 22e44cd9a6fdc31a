import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryStore } from '../../src/adapters/store/memory.ts';
import type { EventStore, ViewStore } from '../../src/engine/ports.ts';
import type { Recorded } from '../../src/engine/recorded.ts';
import { projections } from '../../src/projections/all.ts';
import { depositView } from '../../src/projections/deposits.ts';
import { expiryView, messageView } from '../../src/projections/waiting-messages.ts';
import { holdsAsync } from '../controls/async-properties.ts';
import { calmLives, liveLarge, mortalLives } from '../controls/large-lives.ts';
import { ACCOUNTS, commandLists, live, logOf } from './histories.ts';
import { messagesIn, modelOf, viewsOf } from './waiting-model.ts';

const RUNS = process.env.RESTANTE_VERIFY === '1' ? 2_000 : 60;

type Stage = Awaited<ReturnType<typeof live>>;

/** Histories of MESSAGEs, and of Large messages with crashes and without. */
const histories = fc.oneof(
  { weight: 2, arbitrary: fc.record({ messages: commandLists }) },
  { weight: 1, arbitrary: fc.record({ large: calmLives }) },
  { weight: 1, arbitrary: fc.record({ large: mortalLives }) },
);

async function holdsAlways(
  check: (history: Stage, shuffle: number) => Promise<void>,
): Promise<void> {
  const property = fc.asyncProperty(histories, fc.nat(), async (history, shuffle) => {
    const lived = 'large' in history ? liveLarge(history.large) : live(history.messages);
    await check(await lived, shuffle);
  });
  await holdsAsync(property, RUNS);
}

const viewNames = projections.flatMap(({ views }) => views);

async function rowsOf(store: ViewStore) {
  const rows: Record<string, unknown> = {};
  for (const name of viewNames) rows[name] = await store.range({ name });
  return rows;
}

/**
 * Rows without positions, which differ between interleavings, as text. Keys keep their order, which
 * positions give for the deliveries of an account.
 */
async function placeless(store: ViewStore): Promise<string> {
  return JSON.stringify(await rowsOf(store), (_, value: unknown) => {
    if (typeof value === 'string') return value.replace(/\b\d{15}\b/g, 'position');
    return value;
  });
}

/** Another order in which the same streams may have been written: accounts know nothing of others. */
function interleaved(log: readonly Recorded[], seed: number): readonly Recorded[] {
  const accountOf = new Map<string, string>();
  const lists = new Map<string, Recorded[]>();
  for (const event of log) {
    const { account } = event.data as { account?: string };
    const known = accountOf.get(event.stream) ?? account ?? event.stream.slice('mailbox-'.length);
    accountOf.set(event.stream, known);
    lists.set(known, [...(lists.get(known) ?? []), event]);
  }
  const waiting = [...lists.values()];
  const order: Recorded[] = [];
  for (let dice = seed; waiting.length > 0; dice = (dice * 48_271 + 11) % 2_147_483_647) {
    const list = waiting[dice % waiting.length] ?? [];
    const next = list.shift();
    if (next) order.push(next);
    else waiting.splice(waiting.indexOf(list), 1);
  }
  return order;
}

async function written(log: readonly Recorded[]): Promise<EventStore & ViewStore> {
  const store = memoryStore({ projections });
  for (const { stream, revision, position: _, ...event } of log) {
    await store.append(stream, revision === 0 ? 'none' : revision - 1, [event]);
  }
  return store;
}

describe('views of random histories', () => {
  it(
    'are the same after a rebuild as they grew',
    () =>
      holdsAlways(async ({ store }) => {
        const grown = await rowsOf(store);
        await store.rebuild();
        expect(await rowsOf(store)).toEqual(grown);
      }),
    600_000,
  );

  it(
    'are the same for any interleaving of accounts',
    () =>
      holdsAlways(async (stage, shuffle) => {
        const log = await logOf(stage);
        const other = await written(interleaved(log, shuffle));
        expect(await placeless(other)).toEqual(await placeless(stage.store));
      }),
    600_000,
  );

  it(
    'say of each mailbox what a plain list of its messages says',
    () =>
      holdsAlways(async (stage) => {
        const messages = messagesIn(await logOf(stage));
        for (const account of ACCOUNTS) {
          expect(await viewsOf(stage.store, account)).toEqual(modelOf(messages, account));
        }
        const rows = await stage.store.range(messageView);
        const expiring = rows.filter(
          ([, { state, expiresAt }]) =>
            expiresAt !== undefined && ['waiting', 'held', 'parked'].includes(state),
        );
        const listed = (await stage.store.range(expiryView)).map(([, { id }]) => id);
        expect([...listed].sort()).toEqual(expiring.map(([id]) => id));
        expect(await stage.store.count(depositView)).toBe(messages.length);
      }),
    600_000,
  );

  it(
    'agree with the charts on how much may be pushed',
    () =>
      holdsAlways(async (stage) => {
        for (const account of ACCOUNTS) {
          const { value, context } = await stage.engine().runner.state(`mailbox-${account}`);
          if (value === 'delivering') continue;
          const { counts } = await viewsOf(stage.store, account);
          const { pushable, deferred } = context as { pushable: number; deferred: number };
          expect({ pushable, deferred }).toEqual({
            pushable: counts.waiting,
            deferred: counts.deferred,
          });
        }
        expect(stage.faults).toEqual([]);
      }),
    600_000,
  );
});
