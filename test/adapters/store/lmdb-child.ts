/**
 * A process of its own for the tests of the LMDB store:
 * - `write <dir> <seed>`: appends for ever, and prints `stream revision` after each answer
 * - `follow <dir> <count>`: reads on while another process writes, prints how many came in order
 * - `fill <dir> <appends>`: one append after the other, prints each outcome
 */
import { openLmdbStore } from '../../../src/adapters/store/lmdb.ts';
import { noted, projections, scrambled } from './store-examples.ts';

const [mode, dir = '', number = '0'] = process.argv.slice(2);
if (mode === 'write') await write(Number(number));
else if (mode === 'follow') await follow(Number(number));
else if (mode === 'fill') await fill(Number(number));
else throw new Error(`no such mode: ${mode}`);

async function write(seed: number): Promise<void> {
  const store = await openLmdbStore({ dir, projections });
  let state = seed + 1;
  // Lehmer's generator: a kill round can be run again with the same appends.
  const below = (limit: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % limit;
  };
  const client = async (client: number) => {
    for (let turn = 0; ; turn += 1) {
      const stream = `mailbox-${client}-${turn % 3}`;
      const head = (await store.last(stream))?.revision ?? 'none';
      const events = Array.from({ length: 1 + below(4) }, () =>
        noted({ add: [`sum-${below(9)}`, 1] }, new Uint8Array(below(3000)).fill(turn)),
      );
      const flush = below(4) === 0 ? 'next' : 'now';
      const answer = await store.append(stream, head, events, { flush });
      if (answer.outcome !== 'appended') throw new Error(JSON.stringify(answer));
      process.stdout.write(`${stream} ${answer.revision}\n`);
    }
  };
  await Promise.all(Array.from({ length: 1 + below(24) }, (_, index) => client(index)));
}

async function follow(count: number): Promise<void> {
  const store = await openLmdbStore({ dir, projections: [], readOnly: true });
  process.stdout.write('open\n');
  let after: string | undefined;
  let seen = 0;
  while (seen < count) {
    await store.grown(after, 10_000);
    for await (const { position } of store.readAll(after === undefined ? {} : { after })) {
      if (after !== undefined && position <= after) throw new Error(`${position} after ${after}`);
      after = position;
      seen += 1;
    }
  }
  process.stdout.write(`saw ${seen}\n`);
  await store.close();
}

async function fill(appends: number): Promise<void> {
  const store = await openLmdbStore({
    dir,
    projections,
    unsafeNoSync: process.env.RESTANTE_TEST_NO_SYNC === '1',
  });
  process.stdout.write('open\n');
  for (let index = 0; index < appends; index += 1) {
    const event = noted({ add: ['sum', 1] }, scrambled(60_000, index));
    const answer = await store.append(`mailbox-${index}`, 'none', [event]);
    process.stdout.write(`${answer.outcome}\n`);
  }
  await store.close();
}
