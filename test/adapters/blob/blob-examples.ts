import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import type { BlobStore, Sealed } from '../../../src/engine/ports.ts';
import { scrambled } from '../store/store-examples.ts';

export type Kept = Extract<Sealed, { outcome: 'sealed' }>;

/** Octets for a place of a content. */
export type Piece = readonly [at: number, octets: Uint8Array];

export function shaOf(octets: Uint8Array): string {
  return createHash('sha256').update(octets).digest('hex');
}

/** So many octets that no others are; made by the block, for they may be many. */
export function octetsOf(bytes: number, seed = bytes): Uint8Array {
  const block = scrambled(4096, seed);
  const octets = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 1) octets[at] = (block[at % 4096] ?? 0) ^ (at >> 12);
  return octets;
}

/** Vitest compares octet by octet, and takes seconds for a content. */
export function expectSame(back: Uint8Array | undefined, content: Uint8Array): void {
  expect(back?.length).toBe(content.length);
  expect(Buffer.compare(back ?? content, content)).toBe(0);
}

/** The content in pieces of this size, in order. */
export function split(content: Uint8Array, pieceBytes: number): readonly Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at < content.length; at += pieceBytes) {
    pieces.push([at, content.subarray(at, at + pieceBytes)]);
  }
  return pieces;
}

export function keptOf(sealed: Sealed): Kept {
  if (sealed.outcome !== 'sealed') throw new Error(`not sealed: ${sealed.reason}`);
  return sealed;
}

/** Writes these pieces and seals so many octets of them, which must be accepted. */
export async function put(
  store: BlobStore,
  pieces: readonly Piece[],
  bytes: number,
): Promise<Kept> {
  const writer = store.create();
  for (const [at, octets] of pieces) writer.write(at, octets);
  return keptOf(await writer.seal(bytes));
}

/** The same for a content in one piece, and its references count at once. */
export async function putWhole(store: BlobStore, content: Uint8Array): Promise<string> {
  const { sha256, release } = await put(store, [[0, content]], content.length);
  release();
  return sha256;
}

/** The whole content; `undefined`: it is not there. */
export async function contentOf(
  store: BlobStore,
  sha256: string,
  stepBytes = 50_000,
): Promise<Uint8Array | undefined> {
  const reader = await store.open(sha256);
  if (!reader) return undefined;
  try {
    const views: Uint8Array[] = [];
    for (let view = await reader.next(stepBytes); view; view = await reader.next(stepBytes)) {
      expect(view.length).toBeGreaterThan(0);
      expect(view.length).toBeLessThanOrEqual(stepBytes);
      views.push(view);
    }
    const content = new Uint8Array(Buffer.concat(views));
    expect(content.length).toBe(reader.bytes);
    return content;
  } finally {
    await reader.close();
  }
}

export async function listOf(store: BlobStore): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for await (const { sha256, bytes } of store.list()) found[sha256] = bytes;
  return found;
}
