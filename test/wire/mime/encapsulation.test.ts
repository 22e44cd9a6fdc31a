import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type EncapsulationOptions,
  encapsulate,
  openEncapsulated,
} from '../../../src/wire/mime/encapsulation.ts';

const seed = Number(process.env.RESTANTE_SEED ?? 20261122);
const fixtures = new URL('../../../../shared/data/wire/', import.meta.url);
const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (octets: Uint8Array) => new TextDecoder().decode(octets);
const read = (name: string) => new Uint8Array(readFileSync(new URL(`${name}.bin`, fixtures)));

const options: EncapsulationOptions = {
  receivedAt: 1795338902114,
  exposeIdentity: true,
  encapsulation: 'auto',
  dateSource: 'original',
  seed: 'restante-5d1c9e',
};

const mandatory = [
  'Via: SIP/2.0/UDP ua.example.com;branch=z9hG4bK1',
  'From: "Bob" <sip:bob@example.com>;tag=1',
  'To: <sip:alice@example.org>',
  'Call-ID: c1',
  'CSeq: 1 MESSAGE',
];
const identity = 'P-Asserted-Identity: "Bob" <sip:bob@example.com>';
const joined = (head: string, body: Uint8Array) => Uint8Array.from([...utf8(head), ...body]);
const message = (headers: readonly string[], body = utf8('hello')) =>
  joined(
    `${['MESSAGE sip:alice@example.org SIP/2.0', ...mandatory, ...headers].join('\r\n')}\r\n` +
      `Content-Length: ${body.length}\r\n\r\n`,
    body,
  );

const pushed = (stored: Uint8Array, changes: Partial<EncapsulationOptions> = {}) => {
  const built = encapsulate(stored, { ...options, ...changes });
  if (built.kind === 'refusal') throw new Error(built.reason);
  const opened = openEncapsulated(built.contentType, built.body);
  if (opened.kind === 'refusal') throw new Error(opened.reason);
  return { ...built, ...opened };
};

/** The multipart body of a SEND fixture: after the empty line, before CRLF and the end-line. */
const bodyOf = (send: string) =>
  send.slice(send.indexOf('\r\n\r\n') + 4, send.lastIndexOf('\r\n----'));

const present = existsSync(fixtures);
const skipped = present ? '' : ' (SKIPPED: the design fixtures at ../shared/data are not here)';

describe.skipIf(!present)(`the worked examples${skipped}`, () => {
  it.each([
    ['sip', 'a8_MSRP_SEND', 1185],
    ['auto', 'a8s_MSRP_SEND_sipfrag', 1138],
    ['sipfrag', 'a8s_MSRP_SEND_sipfrag', 1138],
  ] as const)(
    '%s gives the body of %s, %i octets [IM-11.3.2.7-6]',
    (encapsulation, name, length) => {
      const built = pushed(read('a1_MESSAGE'), { encapsulation });
      expect(text(built.body)).toBe(bodyOf(text(read(name))));
      expect(built.body).toHaveLength(length);
      expect(built.contentType).toBe('multipart/mixed;boundary="restante-5d1c9e"');
    },
  );

  it('a pushed Large message is opened by type: message/msrp', () => {
    const send = text(read('b10_MSRP_SEND_push'));
    const opened = openEncapsulated(
      'multipart/mixed;boundary="restante-81be02"',
      utf8(bodyOf(send)),
    );
    expect(opened).toMatchObject({ kind: 'opened', type: 'message/msrp' });
    if (opened.kind !== 'opened') return;
    expect(text(opened.message)).toMatch(
      /^MSRP a786hjs2kl0d9f3e SEND.*-------a786hjs2kl0d9f3e\$\r\n$/s,
    );
    expect(opened.fields).toContainEqual(['Subject', 'minutes of the meeting']);
  });
});

