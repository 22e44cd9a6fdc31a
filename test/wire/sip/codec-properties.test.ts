import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sipFramer } from '../../../src/wire/sip/framing.ts';
import { parseSip, renderSip } from '../../../src/wire/sip/message.ts';
import { parseNameAddr } from '../../../src/wire/sip/name-addr.ts';
import { accountOf, equalUris, parseUri } from '../../../src/wire/sip/uri.ts';
import { parseVia } from '../../../src/wire/sip/via.ts';
import { headerValue, sipParts, token } from './sip-arbitraries.ts';

const seed = Number(process.env.RESTANTE_SEED ?? 20261122);

describe('the SIP codec', () => {
  it('reads what it writes', () => {
    fc.assert(
      fc.property(sipParts, (parts) => {
        const octets = renderSip(parts);
        const parsed = parseSip(octets, 'exact');
        if (parsed.kind === 'refusal') throw new Error(parsed.reason);
        const { message } = parsed;
        expect(message.start).toEqual(parts.start);
        expect(message.body).toEqual(parts.body);
        expect(message.octets).toEqual(octets);
        for (const [name, value] of parts.headers) {
          expect(message.all(name.toLowerCase())).toContain(value);
        }
        const headers = message.fields.map((field) => [field.name, message.first(field.name)]);
        expect(headers.length).toBe(parts.headers.length + 1);
        const framer = sipFramer();
        expect(framer.push(octets)).toMatchObject([{ kind: 'message', message: { octets } }]);
      }),
      { seed, numRuns: 300 },
    );
  });

  it('takes any octets without throwing, and what it takes can be answered', () => {
    const scrap = fc.constantFrom(
      ...['SIP/2.0', 'MESSAGE ', 'ACK ', ' SIP/2.0\r\n', '\r\n', '\r', '\n', '\0', ' ', '\t', ':'],
      ...['Via: ', 'SIP/2.0/UDP h', ';branch=', 'From:', 'To:', '<sip:a@h>', '"', '\\', '<', '>'],
      ...['Call-ID: x\r\n', 'CSeq: 1 MESSAGE\r\n', 'l: 0\r\n', '[::1]', '%', '@', ',', ';', 'é'],
    );
    const hostile = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.array(scrap, { maxLength: 40 }).map((parts) => new TextEncoder().encode(parts.join(''))),
      // A good message with some octets changed.
      fc
        .tuple(sipParts, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 }))
        .map(([parts, changes]) => {
          const octets = renderSip(parts);
          for (const [at, octet] of changes) if (at < octets.length) octets[at] = octet;
          return octets;
        }),
    );
    fc.assert(
      fc.property(hostile, fc.constantFrom('datagram', 'exact'), (octets, framing) => {
        sipFramer().push(octets);
        const parsed = parseSip(octets, framing as 'datagram');
        if (parsed.kind === 'refusal' && parsed.status === null) return;
        const copied = ['via', 'from', 'to', 'call-id', 'cseq'].flatMap((name) =>
          (parsed.message?.all(name) ?? []).map((value) => [name, value] as const),
        );
        const start = { kind: 'response', status: 400, reason: 'Bad Request' } as const;
        renderSip({ start, headers: copied });
      }),
      { seed, numRuns: 1500 },
    );
  });

  it('the typed parsers take any text', () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), headerValue);
    fc.assert(
      fc.property(text, (value) => {
        parseVia(value);
        parseNameAddr(value);
        const account = accountOf(value);
        if (account !== undefined) expect(account).toMatch(/^[\x21-\x7e]+$/);
      }),
      { seed, numRuns: 2000 },
    );
  });

  it('an account is its own account and a URI equals itself', () => {
    const user = fc.string({ unit: fc.constantFrom(...'aZ09%41%2f%C3-_.!~*()é;?/&=+$,') });
    const uri = fc
      .tuple(fc.constantFrom('sip', 'SIPS', 'im'), user, token)
      .map(([scheme, name, host]) => `${scheme}:${name}@${host.replace(/[^a-zA-Z0-9.-]/g, 'x')}`);
    fc.assert(
      fc.property(uri, (text) => {
        const parsed = parseUri(text);
        if (parsed === undefined) return;
        const account = accountOf(text) ?? '';
        expect(accountOf(account)).toBe(account);
        expect(equalUris(parsed, parsed)).toBe(true);
      }),
      { seed, numRuns: 1000 },
    );
  });
});
