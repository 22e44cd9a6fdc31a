/**
 * Ten minutes at about half of what the server can take: deposits without a pause, and every minute
 * a subscriber comes and is pushed its messages. What is in memory at the end was there after the
 * first minutes, and when the traffic has ended no transaction, timer or delivery is left.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DepositLoad, DepositReport } from '../controls/load-deposits.ts';
import { loadReport } from '../controls/load-process.ts';
import type { PushReport } from '../controls/load-pushes.ts';
import { type Server, startServer } from '../controls/server.ts';

const VERIFY = process.env.RESTANTE_VERIFY === '1';
if (!VERIFY) console.warn('SKIPPED: the soak takes ten minutes; script/verify runs it');

/** Half of the 4,800/s that docs/benchmarks.md has for two cores, the load's own cost included. */
const RATE = 2_400;
const MINUTES = 10;
const SAMPLE_MS = 2_000;
const PUSHED = 1_000;
/** Caches fill and code is compiled: from then on memory must stay as it is. */
const SETTLED_MINUTES = 3;
/** Of the smallest heap of a minute; what a collection leaves varies by about so much. */
const GROWTH_MAX = 1.15;
/** Timer J, 32 s, and a little. */
const QUIET_WITHIN_MS = 45_000;

async function reading(server: Server): Promise<(name: string) => number> {
  const text = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text();
  return (name) => {
    const line = text.split('\n').find((each) => each.startsWith(`${name} `));
    if (line === undefined) throw new Error(`/metrics has no ${name}`);
    return Number(line.slice(name.length + 1));
  };
}

const HEAP = 'restante_nodejs_heap_size_used_bytes';
const LEFT = [
  'restante_sip_transactions{side="client"}',
  'restante_sip_transactions{side="server"}',
  'restante_sip_timers',
  'restante_open_deliveries',
];

describe.runIf(VERIFY)('a soak at half load', () => {
  let server: Server;
  beforeAll(async () => {
    server = await startServer({ args: ['--log-level', 'error'] });
  });
  afterAll(() => server?.remove());

  async function minute(index: number): Promise<number> {
    const heaps: number[] = [];
    const sampling = setInterval(() => {
      void reading(server).then((of) => heaps.push(of(HEAP)));
    }, SAMPLE_MS);
    const load = (part: Omit<DepositLoad, 'port' | 'transport' | 'inFlight'>) =>
      loadReport<DepositReport>('test/controls/load-deposits.ts', {
        transport: 'udp',
        inFlight: 32,
        port: server.sipPort,
        ...part,
      });
    const user = `soaked${index}`;
    const [all] = await Promise.all([
      load({ run: `soak${index}`, count: RATE * 60, rate: RATE }),
      load({ run: `kept${index}`, count: PUSHED, user }).then(async () => {
        const at = { sipPort: server.sipPort, user };
        const pushed = await loadReport<PushReport>('test/controls/load-pushes.ts', at);
        expect(pushed.distinct).toBe(PUSHED);
      }),
    ]);
    clearInterval(sampling);
    expect(all.statuses).toEqual({ '202': RATE * 60 });
    const least = Math.min(...heaps);
    console.info(`soak: minute ${index + 1} of ${MINUTES}, heap ${(least / 1e6).toFixed(1)} MB`);
    return least;
  }

  it('heap flat, no transaction, timer or delivery left behind', {
    timeout: (MINUTES + 3) * 60_000,
  }, async ({ task }) => {
    const least: number[] = [];
    for (let index = 0; index < MINUTES; index += 1) least.push(await minute(index));
    const settled = Math.max(...least.slice(0, SETTLED_MINUTES));
    const end = Math.min(...least.slice(-2));
    const counts = async () => LEFT.map(await reading(server));
    await expect.poll(counts, { timeout: QUIET_WITHIN_MS, interval: 1_000 }).toEqual([0, 0, 0, 0]);
    const heaps = least.map((bytes) => (bytes / 1e6).toFixed(0)).join(', ');
    const measured = `${RATE * 60 * MINUTES} deposits in ${MINUTES} min, least heap a minute: ${heaps} MB`;
    Object.assign(task.meta, { measured });
    expect(end / settled, measured).toBeLessThan(GROWTH_MAX);
  });
});
