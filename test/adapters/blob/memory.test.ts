import { describe } from 'vitest';
import { memoryBlobs } from '../../../src/adapters/blob/memory.ts';
import { hostDigest } from '../../../src/adapters/host/digest.ts';
import { blobStoreContract } from './blob-store.contract.ts';
import { splitsAndOrders } from './splits.contract.ts';

describe('the memory store keeps the contract of contents', () => {
  blobStoreContract(async (now) => memoryBlobs({ digest: hostDigest, now }));
  splitsAndOrders(async (now) => memoryBlobs({ digest: hostDigest, now }));
});