describe('the header part [IM-11.3.2.7-4] [IM-11.3.2.7-8]', () => {
  it('holds what the message had, in order, and never invents', () => {
    expect(pushed(message([])).fields).toEqual([
      ['To', '<sip:alice@example.org>'],
      ['From', '"Bob" <sip:bob@example.com>;tag=1'],
      ['Date', 'Sun, 22 Nov 2026 09:15:02 GMT'],
      ['Call-ID', 'c1'],
      ['Timestamp', '1795338902.114'],
    ]);
  });

  it('keeps the original Date verbatim, or the time of reception when so configured', () => {
    const stored = message(['Date: Sat, 01 Jan 2000 00:00:00 GMT']);
    const dateOf = (dateSource: 'original' | 'received') =>
      pushed(stored, { dateSource }).fields.find(([name]) => name === 'Date')?.[1];
    expect(dateOf('original')).toBe('Sat, 01 Jan 2000 00:00:00 GMT');
    expect(dateOf('received')).toBe('Sun, 22 Nov 2026 09:15:02 GMT');
  });

  it('writes compact names out, unfolds values, and repeats both asserted identities', () => {
    const stored = message([
      's:\r\n carpool\r\n\ttomorrow',
      identity,
      'P-Asserted-Identity: <tel:+1>',
    ]);
    expect(pushed(stored).fields).toEqual(
      expect.arrayContaining([
        ['Subject', 'carpool tomorrow'],
        ['P-Asserted-Identity', '"Bob" <sip:bob@example.com>'],
        ['P-Asserted-Identity', '<tel:+1>'],
      ]),
    );
  });

  it('keeps milliseconds of the reception with their zeros', () => {
    const { fields } = pushed(message([]), { receivedAt: 1795338902007 });
    expect(fields).toContainEqual(['Timestamp', '1795338902.007']);
  });
});

const networkHeaders = [
  'Route: <sip:im.example.org;lr>',
  'Record-Route: <sip:secret.example.org;lr>',
  'P-Charging-Vector: icid-value=secret',
  'P-Charging-Function-Addresses: ccf=secret',
  'P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=secret',
  'P-Visited-Network-ID: secret',
  'P-Served-User: <sip:secret@example.org>',
  'P-User-Database: <aaa://secret>',
  'Proxy-Authorization: Digest response="secret"',
  'Proxy-Authenticate: Digest nonce="secret"',
  'Proxy-Require: secret',
  'Authorization: Digest response="secret"',
];
const privateHeader =
  /^(?:route|record-route|p-charging-[^:]*|p-access-[^:]*|p-visited-[^:]*|p-served-user|p-user-database|proxy-[^:]*|authorization)[ \t]*:/im;

describe('the encapsulated message [IM-11.3.2.7-5] [IM-11.3.2.7-6]', () => {
  it('is the stored octets when there is nothing to withhold', () => {
    const stored = message([identity, 'X-Odd :  spaced  ', 'Subject: caf\u00e9']);
    const { type, message: inner } = pushed(stored);
    expect(type).toBe('message/sip');
    expect(inner).toEqual(stored);
  });

  it('is the stored octets under `sip`, whatever the network wrote', () => {
    const stored = message(networkHeaders);
    expect(pushed(stored, { encapsulation: 'sip' }).message).toEqual(stored);
  });

  const kept = ['Subject: kept', 'X-Other: a,\r\n b', 'c: application/octet-stream'];
  const spelling = fc.constantFrom(
    (line: string) => line,
    (line: string) => line.toUpperCase(),
    (line: string) => line.replace(':', ' \t:'),
    (line: string) => line.replace(': ', ':\r\n '),
  );
  const privateLine = fc
    .tuple(fc.constantFrom(...networkHeaders), spelling)
    .map(([line, spelled]) => spelled(line));

  it('loses private headers and nothing else, its body not an octet', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray(kept),
        fc.array(privateLine, { minLength: 1, maxLength: 5 }),
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom('auto', 'sipfrag'),
        (public_, secret, body, encapsulation) => {
          const {
            type,
            message: inner,
            body: whole,
          } = pushed(message([...secret.slice(1), ...public_, ...secret.slice(0, 1)], body), {
            encapsulation,
          });
          expect(type).toBe('message/sipfrag');
          expect(text(inner)).toBe(text(message(public_, body)));
          expect([...inner.subarray(inner.length - body.length)]).toEqual([...body]);
          const head = text(whole.subarray(0, whole.length - body.length));
          expect(head).not.toMatch(privateHeader);
        },
      ),
      { seed, numRuns: 300 },
    );
  });

  it('whatever its octets, comes out unchanged and under a boundary of its own', () => {
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc
        .array(fc.constantFrom('--restante-5d1c9e', '--', '-1', '\r\n', '-------', 'é'))
        .map((pieces) => utf8(pieces.join(''))),
    );
    fc.assert(
      fc.property(body, (octets) => {
        const stored = message(['Content-Type: application/octet-stream'], octets);
        const built = pushed(stored);
        expect([...built.message]).toEqual([...stored]);
        expect(pushed(stored)).toEqual(built);
      }),
      { seed, numRuns: 300 },
    );
  });

  it('is refused when it cannot be read whole: a private header might hide in the rest', () => {
    expect(encapsulate(utf8('no message'), options)).toMatchObject({ kind: 'refusal' });
    const broken = utf8(
      `MESSAGE sip:a@b SIP/2.0\r\n${mandatory.join('\r\n')}\r\nContent-Length: 9\r\n\r\n`,
    );
    expect(encapsulate(broken, options)).toMatchObject({
      kind: 'refusal',
      section: 'RFC 3261 §18.3',
    });
  });
});

