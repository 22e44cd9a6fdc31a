import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type JournalOptions, journaled } from '../../src/wire/journal.ts';

const seed = Number(process.env.RESTANTE_SEED ?? 20261122);
const fixtures = new URL('../../../shared/data/wire/', import.meta.url);
const sha256 = (octets: Uint8Array) => new Uint8Array(createHash('sha256').update(octets).digest());
const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (octets: Uint8Array) => new TextDecoder().decode(octets);
const read = (name: string) => new Uint8Array(readFileSync(new URL(`${name}.bin`, fixtures)));

const sip = { protocol: 'sip', mode: 'headers', sha256 } as const satisfies JournalOptions;
const msrp = { protocol: 'msrp', mode: 'headers', sha256 } as const satisfies JournalOptions;

const present = existsSync(fixtures);
const skipped = present ? '' : ' (SKIPPED: the design fixtures at ../shared/data are not here)';

describe.skipIf(!present)(`the journal of the worked examples${skipped}`, () => {
  it('a 202 is kept as it is, without a copy', () => {
    const octets = read('a2_202');
    const kept = journaled(octets, sip);
    expect(kept.octets).toBe(octets);
    expect(kept.summary).toEqual({
      startLine: 'SIP/2.0 202 Accepted',
      status: 202,
      method: 'MESSAGE',
      callId: 'asd88asd77a@ua.example.com',
      cseq: '1 MESSAGE',
    });
  });

  it('a MESSAGE loses its body and gains its digest', () => {
    const octets = read('a1_MESSAGE');
    const kept = journaled(octets, sip);
    expect(text(kept.octets)).toBe(text(octets.subarray(0, octets.length - 48)));
    expect(kept.summary).toEqual({
      startLine: 'MESSAGE sip:alice@example.org SIP/2.0',
      method: 'MESSAGE',
      callId: 'asd88asd77a@ua.example.com',
      cseq: '1 MESSAGE',
      contentType: 'text/plain;charset=UTF-8',
      bodyBytes: 48,
      bodySha256: createHash('sha256').update(octets.subarray(-48)).digest('hex'),
    });
  });

  it('the session id of an offer is cut, the rest of its body kept in full mode', () => {
    const octets = read('a5_INVITE_push');
    const kept = journaled(octets, { ...sip, mode: 'full' });
    expect(text(kept.octets)).toBe(text(octets).replace('p7k2m4qx9w', 'p7k2...'));
    expect(kept.summary).toMatchObject({ method: 'INVITE', contentType: 'application/sdp' });
  });

  it('a pushed SEND keeps head and end-line, and tells the headers of its parts', () => {
    const kept = journaled(read('a8_MSRP_SEND'), msrp);
    expect(text(kept.octets)).toBe(
      [
        'MSRP d93kswow5e0cf1a7 SEND',
        'To-Path: msrp://192.0.2.17:7394/2s93...;tcp',
        'From-Path: msrp://192.0.2.50:2855/p7k2...;tcp',
        'Message-ID: 3f9ac07be1d24c58',
        'Failure-Report: yes',
        'Success-Report: no',
        'Byte-Range: 1-1185/1185',
        'Content-Type: multipart/mixed;boundary="restante-5d1c9e"',
        '',
        '-------d93kswow5e0cf1a7$',
        '',
      ].join('\r\n'),
    );
    expect(kept.summary).toMatchObject({
      startLine: 'MSRP d93kswow5e0cf1a7 SEND',
      tid: 'd93kswow5e0cf1a7',
      method: 'SEND',
      messageId: '3f9ac07be1d24c58',
      byteRange: '1-1185/1185',
      flag: '$',
      bodyBytes: 1185,
      partHeaders: [
        [
          ['Content-Type', 'message/sipfrag;version=2.0'],
          ['Content-Transfer-Encoding', 'binary'],
        ],
        [
          ['Content-Type', 'message/sip;version=2.0'],
          ['Content-Transfer-Encoding', 'binary'],
        ],
      ],
    });
  });

  it('the paths of a Large message inside a push are cut too in full mode [RFC 4975 §14.1]', () => {
    const kept = text(journaled(read('b10_MSRP_SEND_push'), { ...msrp, mode: 'full' }).octets);
    expect(kept).toContain('To-Path: msrp://192.0.2.50:2855/rx8c...;tcp');
    expect(kept).not.toMatch(/rx8c1v0n3z|si438dsaodes|2s93i9ek2a|p7k2m4qx9w/);
    expect(kept).toContain('Item 052');
  });

  it('a chunk tells its range and that more follow; a response its status', () => {
    expect(journaled(read('b4_SEND_1'), msrp).summary).toMatchObject({
      byteRange: '1-2048/3000',
      flag: '+',
      bodyBytes: 2048,
      contentType: 'text/plain;charset=UTF-8',
    });
    expect(journaled(read('b5_200_1'), msrp).summary).toEqual({
      startLine: 'MSRP a786hjs2kl0d9f3e 200 OK',
      tid: 'a786hjs2kl0d9f3e',
      status: 200,
      flag: '$',
    });
    const bodiless = journaled(read('x1_empty_SEND'), msrp).summary;
    expect(bodiless).toMatchObject({ byteRange: '1-0/0', flag: '$' });
    expect(bodiless).not.toHaveProperty('bodyBytes');
  });
});

