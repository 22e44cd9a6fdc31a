/** The port of deposits over loopback sockets and a folder, and a sender that has connected. */
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openFileBlobs } from '../../../src/adapters/blob/file.ts';
import { msrpDeposits } from '../../../src/adapters/msrp/deposit-channels.ts';
import type { AbortedMessage, ReceivedMessage } from '../../../src/deferral/deposit-channel.ts';
import type { BlobStore } from '../../../src/engine/ports.ts';
import { simulatedClock } from '../../controls/simulated-clock.ts';
import { newFolder } from '../store/store-folder.ts';
import { closeEndpoints, endpoint, until, uri } from './loopback.ts';
import { PEER, type RawPeer, rawPeer, sendHead } from './raw-peer.ts';

export const IDLE_MS = 60_000;
const peers: RawPeer[] = [];
const stores: BlobStore[] = [];
export async function closeStages(): Promise<void> {
  for (const { socket } of peers.splice(0)) socket.destroy();
  await closeEndpoints();
  await Promise.all(stores.splice(0).map((store) => store.close()));
}

export const sha256 = (octets: Uint8Array) => createHash('sha256').update(octets).digest('hex');

/** A chunk whose first octet stands at `start` (from 1); `more`: it is not the last one. */
export function chunk(
  octets: Uint8Array,
  how: { start?: number; total?: number; tid?: string } = {},
) {
  const { start = 1, total, tid = `tid${start}` } = how;
  const end = start + octets.length - 1;
  const range = `Byte-Range: ${start}-${end}/${total ?? end}\r\n`;
  return { tid, headers: `${range}Content-Type: text/plain\r\n`, octets };
}

interface StageOptions {
  readonly overlay?: (store: BlobStore) => Partial<BlobStore>;
  readonly answer?: (message: ReceivedMessage) => Promise<200 | 413>;
}

export async function depositStage({
  overlay,
  answer = async () => 200 as const,
}: StageOptions = {}) {
  const dir = await newFolder();
  const store = await openFileBlobs({ dir });
  stores.push(store);
  const clock = simulatedClock(1_000_000);
  const server = await endpoint({ clock });
  const faults: string[] = [];
  const deposits = msrpDeposits({
    ...{ endpoint: server, clock, idleMs: IDLE_MS, random: (octets) => randomBytes(octets) },
    blobs: { ...store, ...overlay?.(store) },
    hasRoom: async () => true,
    onFault: (where, fault) => faults.push(`${where}: ${fault}`),
  });
  const { sessionId } = deposits.offer('d1', false);
  const own = uri(server, sessionId);
  const path = deposits.conceal('d1', [PEER]);
  const messages: ReceivedMessage[] = [];
  const aborted: AbortedMessage[] = [];
  const told: string[] = [];
  deposits.open(
    'd1',
    { path, setup: 'active' },
    {
      bound: () => told.push('bound'),
      completed(message) {
        messages.push(message);
        return answer(message);
      },
      aborted: (message) => aborted.push(message),
      idle: (ms) => told.push(`idle ${ms}`),
      lost: (reason) => told.push(`lost: ${reason}`),
    },
  );
  const peer = await rawPeer(server);
  peers.push(peer);
  return {
    ...{ aborted, clock, deposits, dir, faults, messages, own, peer, server, store, told },
    files: (folder: string) => readdirSync(join(dir, folder)),
    /** Everything that has a name. */
    names: () =>
      readdirSync(dir, { recursive: true }).filter((path) => /[0-9a-f]{64}$/.test(String(path))),
    /** Writes the chunk; `flag`: `$` for the last one. */
    write({ tid, headers, octets }: ReturnType<typeof chunk>, flag: '$' | '+' | '#' = '$') {
      peer.send(sendHead(own, tid, headers));
      peer.socket.write(octets);
      peer.send(`\r\n-------${tid}${flag}\r\n`);
    },
    answered: (count: number) => until(() => peer.statuses().length >= count),
  };
}
