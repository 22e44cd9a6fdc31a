/** The MSRP side of the server: one endpoint, by which messages are pushed and left. */
import { readFile, statfs } from 'node:fs/promises';
import { openFileBlobs } from '../adapters/blob/file.ts';
import { memoryBlobs } from '../adapters/blob/memory.ts';
import type { ServeConfig } from '../adapters/cli/configuration.ts';
import { steadyClock } from '../adapters/host/clock.ts';
import { hostDigest } from '../adapters/host/digest.ts';
import { msrpChannels } from '../adapters/msrp/channels.ts';
import { msrpDeposits } from '../adapters/msrp/deposit-channels.ts';
import { type MsrpEndpoint, type MsrpSignal, openMsrpEndpoint } from '../adapters/msrp/endpoint.ts';
import type { Channels } from '../deferral/channel.ts';
import type { DepositChannels } from '../deferral/deposit-channel.ts';
import type { Signals } from '../deferral/signals.ts';
import type { BlobStore } from '../engine/ports.ts';
import { contentsFolder } from './contents.ts';

/** Messages that come at once must find room, too: ours. */
const ROOM_FACTOR = 2;

/** Contents lie beside the store; those of a store in memory go with it. */
export async function openBlobs(config: ServeConfig): Promise<BlobStore> {
  if (config.store === 'memory:') return memoryBlobs({ digest: hostDigest, now: steadyClock.now });
  return openFileBlobs({ dir: contentsFolder(config.data) });
}

/** Whether a message of the largest size would find room beside what is on its way. */
async function hasRoom({ store, data, large }: ServeConfig): Promise<boolean> {
  if (store === 'memory:') return true;
  const { bavail, bsize } = await statfs(data);
  return bavail * bsize >= ROOM_FACTOR * large.bytesMax;
}

export interface Msrp {
  readonly endpoint: MsrpEndpoint;
  readonly channels: Channels;
  readonly deposits: DepositChannels;
  /** Reads the files of the certificate anew. */
  reloadTls(): Promise<void>;
}

/** Rejects when an address cannot be listened on, or a file of TLS cannot be read. */
export async function openMsrp(
  config: ServeConfig,
  options: {
    readonly blobs: BlobStore;
    readonly signals: Signals;
    random(octets: number): Uint8Array;
    refused(refusal: { reason: string; section: string; remote: string }): void;
    onFault(where: string, fault: unknown): void;
  },
): Promise<Msrp> {
  const { blobs, signals, random, onFault } = options;
  const { advertise, large, msrpTls } = config;
  let material = await readMaterial(config);
  const endpoint = await openMsrpEndpoint({
    listen: config.msrpListen,
    limits: { messageBytesMax: large.bytesMax, ...bodiesKept(config) },
    clock: steadyClock,
    random,
    ...(config.dnsServers === undefined ? {} : { dnsServers: config.dnsServers }),
    ...(msrpTls.listen && material
      ? { tls: { listen: msrpTls.listen, material: () => material ?? { cert: '', key: '' } } }
      : {}),
    ...(config.journal === 'off' ? {} : { journal: (signal) => record(signals, signal) }),
    refused: options.refused,
  });
  const told = advertise === undefined ? {} : { advertise };
  return {
    endpoint,
    channels: msrpChannels({ endpoint, random, tls: msrpTls.push, ...told }),
    deposits: msrpDeposits({
      ...{ endpoint, blobs, random, onFault, ...told },
      clock: steadyClock,
      idleMs: large.idleSeconds * 1000,
      hasRoom: () => hasRoom(config),
    }),
    async reloadTls() {
      material = await readMaterial(config);
    },
  };
}

/** A body that the journal does not keep need not be held until its end came, either. */
const UNKEPT_BYTES_MAX = 8 * 1024;

function bodiesKept({ journal }: ServeConfig): { readonly wholeBytesMax?: number } {
  return journal === 'full' ? {} : { wholeBytesMax: UNKEPT_BYTES_MAX };
}

async function readMaterial({ msrpTls, tls }: ServeConfig) {
  const { certificate, key = certificate } = tls;
  if (msrpTls.listen === undefined || certificate === undefined || key === undefined) {
    return undefined;
  }
  const [cert, keyText] = await Promise.all([readFile(certificate, 'utf8'), readFile(key, 'utf8')]);
  return { cert, key: keyText };
}

function record(signals: Signals, { direction, octets, body, ...ends }: MsrpSignal): void {
  const evidence = { protocol: 'msrp', ...ends } as const;
  if (direction === 'in') signals.received(octets, evidence, body);
  else signals.sent(octets, evidence, body);
}
