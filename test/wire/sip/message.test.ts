import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  type Parsed,
  parseSip,
  renderSip,
  type SipMessage,
  withoutHeaders,
} from '../../../src/wire/sip/message.ts';

const octets = (text: string) => new TextEncoder().encode(text);
const text = (of: Uint8Array) => new TextDecoder().decode(of);

const MANDATORY = [
  'Via: SIP/2.0/UDP h;branch=z9hG4bK1',
  'From: <sip:b@h>;tag=1',
  'To: <sip:a@h>',
  'Call-ID: c',
  'CSeq: 1 MESSAGE',
];

/** A MESSAGE with the lines given instead of the mandatory ones of the same name. */
function request(lines: readonly string[] = [], body = '', start = 'MESSAGE sip:a@h SIP/2.0') {
  const names = lines.map((line) => line.split(':')[0]);
  const rest = MANDATORY.filter((line) => !names.includes(line.split(':')[0]));
  return octets([start, ...rest, ...lines, '', body].join('\r\n'));
}

function message(of: Uint8Array): SipMessage {
  const parsed = parseSip(of, 'datagram');
  if (parsed.kind === 'refusal') throw new Error(parsed.reason);
  return parsed.message;
}

const status = (parsed: Parsed) => (parsed.kind === 'message' ? 'message' : parsed.status);
const answer = (of: Uint8Array) => status(parseSip(of, 'datagram'));

describe('reading', () => {
  it('gives values unfolded and trimmed, by long lower-case name [RFC 3261 §7.3]', () => {
    const read = message(
      request(['s:\t Hello\r\n  there ', 'sUBJECT: Анна', 'K: a', 'Supported: b, c']),
    );
    expect(read.first('subject')).toBe('Hello there');
    expect(read.all('subject')).toEqual(['Hello there', 'Анна']);
    expect(read.all('supported')).toEqual(['a', 'b, c']);
    expect(read.first('date')).toBeUndefined();
    expect(read.all('date')).toEqual([]);
  });

  it('gives values between octets that are no UTF-8', () => {
    const raw = request(['Subject: \u00ff\u00fe x', 'Y-Z: ok', 'Priority: urgent']).map((c) =>
      c === 0xc3 ? 0xff : c,
    );
    expect(message(raw).first('y-z')).toBe('ok');
    expect(message(raw).first('priority')).toBe('urgent');
    expect(message(raw).octets).toEqual(raw);
  });

  it('knows the compact forms in either case [RFC 3261 §7.3.3]', () => {
    const long = {
      ...{ v: 'via', f: 'from', t: 'to', i: 'call-id', m: 'contact', c: 'content-type' },
      ...{ l: 'content-length', s: 'subject', k: 'supported', u: 'allow-events', o: 'event' },
      ...{ a: 'accept-contact', x: 'session-expires', r: 'refer-to', b: 'referred-by' },
      ...{ e: 'content-encoding', d: 'request-disposition', j: 'reject-contact' },
    };
    for (const [short, name] of Object.entries(long)) {
      for (const spelling of [short, short.toUpperCase(), name.toUpperCase()]) {
        const { message: read } = parseSip(octets(`X y\r\n${spelling} : z\r\n\r\n`), 'exact');
        expect(read?.fields.map((field) => field.name)).toEqual([name]);
      }
    }
  });

  it('keeps positions whatever the octets', () => {
    const raw = request(['Y-Z: 0', `Subject: ${'x'.repeat(128)}`, 'Priority: urgent']);
    const first = text(raw).indexOf('xxx');
    for (let n = 0; n < 128; n += 1) raw[first + n] = 128 + n;
    expect(
      message(raw)
        .fields.map((field) => field.name)
        .slice(-2),
    ).toEqual(['subject', 'priority']);
    expect(message(raw).first('priority')).toBe('urgent');
  });

  it('leaves out empty lines before and surplus octets behind [RFC 3261 §7.5, §18.3]', () => {
    const whole = request(['Content-Length: 3'], 'abc');
    const datagram = octets(`\r\n\r\n${text(whole)}surplus`);
    expect(message(datagram).octets).toEqual(whole);
    expect(text(message(datagram).body)).toBe('abc');
    expect(status(parseSip(datagram, 'exact'))).toBe(400);
  });

  it('without Content-Length the body goes to the end of the datagram', () => {
    expect(text(message(request([], 'to the end')).body)).toBe('to the end');
  });

  it('does not copy the body', () => {
    const whole = request(['Content-Length: 3'], 'abc');
    expect(message(whole).body.buffer).toBe(whole.buffer);
  });

  it('takes a status line without reason and a version in lower case', () => {
    expect(answer(request([], '', 'SIP/2.0 200'))).toBe('message');
    expect(answer(request([], '', 'MESSAGE sip:a@h sip/2.0'))).toBe('message');
  });
});

