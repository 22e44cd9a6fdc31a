import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLmdbStore } from '../src/adapters/store/lmdb.ts';
import { charts } from '../src/deferral/deferral.ts';
import { evolve, replay } from '../src/engine/decide.ts';
import type { Candidate, Recorded } from '../src/engine/recorded.ts';
import type { Bench, Measured } from './store.ts';

const EVENTS = 100_000;
const APPEND_EVENTS = 500;
const ROUNDS = 3;
const STREAM = 'mailbox-sip:alice@example.org';
const BEGAN_AT = 1_795_395_388_000;
const WEEK_MS = 604_800_000;

/** A message that waits, as the server records it. */
function deferred(serial: number): Candidate {
  const at = BEGAN_AT + serial;
  const hex = serial.toString(16).padStart(12, '0');
  return {
    id: `5f0c1d2e-7a6b-8c4d-9e3f-${hex}`,
    type: 'MessageDeferred',
    at,
    data: {
      id: `${at}000@store.example.org`,
      kind: 'message',
      bytes: 700,
      expiresAt: at + WEEK_MS,
      deposit: `q1Y2u3I4o5P6a7S8d9F0${hex}`,
    },
    octets: new Uint8Array(700).fill(65 + (serial % 26)),
    meta: { from: 'idle', to: 'idle', machine: 'mailbox@1' },
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** The same fold over a log on disk and over records in memory, in turn. */
async function fold(): Promise<readonly Measured[]> {
  const dir = mkdtempSync(join(tmpdir(), 'restante-bench-'));
  const store = await openLmdbStore({ dir, projections: [] });
  try {
    for (let from = 0; from < EVENTS; from += APPEND_EVENTS) {
      const events = Array.from({ length: APPEND_EVENTS }, (_, index) => deferred(from + index));
      await store.append(STREAM, from === 0 ? 'none' : from - 1, events);
    }
    const decoded: Recorded[] = [];
    for await (const event of store.read(STREAM)) decoded.push(event);
    const perSecond = async (job: () => void | Promise<void>) => {
      const began = performance.now();
      await job();
      return (EVENTS * 1000) / (performance.now() - began);
    };
    const read = async () => {
      for await (const _ of store.read(STREAM));
    };
    const folded = async () => {
      let state = charts.mailbox.initial;
      for await (const event of store.read(STREAM)) state = evolve(charts.mailbox, state, event);
    };
    await folded();
    const rounds: { disk: number; alone: number; memory: number }[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const disk = await perSecond(folded);
      const alone = await perSecond(read);
      const memory = await perSecond(() => void replay(charts.mailbox, decoded));
      rounds.push({ disk, alone, memory });
    }
    const of = (figure: 'disk' | 'alone' | 'memory') =>
      median(rounds.map((round) => round[figure]));
    const unit = 'events/s';
    return [
      {
        what: 'a mailbox folded from LMDB',
        figure: of('disk'),
        unit,
        ratio: median(rounds.map(({ disk, alone }) => disk / alone)),
        floor: 'read without folding',
      },
      { what: 'the same, read without folding', figure: of('alone'), unit },
      { what: 'the same, folded from memory', figure: of('memory'), unit },
    ];
  } finally {
    await store.close();
    rmSync(dir, { recursive: true });
  }
}

export const benches: readonly Bench[] = [{ name: `replay: ${EVENTS} events`, run: fold }];
