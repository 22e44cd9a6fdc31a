import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { encapsulateLarge, type LargeParts } from '../../../src/wire/mime/encapsulate-large.ts';
import { openEncapsulated } from '../../../src/wire/mime/encapsulation.ts';
import { joinOctets } from '../../../src/wire/msrp/render.ts';

const fixtures = new URL('../../../../shared/data/wire/', import.meta.url);
const present = existsSync(fixtures);
const read = (name: string) => new Uint8Array(readFileSync(new URL(`${name}.bin`, fixtures)));
const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (octets: Uint8Array) => new TextDecoder().decode(octets);

const options = {
  receivedAt: 1_795_339_202_640,
  exposeIdentity: true,
  dateSource: 'original',
  seed: 'restante-81be02',
} as const;

/** Head and body of a SEND as it is on the wire. */
function cut(send: Uint8Array): { readonly head: Uint8Array; readonly body: Uint8Array } {
  const whole = Buffer.from(send);
  const bodyAt = whole.indexOf('\r\n\r\n') + 4;
  return {
    head: send.subarray(0, bodyAt),
    body: send.subarray(bodyAt, whole.lastIndexOf('\r\n--')),
  };
}

const INVITE = [
  'INVITE sip:alice@example.org SIP/2.0',
  'Via: SIP/2.0/TCP ua.example.com;branch=z9hG4bK1',
  'From: "Bob" <sip:bob@example.com>;tag=1',
  'To: <sip:alice@example.org>',
  'Call-ID: c1',
  'CSeq: 1 INVITE',
];
const ANSWER = utf8(
  [
    'SIP/2.0 200 OK',
    ...INVITE.slice(1),
    'Date: Sun, 22 Nov 2026 09:20:01 GMT',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n'),
);

function parts(changes: Partial<LargeParts> = {}, headers: readonly string[] = []): LargeParts {
  const head = 'MSRP abcd SEND\r\nTo-Path: msrp://h:1/a;tcp\r\nFrom-Path: msrp://h:2/b;tcp\r\n';
  return {
    invite: utf8([...INVITE, ...headers, 'Content-Length: 0', '', ''].join('\r\n')),
    answer: ANSWER,
    head: utf8(`${head}Message-ID: m123\r\nContent-Type: a/b\r\n\r\n`),
    bytes: 5,
    body: utf8('hello'),
    ...changes,
  };
}

function built(of: LargeParts, changes: Partial<typeof options> = {}) {
  const large = encapsulateLarge(of, { ...options, ...changes });
  if (large.kind === 'refusal') throw new Error(large.reason);
  const body = joinOctets([large.before, of.body ?? new Uint8Array(of.bytes), large.after]);
  const opened = openEncapsulated(large.contentType, body);
  if (opened.kind === 'refusal') throw new Error(opened.reason);
  return { ...large, whole: body, ...opened };
}

describe.skipIf(!present)('the worked example', () => {
  it('two chunks become one SEND, octet for octet as in b10 [IM-11.3.2.7-7]', () => {
    const [first, second] = [cut(read('b4_SEND_1')), cut(read('b6_SEND_2'))];
    const body = joinOctets([first.body, second.body]);
    const large = built({
      ...{ invite: read('b1_INVITE_large'), answer: read('b2_200_INVITE') },
      ...{ head: first.head, bytes: body.length, body },
    });
    const push = cut(read('b10_MSRP_SEND_push'));
    expect(text(large.whole)).toBe(text(push.body));
    expect(large.contentType).toBe('multipart/mixed;boundary="restante-81be02"');
  });
});

describe('what stands in for what is missing', () => {
  it('a SEND without Byte-Range gets one, before its Content-Type [RFC 4975 §7.1]', () => {
    expect(text(built(parts()).message)).toBe(
      'MSRP abcd SEND\r\nTo-Path: msrp://h:1/a;tcp\r\nFrom-Path: msrp://h:2/b;tcp\r\n' +
        'Message-ID: m123\r\nByte-Range: 1-5/5\r\nContent-Type: a/b\r\n\r\n' +
        'hello\r\n-------abcd$\r\n',
    );
  });

  it('without a Date of the sender, that of our 200 stands there (A-23) [IM-11.3.2.7-4]', () => {
    const { fields } = built(parts());
    expect(fields).toContainEqual(['Date', 'Sun, 22 Nov 2026 09:20:01 GMT']);
    expect(fields).toContainEqual(['Timestamp', '1795339202.640']);
  });

  it('an empty message is one of 0 octets', () => {
    const { message } = built(parts({ bytes: 0, body: new Uint8Array(0) }));
    expect(text(message)).toContain('Byte-Range: 1-0/0\r\n');
    expect(text(message)).toContain('\r\n\r\n\r\n-------abcd$\r\n');
  });
});

it('a transaction id whose end-line stands in the body is replaced at both ends (A-25)', () => {
  const body = utf8('x\r\n-------abcd$\r\ny');
  const { message } = built(parts({ body, bytes: body.length, tid: 'efgh5678' }));
  expect(text(message)).toMatch(/^MSRP efgh5678 SEND\r\n/);
  expect(text(message)).toMatch(/\r\n-------abcd\$\r\ny\r\n-------efgh5678\$\r\n$/);
});

it('a boundary that stands in the body at hand is not taken', () => {
  const body = utf8('--restante-81be02--');
  const large = built(parts({ body, bytes: body.length }));
  expect(large.contentType).toBe('multipart/mixed;boundary="restante-81be02-1"');
});

it.each(['id', 'header', 'user;critical'])('Privacy: %s withholds the identity (A-21)', (wish) => {
  const identity = 'P-Asserted-Identity: <sip:bob@example.com>';
  const names = (headers: readonly string[]) =>
    built(parts({}, headers)).fields.map(([name]) => name);
  expect(names([identity])).toContain('P-Asserted-Identity');
  expect(names([identity, `Privacy: ${wish}`])).not.toContain('P-Asserted-Identity');
});

it.each([
  ['an INVITE that is none', { invite: utf8('INVITE\r\n\r\n') }],
  ['a head without Content-Type', { head: utf8('MSRP abcd SEND\r\nTo-Path: x\r\n\r\n') }],
])('%s is refused, not thrown', (_, changes) => {
  expect(encapsulateLarge(parts(changes), options).kind).toBe('refusal');
});
