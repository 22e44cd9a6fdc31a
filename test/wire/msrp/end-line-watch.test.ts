import fc from 'fast-check';
import { expect, it } from 'vitest';
import { endLineWatch } from '../../../src/wire/msrp/end-line-watch.ts';

const seed = Number(process.env.RESTANTE_SEED ?? 20261122);
const octets = (text: string) => new TextEncoder().encode(text);

it('finds an end-line wherever the body is cut, and no other (A-25) [RFC 4975 §7.1]', () => {
  const pieces = fc.array(fc.constantFrom('-', '---', '-------', 'abcd', 'ab', 'x', '\r\n'), {
    maxLength: 40,
  });
  const cuts = fc.array(fc.nat(120), { maxLength: 8 });
  fc.assert(
    fc.property(pieces, cuts, (parts, at) => {
      const body = parts.join('');
      const watch = endLineWatch();
      const places = [...new Set([0, ...at, body.length])].sort((a, b) => a - b);
      for (const [index, from] of places.entries()) {
        const to = places[index + 1] ?? body.length;
        if (from < to && from < body.length) watch.write(from, octets(body.slice(from, to)));
      }
      expect(watch.has('abcd')).toBe(body.includes('-------abcd'));
    }),
    { seed, numRuns: 2_000 },
  );
});

it('does not know of octets that came out of order', () => {
  const watch = endLineWatch();
  watch.write(5, octets('x'));
  watch.write(0, octets('-----'));
  expect(watch.has('abcd')).toBe('unsure');
});

it('stops counting what looks like an end-line', () => {
  const watch = endLineWatch();
  watch.write(0, octets('-'.repeat(5_000)));
  expect(watch.has('abcd')).toBe('unsure');
});