describe('refusing', () => {
  it.each([
    ['Content-Length: 4', 400],
    ['Content-Length: -3', 400],
    ['Content-Length: three', 400],
    ['Content-Length: 99999999999999999999', 400],
    ['Content-Length: 3\r\nl: 3', 'message'],
    ['Content-Length: 3\r\nl: 2', 400],
    ['Call-ID:', 400],
    ['CSeq: 2147483648 MESSAGE', 400],
    ['CSeq: 1 message', 400],
    ['no colon', 400],
    [': no name', 400],
    ['X: a\u0000b', 400],
    ['X: a\\\u0000b', 'message'],
    ['X: a\nY: b', 400],
    ['X: a\rY: b', 400],
  ])('a body of 3 octets and %j → %s', (line, expected) => {
    expect(answer(request([line], 'abc'))).toBe(expected);
  });

  it('a value never carries a line end into the answer', () => {
    const parsed = parseSip(request(['From: <sip:b@h>;tag=1\nX: y\rz']), 'datagram');
    expect(parsed.message?.first('from')).toBe('<sip:b@h>;tag=1 X: y z');
  });

  it('never answers responses, ACKs and what has no Via [RFC 3261 §17.1.1.3]', () => {
    expect(answer(request(['CSeq: x'], '', 'ACK sip:a@h SIP/2.0'))).toBeNull();
    expect(answer(request(['CSeq: x'], '', 'SIP/2.0 200 OK'))).toBeNull();
    expect(answer(request([], '', 'SIP/2.0 099 Low'))).toBeNull();
    expect(answer(octets('MESSAGE sip:a@h SIP/2.0\r\nTo: x\r\n\r\n'))).toBeNull();
    for (const noise of ['', '\r\n\r\n', '\u0000\u0001', 'hello', '\r\n']) {
      expect(answer(octets(noise)), JSON.stringify(noise)).toBeNull();
    }
  });

  it('says 513 to what is larger than the limits [RFC 3261 §21.5.14]', () => {
    expect(answer(request([`X: ${'x'.repeat(17_000)}`]))).toBe(513);
    expect(answer(request(Array(300).fill('X: y')))).toBe(513);
    expect(answer(request(Array(250).fill('X: y')))).toBe('message');
    expect(answer(request(Array(70).fill(`X: ${'x'.repeat(1000)}`)))).toBe(513);
    expect(answer(request([], 'x'.repeat(256 * 1024)))).toBe(513);
  });
});

describe('writing', () => {
  const start = { kind: 'response', status: 202, reason: 'Accepted' } as const;

  it('adds Content-Length last, in octets', () => {
    const rendered = renderSip({ start, headers: [['Subject', 'при']], body: octets('при') });
    expect(text(rendered)).toBe(
      'SIP/2.0 202 Accepted\r\nSubject: при\r\nContent-Length: 6\r\n\r\nпри',
    );
  });

  it.each([
    ['a value', { start, headers: [['X', 'a\r\nRoute: b']] }],
    ['a value', { start, headers: [['X', 'a\nb']] }],
    ['a value', { start, headers: [['X', 'a\0b']] }],
    ['a name', { start, headers: [['X\r\nRoute', 'b']] }],
    ['a name', { start, headers: [['X ', 'b']] }],
    ['a name', { start, headers: [['content-length', '7']] }],
    ['the reason', { start: { ...start, reason: 'x\r\n' }, headers: [] }],
    ['the URI', { start: { kind: 'request', method: 'BYE', uri: 'sip:a b' }, headers: [] }],
    ['the method', { start: { kind: 'request', method: 'B E', uri: 'sip:a' }, headers: [] }],
  ] as const)('throws when %s would break out of its place', (_part, parts) => {
    expect(() => renderSip(parts)).toThrow();
  });

  it('answers a To with an escaped NUL [RFC 4475 §3.1.1.2]', () => {
    const to = '"NUL:\\\0" <sip:a@h>';
    expect(text(renderSip({ start, headers: [['To', to]] }))).toContain(to);
  });

  it('withoutHeaders leaves everything else verbatim [RFC 3420 §2]', () => {
    const whole = request(['Route: <sip:x>\r\n ,<sip:y>', 'Subject:  a ', 'r: <sip:z>'], 'body');
    const left = withoutHeaders(message(whole), (name) => name === 'route' || name === 'refer-to');
    const expected = text(whole)
      .replace('Route: <sip:x>\r\n ,<sip:y>\r\n', '')
      .replace('r: <sip:z>\r\n', '');
    expect(text(left)).toBe(expected);
    expect(withoutHeaders(message(whole), () => false)).toEqual(whole);
  });
});

const wire = join(import.meta.dirname, '../../../../shared/data/wire');
if (!existsSync(wire)) console.warn(`SKIPPED: the wire fixtures are not at ${wire}`);

describe.skipIf(!existsSync(wire))('the wire fixtures', () => {
  it.each([
    ['a1_MESSAGE', 48, 695],
    ['a2_202', 0, 450],
    ['a3_third_party_REGISTER', 415, 803],
    ['a4_200_REGISTER', 0, 387],
    ['a5_INVITE_push', 289, 1006],
    ['a6_200_INVITE', 317, 882],
    ['a7_ACK', 0, 341],
    ['a10_BYE', 0, 382],
    ['a11_200_BYE', 0, 251],
    ['b1_INVITE_large', 222, 1099],
    ['b2_200_INVITE', 231, 919],
    ['b3_ACK', 0, 359],
    ['b8_BYE', 0, 401],
    ['b9_200_BYE', 0, 391],
    ['c1_SUBSCRIBE', 0, 612],
    ['c2_200_SUBSCRIBE', 0, 521],
    ['c3_NOTIFY_oma', 599, 1199],
    ['c3s_NOTIFY_rfc3842_initial', 88, 687],
    ['c4_200_NOTIFY', 0, 243],
    ['c6_NOTIFY_delta', 336, 936],
    ['c5_NOTIFY_empty', 81, 680],
  ])('%s has %i octets of body, %i in all', (name, body, total) => {
    const file = new Uint8Array(readFileSync(join(wire, `${name}.bin`)));
    for (const framing of ['datagram', 'exact'] as const) {
      const parsed = parseSip(file, framing);
      expect(parsed.kind).toBe('message');
      expect(parsed.message?.octets).toEqual(file);
      expect(parsed.message?.octets.length).toBe(total);
      expect(parsed.message?.body.length).toBe(body);
    }
  });
});
