import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificates } from '../test/controls/certificates.ts';
import type { DepositLoad, DepositReport } from '../test/controls/load-deposits.ts';
import { cpuMicros, loadPeer, loadReport } from '../test/controls/load-process.ts';
import { sipp, sippMissing } from '../test/controls/load-sipp.ts';
import { freePort, type Server, type ServerOptions, startServer } from '../test/controls/server.ts';
import type { Bench, Measured } from './store.ts';

const DRIVER = 'test/controls/load-deposits.ts';
const ECHO = 'test/controls/load-echo.ts';
const ROUNDS = 5;
const COUNT = 4_000;
const ECHO_COUNT = 20_000;
/** What is measured runs compiled, and on a log that is not empty. */
const WARM_UP_COUNT = 8_000;
const STEADY_RATE = 500;
const STEADY_COUNT = 3_000;
const SIPP_COUNT = 10_000;
const SIPP_WITHIN_MS = 120_000;

type Transport = DepositLoad['transport'];

let runs = 0;
function drive(load: Omit<DepositLoad, 'run'>): Promise<DepositReport> {
  runs += 1;
  return loadReport<DepositReport>(DRIVER, { ...load, run: `b${process.pid}r${runs}` });
}

async function deposits(server: Server, load: Omit<DepositLoad, 'run' | 'port'>, port?: number) {
  const pid = server.process.pid ?? 0;
  const before = await cpuMicros(pid);
  const report = await drive({ ...load, port: port ?? server.sipPort });
  const micros = ((await cpuMicros(pid)) - before) / load.count;
  if (report.statuses['202'] !== load.count) {
    throw new Error(`not all were answered 202: ${JSON.stringify(report.statuses)}`);
  }
  return { ...report, micros };
}

/** The middle one; of an even number the upper of the two in the middle. */
function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

async function onServer<Result>(
  job: (server: Server) => Promise<Result>,
  options: ServerOptions = {},
): Promise<Result> {
  const args = ['--log-level', 'error', ...(options.args ?? [])];
  const server = await startServer({ ...options, args });
  try {
    return await job(server);
  } finally {
    await server.remove();
  }
}

/** A server that listens with TLS as well, on a port of its own. */
async function onTlsServer<Result>(
  job: (server: Server, tlsPort: number) => Promise<Result>,
): Promise<Result> {
  const made = certificates();
  const { certificate, key } = made.issue('im.example.org', { san: 'DNS:im.example.org' });
  const port = await freePort();
  const args = ['--tls-certificate', certificate, '--tls-key', key];
  try {
    const listen = [`tls://127.0.0.1:${port}`];
    return await onServer((server) => job(server, port), { args, sipListen: listen });
  } finally {
    made.remove();
  }
}

/** Pairs of server and floor in turn: what else the machine does slows both. */
async function pairs(
  server: Server,
  load: { transport: Transport; inFlight: number; port?: number },
) {
  const { transport, inFlight, port } = load;
  const echo = await loadPeer(ECHO, {});
  try {
    // The floor of TLS is TCP: what encryption costs is in the ratio.
    const plain = transport === 'tls' ? 'tcp' : transport;
    const floor = {
      transport: plain,
      inFlight,
      port: Number(echo.line),
      count: ECHO_COUNT,
    } as const;
    await deposits(server, { transport, inFlight, count: WARM_UP_COUNT }, port);
    await drive(floor);
    const measured = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const one = await deposits(server, { transport, inFlight, count: COUNT }, port);
      measured.push({ ...one, floor: (await drive(floor)).perSecond });
    }
    const what = `MESSAGE to 202, ${transport.toUpperCase()}, ${inFlight} in flight`;
    return [
      {
        what,
        figure: median(measured.map(({ perSecond }) => perSecond)),
        unit: '1/s',
        ratio: median(measured.map(({ perSecond, floor }) => perSecond / floor)),
        floor: `${plain.toUpperCase()} echo`,
      },
      { what: `${what}, CPU`, figure: median(measured.map(({ micros }) => micros)), unit: 'µs' },
      { what: `${what}, p50`, figure: median(measured.map(({ p50Ms }) => p50Ms)), unit: 'ms' },
      { what: `${what}, p99`, figure: median(measured.map(({ p99Ms }) => p99Ms)), unit: 'ms' },
    ];
  } finally {
    echo.process.kill();
  }
}

function rates(transport: Transport, inFlight: number): Promise<readonly Measured[]> {
  return transport === 'tls'
    ? onTlsServer((server, port) => pairs(server, { transport, inFlight, port }))
    : onServer((server) => pairs(server, { transport, inFlight }));
}

/** How long one flush takes here, in milliseconds: no answer can come sooner. */
function flushMs(): number {
  const dir = mkdtempSync(join(tmpdir(), 'restante-bench-'));
  const file = openSync(join(dir, 'floor'), 'w');
  const block = new Uint8Array(512).fill(120);
  const took: number[] = [];
  for (let turn = 0; turn < 2_000; turn += 1) {
    const began = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    took.push(performance.now() - began);
  }
  closeSync(file);
  rmSync(dir, { recursive: true });
  return median(took);
}

function latency(): Promise<readonly Measured[]> {
  return onServer(async (server) => {
    const steady = { transport: 'udp', inFlight: 0, rate: STEADY_RATE } as const;
    await deposits(server, { transport: 'udp', inFlight: 32, count: WARM_UP_COUNT });
    const measured: DepositReport[] = [];
    const floors: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      measured.push(await deposits(server, { ...steady, count: STEADY_COUNT }));
      floors.push(flushMs());
    }
    const flush = median(floors);
    const line = (name: string, of: 'p50Ms' | 'p99Ms' | 'maxMs'): Measured => {
      const figure = median(measured.map((report) => report[of]));
      const what = `MESSAGE to 202 at ${STEADY_RATE}/s, UDP, ${name}`;
      return { what, figure, unit: 'ms', ratio: figure / flush, floor: 'fdatasync of 512 B, p50' };
    };
    return [line('p50', 'p50Ms'), line('p99', 'p99Ms'), line('max', 'maxMs')];
  });
}

async function bySipp(): Promise<readonly Measured[]> {
  const missing = await sippMissing();
  if (missing) {
    console.warn(`SKIPPED: deposits by SIPp: ${missing}`);
    return [];
  }
  return onServer(async (server) => {
    const lines: Measured[] = [];
    for (const transport of ['udp', 'tcp'] as const) {
      const load = { transport, port: server.sipPort, inFlight: 32, withinMs: SIPP_WITHIN_MS };
      await sipp({ ...load, count: COUNT });
      const { perSecond, failed } = await sipp({ ...load, count: SIPP_COUNT });
      if (failed > 0) throw new Error(`${failed} of ${SIPP_COUNT} calls of SIPp failed`);
      const what = `MESSAGE to 202, ${transport.toUpperCase()}, 32 in flight, by SIPp`;
      lines.push({ what, figure: perSecond, unit: '1/s' });
    }
    return lines;
  });
}

export const benches: readonly Bench[] = [
  ...(['udp', 'tcp', 'tls'] as const).flatMap((transport) =>
    [32, 64].map((inFlight) => ({
      name: `deposit: ${transport.toUpperCase()}, ${inFlight} in flight, journal on`,
      run: () => rates(transport, inFlight),
    })),
  ),
  { name: 'deposit: latency at a steady rate', run: latency },
  { name: 'deposit: by SIPp', run: bySipp },
];
