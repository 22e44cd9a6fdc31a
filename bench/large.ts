/** A Large message of 10 MiB in and out of the server, against a raw write and flush of the same. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LargeReport } from '../test/controls/load-large.ts';
import { cpuMicros, loadReport } from '../test/controls/load-process.ts';
import type { PushReport } from '../test/controls/load-pushes.ts';
import { startServer } from '../test/controls/server.ts';
import type { Bench, Measured } from './store.ts';

const BYTES = 10 * 1024 * 1024;
const ROUNDS = 5;
const PER_ROUND = 5;

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** Milliseconds that the octets take into a new file of the folder, flushed. */
async function written(folder: string, octets: Uint8Array, serial: number): Promise<number> {
  const file = await open(join(folder, `floor${serial}`), 'w');
  const start = performance.now();
  await file.write(octets);
  await file.datasync();
  const ms = performance.now() - start;
  await file.close();
  return ms;
}

async function large(): Promise<readonly Measured[]> {
  const folder = await mkdtemp(join(tmpdir(), 'restante-bench-'));
  const server = await startServer({
    data: join(folder, 'data'),
    args: ['--log-level', 'error', '--large-bytes', `${BYTES}`],
  });
  const pid = server.process.pid ?? 0;
  const { sipPort } = server;
  const body = randomBytes(BYTES);
  const file = join(folder, 'body');
  await writeFile(file, body);
  const floors: number[] = [];
  const ins: number[] = [];
  const cpuIn: number[] = [];
  const outs: number[] = [];
  const cpuOut: number[] = [];
  try {
    // The first round runs before the code is compiled and does not count.
    for (let round = 0; round <= ROUNDS; round += 1) {
      const user = `large${round}`;
      const load = { sipPort, user, file, count: PER_ROUND };
      const before = await cpuMicros(pid);
      const deposits = await loadReport<LargeReport>('test/controls/load-large.ts', load);
      const between = await cpuMicros(pid);
      const push = await loadReport<PushReport>('test/controls/load-pushes.ts', { sipPort, user });
      const after = await cpuMicros(pid);
      const floor: number[] = [];
      for (let n = 0; n < PER_ROUND; n += 1) floor.push(await written(folder, body, n));
      if (deposits.outcomes.some((outcome) => outcome !== 'acknowledged')) {
        throw new Error(`a deposit came to ${deposits.outcomes}`);
      }
      if (push.messages !== PER_ROUND) throw new Error(`${push.messages} messages were pushed`);
      if (round === 0) continue;
      floors.push(median(floor));
      ins.push(median(deposits.ms));
      outs.push(push.ms / PER_ROUND);
      cpuIn.push((between - before) / PER_ROUND / 1000);
      cpuOut.push((after - between) / PER_ROUND / 1000);
    }
  } finally {
    await server.remove();
    await rm(folder, { recursive: true, force: true });
  }
  const rate = (ms: number): number => BYTES / 1000 / ms;
  return [
    { what: 'raw write and flush of 10 MiB', figure: rate(median(floors)), unit: 'MB/s' },
    {
      what: '10 MiB in: first octet → last 200, durable',
      figure: rate(median(ins)),
      unit: 'MB/s',
      ratio: median(ins.map((ms, round) => (floors[round] ?? 0) / ms)),
      floor: 'raw write and flush',
    },
    { what: '10 MiB in, server CPU', figure: median(cpuIn), unit: 'ms' },
    { what: '10 MiB out, each acknowledged', figure: rate(median(outs)), unit: 'MB/s' },
    { what: '10 MiB out, server CPU', figure: median(cpuOut), unit: 'ms' },
  ];
}

export const benches: readonly Bench[] = [{ name: 'large: 10 MiB in and out', run: large }];
