import { describe } from 'vitest';
import { openLmdbStore } from '../../../src/adapters/store/lmdb.ts';
import { eventStoreContract } from './event-store.contract.ts';
import { projections } from './store-examples.ts';
import { newFolder } from './store-folder.ts';
import { viewStoreContract } from './view-store.contract.ts';

describe('the LMDB store keeps the event store contract', () => {
  eventStoreContract(async () => openLmdbStore({ dir: await newFolder(), projections }));
});

describe('the LMDB store keeps the view contract', () => {
  viewStoreContract(async (kept) => openLmdbStore({ dir: await newFolder(), projections: kept }));
});
