import { describe } from 'vitest';
import { memoryStore } from '../../../src/adapters/store/memory.ts';
import { eventStoreContract } from './event-store.contract.ts';
import { projections, timeOfDay } from './store-examples.ts';
import { viewStoreContract } from './view-store.contract.ts';

describe('the memory store keeps the event store contract', () => {
  eventStoreContract(async () => memoryStore({ projections, clock: timeOfDay }));
});

describe('the memory store keeps the view contract', () => {
  viewStoreContract(async (kept) => memoryStore({ projections: kept, clock: timeOfDay }));
});
