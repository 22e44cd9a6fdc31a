import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLmdbStore } from '../src/adapters/store/lmdb.ts';
import type { EventStore, Projection, ViewStore } from '../src/engine/ports.ts';
import type { Candidate } from '../src/engine/recorded.ts';

/** One line of a benchmark; `ratio` is the figure over the floor measured in the same run. */
export interface Measured {
  readonly what: string;
  readonly figure: number;
  readonly unit: string;
  readonly ratio?: number;
  readonly floor?: string;
}

export interface Bench {
  readonly name: string;
  run(): Promise<readonly Measured[]>;
}

const MEASURE_MS = 2_000;
/** A SIP MESSAGE as SIPp sends it in these measurements. */
const WIRE_BYTES = 700;
const ACCOUNTS = 1_000;

/** A request of `WIRE_BYTES`, different for each serial as real ones are. */
function wire(account: number, serial: number): Uint8Array {
  const user = `user${String(account).padStart(5, '0')}`;
  const head = [
    `MESSAGE sip:${user}@example.org SIP/2.0`,
    `Via: SIP/2.0/UDP 192.0.2.18:5062;branch=z9hG4bK${serial.toString(36)}x7Kq`,
    'Max-Forwards: 69',
    `From: "Juliet" <sip:juliet@example.org>;tag=${(serial * 40_503) % 1_000_003}`,
    `To: <sip:${user}@example.org>`,
    `Call-ID: ${(serial * 7_919).toString(16)}-1@192.0.2.18`,
    'CSeq: 1 MESSAGE',
    'P-Asserted-Identity: <sip:juliet@example.org>',
    'Content-Type: text/plain;charset=UTF-8',
  ].join('\r\n');
  let text = '';
  for (let word = serial + 1; text.length < WIRE_BYTES; word = (word * 48_271) % 2_147_483_647) {
    text += `${word.toString(36)} `;
  }
  const request = `${head}\r\nContent-Length: 300\r\n\r\n${text}`;
  return new TextEncoder().encode(request.slice(0, WIRE_BYTES));
}

/** Made before the clock runs: what is measured is the store. */
const WIRES = Array.from({ length: ACCOUNTS }, (_, account) => wire(account, account * 31));

interface DepositData {
  readonly id: string;
  readonly kind: 'message';
  readonly bytes: number;
  readonly expiresAt: number;
  readonly deposit: string;
}

/** The rows that a deposit touches: the message, its key against doubles, its mailbox, the clock. */
const depositRows: Projection = {
  name: 'depositRows',
  version: 1,
  views: ['waiting', 'deposits', 'summary', 'inFlight'],
  project({ stream, revision, position, data }) {
    const { id, kind, bytes, expiresAt, deposit } = data as DepositData;
    const expiry = String(expiresAt).padStart(15, '0');
    return [
      {
        view: 'waiting',
        key: `${stream} ${position}`,
        put: { id, kind, bytes, expiresAt, revision },
      },
      { view: 'deposits', key: deposit, put: { id, expiresAt } },
      {
        view: 'summary',
        key: stream,
        fold: (row) => ({ waiting: ((row as { waiting: number } | undefined)?.waiting ?? 0) + 1 }),
      },
      { view: 'inFlight', key: `${expiry} ${stream}`, put: { event: 'MessageExpired' } },
    ];
  },
};

function deposit(account: number, serial: number): Candidate<string, DepositData> {
  const at = 1_795_395_388_000 + serial;
  const hex = serial.toString(16).padStart(12, '0');
  return {
    id: `5f0c1d2e-7a6b-8c4d-9e3f-${hex}`,
    type: 'MessageDeferred',
    at,
    data: {
      id: `${at}000@store.example.org`,
      kind: 'message',
      bytes: WIRE_BYTES,
      expiresAt: at + 604_800_000,
      deposit: `q1Y2u3I4o5P6a7S8d9F0${hex}`,
    },
    octets: WIRES[account] ?? new Uint8Array(WIRE_BYTES),
    meta: {
      from: 'idle',
      to: 'idle',
      effects: ['notifySummary', 'startTimer'],
      timers: { expiry: { dueAt: at + 604_800_000, event: 'MessageExpired' } },
      machine: 'mailbox@1',
      evidence: {
        protocol: 'sip',
        transport: 'udp',
        local: '192.0.2.17:5060',
        remote: `192.0.2.18:${5062 + (account % 100)}`,
      },
    },
  };
}

