import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSipDate, renderSipDate } from '../../../src/wire/sip/date.ts';

const seed = Number(process.env.RESTANTE_SEED ?? 20261122);

describe('SIP-date [RFC 3261 §20.17]', () => {
  it('writes and reads the form of RFC 1123', () => {
    expect(renderSipDate(Date.UTC(2026, 10, 22, 9, 15, 2) + 999)).toBe(
      'Sun, 22 Nov 2026 09:15:02 GMT',
    );
    expect(parseSipDate('Sat, 13 Nov 2010 23:29:00 GMT')).toBe(Date.UTC(2010, 10, 13, 23, 29));
  });

  it('agrees with the calendar of the platform', () => {
    const first = Date.parse('0000-01-01T00:00:00Z');
    const last = Date.parse('9999-12-31T23:59:59Z');
    fc.assert(
      fc.property(fc.integer({ min: first, max: last }), (epochMs) => {
        const text = new Date(epochMs).toUTCString();
        expect(renderSipDate(epochMs)).toBe(text);
        expect(parseSipDate(text)).toBe(Math.floor(epochMs / 1000) * 1000);
      }),
      { seed, numRuns: 2000 },
    );
  });

  it.each([
    'Fri, 01 Jan 2010 16:00:00 EST',
    'Fri, 01 Jan 2010 16:00:00 UTC',
    'Fri, 1 Jan 2010 16:00:00 GMT',
    'Fri, 31 Apr 2010 16:00:00 GMT',
    'Mon, 29 Feb 2023 16:00:00 GMT',
    'Fri, 00 Jan 2010 16:00:00 GMT',
    'Fri, 01 Jan 2010 24:00:00 GMT',
    'Fri, 01 Jan 2010 16:60:00 GMT',
    'Fri, 01-Jan-2010 16:00:00 GMT',
    'Fre, 01 Jan 2010 16:00:00 GMT',
    'Fri, 01 Jun 2010 16:00:0x GMT',
    '',
  ])('%j is none [RFC 4475 §3.1.2.12]', (text) => {
    expect(parseSipDate(text)).toBeUndefined();
  });

  it('throws for a year that has no four digits', () => {
    expect(() => renderSipDate(Number.NaN)).toThrow();
    expect(() => renderSipDate(253_402_300_800_000)).toThrow();
  });
});