describe.each(['full', 'headers'] as const)('a frame that comes without its body (%s)', (mode) => {
  const head = [
    'MSRP abcd1234 SEND',
    'To-Path: msrp://192.0.2.50:2855/p7k2m4qx9w;tcp',
    'From-Path: msrp://192.0.2.17:7394/2s93i9ek2a;tcp',
    'Message-ID: m123',
    'Byte-Range: 1-*/300000',
    'Content-Type: multipart/mixed;boundary=b',
    '\r\n',
  ].join('\r\n');
  const body = { bytes: 300_000, sha256: 'ab'.repeat(32) };
  const shown = head.replace('p7k2m4qx9w', 'p7k2...').replace('2s93i9ek2a', '2s93...');

  it.each([
    ['ended', '-------abcd1234+\r\n', { flag: '+' }],
    ['was cut off', '', {}],
  ])('and %s is kept as it is, with what is known of the body', (_, endLine, flag) => {
    const kept = journaled(utf8(head + endLine), { ...msrp, mode, body });
    expect(text(kept.octets)).toBe(shown + endLine);
    expect(kept.summary).toEqual({
      ...{ startLine: 'MSRP abcd1234 SEND', tid: 'abcd1234', method: 'SEND', messageId: 'm123' },
      ...{ byteRange: '1-*/300000', contentType: 'multipart/mixed;boundary=b', ...flag },
      ...{ bodyBytes: 300_000, bodySha256: 'ab'.repeat(32) },
    });
  });
});

describe('credentials', () => {
  const secret = 'deadbeefcafe0123';
  it.each([
    [
      'Authorization: Digest username="bob", realm="r", nonce="deadbeefcafe0123", uri="sip:r", response="deadbeefcafe0123", nc=00000001',
      'Authorization: Digest username="bob", realm="r", nonce="dead...", uri="sip:r", response="dead...", nc=00000001',
    ],
    ['proxy-authorization : Bearer deadbeefcafe0123', 'proxy-authorization : Bearer dead...'],
    [
      'WWW-Authenticate: Digest realm="r",nonce="deadbeefcafe0123",qop="auth",ik="deadbeefcafe0123"',
      'WWW-Authenticate: Digest realm="r",nonce="dead...",qop="auth",ik="dead..."',
    ],
    [
      'Authentication-Info: nextnonce="deadbeefcafe0123"',
      'Authentication-Info: nextnonce="dead..."',
    ],
    [
      'Authorization: Digest realm="r",\r\n nonce = deadbeefcafe0123',
      'Authorization: Digest realm="r",\r\n nonce = dead...',
    ],
  ])('%s', (line, kept) => {
    const message = `OPTIONS sip:a@b SIP/2.0\r\n${line}\r\nCall-ID: x\r\n\r\n`;
    expect(text(journaled(utf8(message), sip).octets)).toBe(message.replace(line, kept));
  });

  it.each([
    'Authorization: Digest realm nonce="deadbeefcafe0123"',
    'Authorization: Digest realm="r, nonce=deadbeefcafe0123',
    'Authorization: Digest realm=r;nonce="deadbeefcafe0123"',
    'Authorization: Digest realm="r"nonce="deadbeefcafe0123"',
    'Authorization: Digest "deadbeefcafe0123"',
    'Authorization:deadbeefcafe0123',
    'Authorization: Digest =deadbeefcafe0123,=,"',
    'X: y\nAuthorization: Digest nonce="deadbeefcafe0123"',
  ])('of a malformed line are cut as well: %j', (line) => {
    const message = `OPTIONS sip:a@b SIP/2.0\r\n${line}\r\nCall-ID: x\r\n\r\n`;
    const kept = journaled(utf8(message), sip);
    expect(text(kept.octets)).not.toContain(secret.slice(0, 9));
    expect(kept.summary.callId).toBe('x');
  });

  it('inside a third-party REGISTER are cut in full mode', () => {
    const inner =
      'REGISTER sip:a SIP/2.0\r\nAuthorization: Digest response="deadbeefcafe0123"\r\n\r\n';
    const outer = `REGISTER sip:im SIP/2.0\r\nc: message/sip\r\n\r\n${inner}`;
    const kept = journaled(utf8(outer), { ...sip, mode: 'full' });
    expect(text(kept.octets)).toContain('response="dead..."');
    expect(kept.summary.bodyBytes).toBe(inner.length);
  });

  it('that a person wrote into a text message stay: they are content', () => {
    const message =
      'MESSAGE sip:a@b SIP/2.0\r\nc: text/plain\r\n\r\nAuthorization: Bearer let-me-in-please';
    const octets = utf8(message);
    expect(journaled(octets, { ...sip, mode: 'full' }).octets).toBe(octets);
  });
});

describe('any octets', () => {
  const line = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom('To-Path: msrp://h:1/abcdefghijkl;tcp', 'Authorization: Digest nonce="a', ''),
    fc.constantFrom(
      'Content-Type: multipart/mixed;boundary=b',
      '--b',
      '--b--',
      '-------tid1$',
      ' x',
    ),
  );
  const wire = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .tuple(fc.constantFrom('MSRP tid1 SEND', 'SIP/2.0 200 OK', 'x'), fc.array(line))
      .map(([start, lines]) => utf8([start, ...lines].join('\r\n'))),
  );

  it('are journaled without complaint, the same way twice, and never grow by more than the dots', () => {
    fc.assert(
      fc.property(
        wire,
        fc.constantFrom('sip', 'msrp'),
        fc.constantFrom('full', 'headers'),
        (octets, protocol, mode) => {
          const once = journaled(octets, { protocol, mode, sha256 });
          expect(journaled(octets, { protocol, mode, sha256 })).toEqual(once);
          expect(text(once.octets)).not.toContain('abcdefghijkl');
        },
      ),
      { seed, numRuns: 1000 },
    );
  });
});