describe('the asserted identity [RFC 3325 §7]', () => {
  it.each([
    ['Privacy: id', {}],
    ['Privacy: header;critical', {}],
    ['PRIVACY : none;USER', {}],
    ['Privacy: id', { encapsulation: 'sip' }],
    ['Privacy: none', { exposeIdentity: false }],
    ['X-None: x', { exposeIdentity: false, encapsulation: 'sip' }],
  ] as const)('%s %j: is in no part', (privacy, changes) => {
    const { body, type, fields } = pushed(message([identity, privacy, 'Subject: s']), changes);
    expect(text(body)).not.toMatch(/asserted/i);
    expect(type).toBe('message/sipfrag');
    // The From is the sender's own choice and stays.
    expect(fields).toContainEqual(['From', '"Bob" <sip:bob@example.com>;tag=1']);
    expect(text(body)).toContain(privacy);
  });

  it.each(['Privacy: none', 'Privacy: critical', 'Privacy: idle'])(
    '%s: stays in both',
    (privacy) => {
      const { body } = pushed(message([identity, privacy]));
      expect(text(body).match(/P-Asserted-Identity: "Bob"/g)).toHaveLength(2);
    },
  );
});

describe('openEncapsulated', () => {
  const fragment = (body: string) => `--b\r\nContent-Type: Message/SIPfrag\r\n\r\n${body}\r\n`;
  it('does not depend on the order of the parts', () => {
    const parts = [fragment('MESSAGE sip:a@b SIP/2.0\r\nTo: x\r\n'), fragment('To: <sip:a@b>\r\n')];
    for (const order of [parts, parts.toReversed()]) {
      const opened = openEncapsulated(
        'Multipart/Mixed; boundary=b',
        utf8(`${order.join('')}--b--`),
      );
      expect(opened).toMatchObject({ kind: 'opened', fields: [['To', '<sip:a@b>']] });
      expect(opened.kind === 'opened' && text(opened.message)).toMatch(/^MESSAGE/);
    }
  });

  it.each([
    ['text/plain', ''],
    ['multipart/mixed', '--b--'],
    ['multipart/mixed;boundary=b', '--b\r\n\r\n'],
    ['multipart/mixed;boundary=b', `${fragment('To: a\r\n')}--b--`],
    ['multipart/mixed;boundary=b', `${fragment('MESSAGE sip:a SIP/2.0\r\n')}--b--`],
  ])('refuses %s %j', (contentType, body) => {
    expect(openEncapsulated(contentType, utf8(body))).toMatchObject({ kind: 'refusal' });
  });
});
