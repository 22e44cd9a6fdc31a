/** The SIP side and MSRP itself over an engine in memory: all is real but the disk and the time. */
import { randomBytes } from 'node:crypto';
import { memoryBlobs } from '../../src/adapters/blob/memory.ts';
import { hostDigest } from '../../src/adapters/host/digest.ts';
import { msrpChannels } from '../../src/adapters/msrp/channels.ts';
import { msrpDeposits } from '../../src/adapters/msrp/deposit-channels.ts';
import { type MsrpSignal, openMsrpEndpoint } from '../../src/adapters/msrp/endpoint.ts';
import type { BlobStore } from '../../src/engine/ports.ts';
import type { Recorded } from '../../src/engine/recorded.ts';
import { type SimulatedClock, simulatedClock } from './simulated-clock.ts';
import { type SipAgentStage, sipAgentStage } from './sip-agent-stage.ts';
import { pass, settled } from './turns.ts';

const START_MS = Date.UTC(2026, 10, 22, 9, 20, 0);
/** `large.idleTimeout`, as the server has it when nothing is set. */
const IDLE_MS = 60_000;
const MET_WITHIN_MS = 10_000;

export interface MsrpStage extends SipAgentStage {
  readonly clock: SimulatedClock;
  readonly msrpPort: number;
  readonly blobs: BlobStore;
  /** Every frame that the endpoint sent or received. */
  readonly signals: readonly MsrpSignal[];
  pass(ms: number): Promise<void>;
  /** Waits without the simulated clock: for sockets and for the log. */
  until(met: () => boolean | Promise<boolean>, what: string): Promise<void>;
  /** Events of these categories of streams, as `<category> <type>`. */
  told(...categories: readonly string[]): Promise<readonly string[]>;
}

export async function msrpStage(
  options: { readonly log?: readonly Recorded[]; readonly blobs?: BlobStore } = {},
): Promise<MsrpStage> {
  const clock = simulatedClock(START_MS);
  const random = (octets: number) => randomBytes(octets);
  const blobs = options.blobs ?? memoryBlobs({ digest: hostDigest, now: clock.now });
  const signals: MsrpSignal[] = [];
  const endpoint = await openMsrpEndpoint({
    ...{ clock, random, listen: { host: '127.0.0.1', port: 0 } },
    journal: (signal) => signals.push(signal),
  });
  const faults: string[] = [];
  const onFault = (where: string, fault: unknown) => faults.push(`${where}: ${fault}`);
  const deposits = msrpDeposits({
    ...{ endpoint, blobs, clock, random, onFault, idleMs: IDLE_MS },
    hasRoom: async () => true,
  });
  const stage = await sipAgentStage({
    clock,
    msrp: { channels: msrpChannels({ endpoint, random }), deposits, blobs },
    ...(options.log && { log: options.log }),
  });
  return {
    ...stage,
    ...{ clock, blobs, signals, msrpPort: endpoint.port },
    get faults() {
      return [...stage.faults, ...faults];
    },
    pass: (ms) => pass(clock, ms),
    async until(met, what) {
      const lateAt = performance.now() + MET_WITHIN_MS;
      while (!(await met())) {
        if (performance.now() > lateAt) throw new Error(`${what} did not come in time`);
        await settled();
      }
    },
    async told(...categories) {
      const of = (stream: string) => stream.slice(0, stream.indexOf('-'));
      const events = await stage.events();
      return events
        .filter(({ stream }) => categories.includes(of(stream)))
        .map(({ stream, type }) => `${of(stream)} ${type}`);
    },
    async close() {
      await stage.close();
      await endpoint.close();
    },
  };
}
