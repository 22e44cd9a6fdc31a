/** The order of SRV records (RFC 2782), for any records and any dice. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { orderSrv, type SrvRecord } from '../../../src/wire/sip/locate-srv.ts';
import { holds } from '../../controls/properties.ts';

const NUM_RUNS = process.env.RESTANTE_VERIFY ? 10_000 : 500;

const record = fc.record({
  priority: fc.integer({ min: 0, max: 3 }),
  weight: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 65_535 })),
  port: fc.integer({ min: 1, max: 65_535 }),
  target: fc.string(),
});

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test('each record once, priorities ascending [RFC 2782]', () => {
  holds(
    fc.property(fc.array(record, { maxLength: 12 }), fc.integer(), (records, seed) => {
      const ordered = orderSrv(records, seeded(seed));
      expect(new Set(ordered)).toEqual(new Set(records));
      expect(ordered).toHaveLength(records.length);
      const priorities = ordered.map(({ priority }) => priority);
      expect(priorities).toEqual([...priorities].sort((a, b) => a - b));
    }),
    NUM_RUNS,
  );
});

test('the highest and the lowest die choose a record too', () => {
  const records = [1, 0, 65_535].map((weight) => ({ priority: 0, weight, port: 1, target: 'h' }));
  for (const die of [0, 1 - 2 ** -53]) {
    expect(orderSrv(records, () => die)).toHaveLength(3);
  }
});

test.each([
  [[60, 20, 20, 0], 20_000],
  [[1, 1], 10_000],
  [[0, 0, 0], 9_000],
  [[1000, 0], 20_000],
])('weights %j: each comes first in proportion [RFC 2782]', (weights, draws) => {
  const records: SrvRecord[] = weights.map((weight, at) => ({
    ...{ priority: 0, weight, port: 1 },
    target: `h${at}`,
  }));
  const firsts = new Map<string, number>();
  const random = seeded(20261122);
  for (let draw = 0; draw < draws; draw += 1) {
    const first = orderSrv(records, random)[0]?.target ?? '';
    firsts.set(first, (firsts.get(first) ?? 0) + 1);
  }
  const sum = weights.reduce((total, weight) => total + weight, 0);
  for (const [at, weight] of weights.entries()) {
    const share = (firsts.get(`h${at}`) ?? 0) / draws;
    // The die has sum + 1 faces, and that of 0 belongs to whoever stands first.
    const [low, high] = [weight / (sum + 1), (weight + 1) / (sum + 1)];
    expect(share).toBeGreaterThan(low - 0.02);
    expect(share).toBeLessThan(high + 0.02);
  }
});
