/**
 * A process of its own for the tests of the file store:
 * - `flood <dir> <seed>`: seals contents for ever, prints `sealed <sha256> <bytes>` after each
 * - `seal <dir> <count>`: so many one after the other, printed in the same way
 * - `fault <dir> <bytes>`: seals a content while the disk fails, and one after that; prints the
 *   outcome of each
 * - `race <dir> <bytes>`: seals a content while it is removed; prints the outcome, and what is there
 * - `pour <dir> <MiB>`: gives octets as fast as `unwrittenBytes` allows; prints how much was
 *   unwritten at most, and by how much the process grew
 */
import { openFileBlobs } from '../../../src/adapters/blob/file.ts';
import type { BlobStore } from '../../../src/engine/ports.ts';

const MIB = 1024 * 1024;
/** Who reads a socket stops here. */
const UNWRITTEN_MOST = 4 * MIB;

const [mode, dir = '', number = '0'] = process.argv.slice(2);
const store = await openFileBlobs({ dir });
if (mode === 'flood') await flood(Number(number));
else if (mode === 'seal') await sealEach(Number(number));
else if (mode === 'fault') await fault(Number(number));
else if (mode === 'race') await race(Number(number));
else if (mode === 'pour') await pour(Number(number));
else throw new Error(`no such mode: ${mode}`);
await store.close();

/** Octets that depend on both numbers alone. */
function octetsOf(bytes: number, seed: number): Uint8Array {
  const octets = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 1) octets[at] = (at * (seed | 1) + (at >> 8) * seed) & 255;
  return octets;
}

async function sealOne(to: BlobStore, content: Uint8Array, pieceBytes: number): Promise<string> {
  const writer = to.create();
  for (let at = 0; at < content.length; at += pieceBytes) {
    writer.write(at, content.subarray(at, at + pieceBytes));
    if (writer.unwrittenBytes > UNWRITTEN_MOST) await new Promise(setImmediate);
  }
  const sealed = await writer.seal(content.length);
  return sealed.outcome === 'sealed'
    ? `sealed ${sealed.sha256} ${sealed.bytes}`
    : `${sealed.outcome} ${sealed.reason}`;
}

async function flood(seed: number): Promise<void> {
  let state = seed + 1;
  // Lehmer's generator: a kill round can be run again with the same contents.
  const below = (limit: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % limit;
  };
  const client = async () => {
    for (;;) {
      // One in four is a content that may be there.
      const known = below(4) === 0;
      const content = known ? octetsOf(50_000, below(3)) : octetsOf(below(120_000), below(2 ** 30));
      const line = await sealOne(store, content, 1 + below(20_000));
      if (!line.startsWith('sealed')) throw new Error(line);
      process.stdout.write(`${line}\n`);
    }
  };
  await Promise.all(Array.from({ length: 1 + below(8) }, client));
}

async function sealEach(count: number): Promise<void> {
  for (let seed = 0; seed < count; seed += 1) {
    process.stdout.write(`${await sealOne(store, octetsOf(100_000, seed), 9_000)}\n`);
  }
}

async function fault(bytes: number): Promise<void> {
  process.stdout.write(`${await sealOne(store, octetsOf(bytes, 5), 64 * 1024)}\n`);
  process.stdout.write(`${await sealOne(store, octetsOf(1_000, 7), 1_000)}\n`);
}

async function race(bytes: number): Promise<void> {
  const writers = [store.create(), store.create()];
  for (const writer of writers) writer.write(0, octetsOf(bytes, 5));
  const first = await writers[0]?.seal(bytes);
  if (first?.outcome !== 'sealed') throw new Error(first?.reason);
  first.release();
  const removing = store.remove(first.sha256, 0);
  const second = await writers[1]?.seal(bytes);
  await removing;
  const reader = await store.open(first.sha256);
  process.stdout.write(`${second?.outcome} ${reader?.bytes}\n`);
  await reader?.close();
}

async function pour(mib: number): Promise<void> {
  let wake = () => {};
  let most = 0;
  let grown = 0;
  const before = process.memoryUsage.rss();
  const writer = store.create(() => wake());
  for (let at = 0; at < mib * MIB; at += MIB / 16) {
    writer.write(at, octetsOf(MIB / 16, at));
    most = Math.max(most, writer.unwrittenBytes);
    grown = Math.max(grown, process.memoryUsage.rss() - before);
    while (writer.unwrittenBytes > UNWRITTEN_MOST) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  const sealed = await writer.seal(mib * MIB);
  process.stdout.write(`${sealed.outcome} ${most} ${grown}\n`);
}