/** Runs `job` on a store in a fresh folder beside the system's other temporary files. */
async function onStore<Result>(
  projections: readonly Projection[],
  job: (store: EventStore & ViewStore, dir: string) => Promise<Result>,
): Promise<Result> {
  const dir = mkdtempSync(join(tmpdir(), 'restante-bench-'));
  const store = await openLmdbStore({ dir, projections });
  try {
    return await job(store, dir);
  } finally {
    await store.close();
    rmSync(dir, { recursive: true });
  }
}

/** Keeps `inFlight` deposits under way, each to a mailbox of its own until it is answered. */
async function deposits(
  store: EventStore,
  inFlight: number,
  until: (done: number) => boolean,
): Promise<{ count: number; perSecond: number; cpuMicros: number; latencies: number[] }> {
  let count = 0;
  const latencies: number[] = [];
  const client = async (client: number) => {
    const heads = new Map<number, number>();
    for (let turn = 0; !until(count); turn += 1) {
      const account = client + inFlight * (turn % Math.max(1, Math.floor(ACCOUNTS / inFlight)));
      const stream = `mailbox-sip:user${String(account).padStart(5, '0')}@example.org`;
      const began = performance.now();
      const answer = await store.append(stream, heads.get(account) ?? 'none', [
        deposit(account, client * 1_000_000 + turn),
      ]);
      latencies.push(performance.now() - began);
      if (answer.outcome !== 'appended') throw new Error(JSON.stringify(answer));
      heads.set(account, answer.revision);
      count += 1;
    }
  };
  const cpu = process.cpuUsage();
  const began = performance.now();
  await Promise.all(Array.from({ length: inFlight }, (_, index) => client(index)));
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { count, perSecond: count / seconds, cpuMicros: (user + system) / count, latencies };
}

const forMs = (ms: number) => {
  const end = performance.now() + ms;
  return () => performance.now() >= end;
};

/** What the disk allows: `bytes` written and flushed again and again. */
function flushFloor(bytes: number): number {
  const dir = mkdtempSync(join(tmpdir(), 'restante-bench-'));
  const file = openSync(join(dir, 'floor'), 'w');
  const block = new Uint8Array(bytes).fill(120);
  const over = forMs(1_000);
  const began = performance.now();
  let flushes = 0;
  for (; !over(); flushes += 1) {
    writeSync(file, block);
    fdatasyncSync(file);
  }
  const seconds = (performance.now() - began) / 1000;
  closeSync(file);
  rmSync(dir, { recursive: true });
  return flushes / seconds;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

async function durableAppends(inFlight: number): Promise<readonly Measured[]> {
  // The floor groups as the store may: one flush for all that are in flight.
  const floor = flushFloor(512 * inFlight) * inFlight;
  const floorName = inFlight === 1 ? '512 B + fdatasync' : `${inFlight} × 512 B + fdatasync`;
  // A store of its own, so that what is measured runs compiled and begins with an empty log.
  await onStore([depositRows], (store) => deposits(store, inFlight, forMs(500)));
  return onStore([depositRows], async (store) => {
    const { perSecond, cpuMicros, latencies } = await deposits(store, inFlight, forMs(MEASURE_MS));
    const what = `durable deposit, ${inFlight} in flight`;
    return [
      { what, figure: perSecond, unit: '1/s', ratio: perSecond / floor, floor: floorName },
      { what: `${what}, CPU`, figure: cpuMicros, unit: 'µs' },
      { what: `${what}, p50`, figure: percentile(latencies, 0.5), unit: 'ms' },
      { what: `${what}, p99`, figure: percentile(latencies, 0.99), unit: 'ms' },
    ];
  });
}

async function replay(): Promise<readonly Measured[]> {
  const events = 100_000;
  return onStore([], async (store, dir) => {
    const { count } = await deposits(store, 256, (done) => done >= events);
    const pass = async () => {
      const began = performance.now();
      let octets = 0;
      for await (const event of store.readAll()) octets += event.octets?.length ?? 0;
      if (octets !== count * WIRE_BYTES) throw new Error(`${octets} octets of ${count} events`);
      return (performance.now() - began) / 1000;
    };
    await pass();
    const seconds = await pass();
    const bytes = statSync(join(dir, 'data.mdb')).size / count;
    const goal = 1.3 * WIRE_BYTES + 200;
    return [
      { what: 'read the whole log', figure: count / seconds, unit: 'events/s' },
      {
        what: `log of ${WIRE_BYTES} B messages`,
        figure: bytes,
        unit: 'B/message',
        ratio: bytes / goal,
        floor: '1.3 × wire + 200 B',
      },
    ];
  });
}

export const benches: readonly Bench[] = [
  { name: 'store: appends one by one', run: () => durableAppends(1) },
  { name: 'store: appends, 64 in flight', run: () => durableAppends(64) },
  { name: 'store: replay and size', run: replay },
];
