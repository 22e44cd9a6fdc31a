import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeEvent, encodeEvent } from '../../../src/adapters/store/codec.ts';
import type { Candidate } from '../../../src/engine/recorded.ts';
import { noted, SEED } from './store-examples.ts';

const text = fc.string({ unit: 'grapheme' });
const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const meta = fc.record(
  {
    from: text,
    to: text,
    effects: fc.array(text, { maxLength: 3 }),
    timers: fc.dictionary(
      fc.string({ minLength: 1 }).filter((name) => name !== '__proto__'),
      fc.option(fc.record({ dueAt: fc.nat(), event: text })),
      { noNullPrototype: true },
    ),
    machine: text,
    causation: text,
    evidence: fc.record({
      protocol: fc.constantFrom('sip' as const, 'msrp' as const),
      transport: fc.constantFrom('udp' as const, 'tcp' as const, 'tls' as const),
      local: text,
      remote: text,
    }),
  },
  { requiredKeys: [] },
);
const candidate: fc.Arbitrary<Candidate> = fc
  .record({
    id: fc.uuid({ version: 8 }),
    type: text,
    at: fc.maxSafeNat(),
    // What JSON itself gives back: it knows no -0.
    data: fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown),
    octets: optional(fc.uint8Array({ maxLength: 200 })),
    meta,
  })
  .map(({ octets, ...event }) => (octets ? { ...event, octets } : event));

test('whatever is encoded is decoded as it was', () => {
  fc.assert(
    fc.property(text, fc.nat(), candidate, (stream, revision, event) => {
      const value = encodeEvent(stream, revision, event);
      const back = decodeEvent(value, '000000000000007');
      expect(back).toEqual({ ...event, stream, revision, position: '000000000000007' });
      expect('octets' in back).toBe('octets' in event);
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test('the head is JSON that a person can read, the octets follow as they are', () => {
  const octets = Uint8Array.of(0, 255, 13, 10);
  const event = {
    ...noted({ add: ['sum', 1] }, octets),
    meta: { from: 'idle', machine: 'mailbox@1' },
  };
  const value = encodeEvent('mailbox-a', 3, event);
  const head = new TextDecoder().decode(value.subarray(4, -4));
  expect(JSON.parse(head)).toEqual([
    'mailbox-a',
    3,
    event.id,
    'Noted',
    event.at,
    { add: ['sum', 1] },
    { f: 'idle', m: 'mailbox@1' },
  ]);
  expect(value.subarray(-4)).toEqual(octets);
});

test('a value of a newer format is refused with what to do', () => {
  const value = encodeEvent('mailbox-a', 0, noted());
  value[0] = 2;
  expect(() => decodeEvent(value, '000000000000007')).toThrow(
    /position 000000000000007.*format 2.*later/,
  );
});
