import { describe } from 'vitest';
import { openLmdbStore } from '../../../src/adapters/store/lmdb.ts';
import { eventStoreContract } from './event-store.contract.ts';
import { projections } from './store-examples.ts';
import { newFolder } from './store-folder.ts';
import { viewStoreContract } from './view-store.contract.ts';

/** All in memory until it is closed; at once in the next commit; now here, now there. */
describe.each([100_000, 1, 7])('an LMDB store with a tail of %i', (tailSizeMax) => {
  describe('keeps the event store contract', () => {
    eventStoreContract(async () =>
      openLmdbStore({ dir: await newFolder(), projections, tailSizeMax }),
    );
  });

  describe('keeps the view contract', () => {
    viewStoreContract(async (kept) =>
      openLmdbStore({ dir: await newFolder(), projections: kept, tailSizeMax }),
    );
  });
});
