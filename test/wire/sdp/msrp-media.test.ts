import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeAnswer } from '../../../src/wire/sdp/judge-answer.ts';
import { type MsrpMedia, parseMsrpMedia } from '../../../src/wire/sdp/msrp-media.ts';
import { renderAnswer, renderOffer } from '../../../src/wire/sdp/render-msrp.ts';

const seed = Number(process.env.RESTANTE_SEED ?? 20261122);
const FIXTURES = new URL('../../../../shared/data/wire/', import.meta.url);
if (!existsSync(FIXTURES))
  console.warn('SKIPPED: the fixtures of ../shared/data/wire are not here');

const octets = (text: string) => new TextEncoder().encode(text);

function bodyOf(name: string): string {
  const text = readFileSync(new URL(`${name}.bin`, FIXTURES), 'latin1');
  return text.slice(text.indexOf('\r\n\r\n') + 4);
}

function media(text: string): MsrpMedia {
  const parsed = parseMsrpMedia(octets(text));
  if (parsed.kind === 'refusal') throw new Error(parsed.reason);
  return parsed.media;
}

const SESSION = 'v=0\r\no=a 1 1 IN IP4 192.0.2.17\r\ns=-\r\nc=IN IP4 192.0.2.17\r\nt=0 0\r\n';
const MEDIA = 'm=message 7394 TCP/MSRP *\r\n';
const PATH = 'a=path:msrp://192.0.2.17:7394/2s93i9ek2a;tcp\r\n';
const TYPES =
  'a=accept-types:multipart/mixed\r\na=accept-wrapped-types:message/sip message/sipfrag\r\n';
const needs = { assumeMultipart: false, wrappedNeeded: ['message/sip', 'message/sipfrag'] };

describe.skipIf(!existsSync(FIXTURES))('fixtures of ../shared/data/wire', () => {
  it('the push offer is that of a5, octet for octet', () => {
    const offer = renderOffer({
      host: '192.0.2.50',
      port: 2855,
      sessionId: 'p7k2m4qx9w',
      originId: 3974832000,
    });
    expect(new TextDecoder().decode(offer)).toBe(bodyOf('a5_INVITE_push'));
  });

  it('the answer of the store is that of b2, octet for octet', () => {
    const parsed = media(bodyOf('b1_INVITE_large'));
    expect(parsed).toMatchObject({ direction: 'sendonly', setup: 'actpass', port: 8493 });
    const answer = renderAnswer({
      host: '192.0.2.50',
      port: 2855,
      sessionId: 'rx8c1v0n3z',
      originId: 3974800800,
      setup: 'passive',
      maxSize: 10 * 1024 * 1024,
      offered: parsed,
    });
    expect(new TextDecoder().decode(answer)).toBe(bodyOf('b2_200_INVITE'));
  });

  it('the answer of a6 is acceptable', () => {
    expect(judgeAnswer(octets(bodyOf('a6_200_INVITE')), needs)).toEqual({
      acceptable: true,
      path: ['msrp://192.0.2.17:7394/2s93i9ek2a;tcp'],
      setup: 'passive',
      maxSize: 1048576,
      acceptTypes: ['multipart/mixed', 'text/plain'],
      acceptWrappedTypes: ['message/sip', 'message/sipfrag', 'message/msrp'],
    });
  });
});

describe('reading', () => {
  it('takes the direction of the session when the media has none (A-27)', () => {
    const sdp = `${SESSION}a=sendonly\r\n${MEDIA}${TYPES}${PATH}`;
    expect(media(sdp).direction).toBe('sendonly');
    expect(media(`${sdp}a=recvonly\r\n`).direction).toBe('recvonly');
    expect(media(SESSION + MEDIA + TYPES + PATH).direction).toBe('sendrecv');
  });

  it('an attribute or an address that is all digits is text like any other', () => {
    const session = SESSION.replace('c=IN IP4 192.0.2.17', 'c=IN IP4 3232235777');
    const read = media(`${session}${MEDIA}a=12345\r\n${TYPES}${PATH}`);
    expect(read).toMatchObject({ connectionAddress: '3232235777', path: [expect.any(String)] });
  });

  it('finds the MSRP media among others, and a file selector', () => {
    const audio = 'm=audio 4000 RTP/AVP 0 8\r\n';
    const file = 'a=file-selector:name:"a.txt" size:3\r\na=msrp-cema\r\n';
    const parsed = media(SESSION + audio + MEDIA + TYPES + PATH + file);
    expect(parsed).toMatchObject({ index: 1, msrpCema: true, connectionAddress: '192.0.2.17' });
    expect(parsed.fileSelector).toBe('name:"a.txt" size:3');
    const answer = renderAnswer({
      ...{ host: '::1', port: 9, sessionId: 'abcdefgh', originId: 1, setup: 'active' },
      offered: parsed,
    });
    const lines = new TextDecoder().decode(answer).split('\r\n');
    expect(lines).toContain('m=audio 0 RTP/AVP 0 8');
    expect(lines.indexOf('m=audio 0 RTP/AVP 0 8')).toBeLessThan(
      lines.indexOf('m=message 9 TCP/MSRP *'),
    );
    expect(lines).toContain('c=IN IP6 ::1');
    expect(lines).toContain('a=path:msrp://[::1]:9/abcdefgh;tcp');
  });

  it.each([
    ['no SDP', 'hello'],
    ['NUL', `${SESSION}\0${MEDIA}${TYPES}${PATH}`],
    ['a bare CR', `${SESSION}a=x\ry\r\n${MEDIA}${TYPES}${PATH}`],
    ['no MSRP media', `${SESSION}m=audio 1 RTP/AVP 0\r\n`],
    ['a malformed m-line', `${SESSION}m=message\r\n${TYPES}${PATH}`],
    ['a port beyond 65535', `${SESSION}m=message 70000 TCP/MSRP *\r\n${TYPES}${PATH}`],
    ['no path', SESSION + MEDIA + TYPES],
    ['a path of another protocol', `${SESSION}${MEDIA}${TYPES}a=path:http://a/b\r\n`],
    ['no accept-types', SESSION + MEDIA + PATH],
    ['more than 16 KiB', `${SESSION + MEDIA + TYPES + PATH}a=x:${'y'.repeat(16384)}\r\n`],
  ])('refuses %s', (_, text) => {
    expect(parseMsrpMedia(octets(text))).toMatchObject({ kind: 'refusal' });
  });

  it('never throws', () => {
    const line = fc.oneof(
      fc.constantFrom(...`${SESSION}${MEDIA}${TYPES}${PATH}`.split('\r\n')),
      fc.constantFrom('a=setup:bogus', 'm=', 'a=', 'c=IN', 'a=path:', 'm=message 1 TCP/MSRP'),
      fc.string({ maxLength: 20 }),
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        judgeAnswer(octets(`v=0\r\n${lines.join('\r\n')}\r\n`), needs);
      }),
      { seed, numRuns: 1000 },
    );
  });
});

describe('judging an answer (A-34)', () => {
  const judge = (text: string, options = needs) => judgeAnswer(octets(SESSION + text), options);

  it.each([
    ['the lists name all', MEDIA + TYPES + PATH],
    ['everything is accepted', `${MEDIA}a=accept-types:*\r\n${PATH}`],
    [
      'families, case and parameters',
      `${MEDIA}a=accept-types:Multipart/Mixed;x=1 message/*\r\n${PATH}`,
    ],
  ])('acceptable: %s', (_, text) => {
    expect(judge(text)).toMatchObject({ acceptable: true, setup: 'passive' });
  });

  it.each([
    ['port 0', `m=message 0 TCP/MSRP *\r\n${TYPES}${PATH}`],
    ['TLS', `m=message 7394 TCP/TLS/MSRP *\r\n${TYPES}${PATH}`],
    ['sendonly', `${MEDIA}${TYPES}${PATH}a=sendonly\r\n`],
    ['inactive', `${MEDIA}${TYPES}${PATH}a=inactive\r\n`],
    ['no multipart/mixed', `${MEDIA}a=accept-types:message/*\r\n${PATH}`],
    ['an inner type missing', `${MEDIA}a=accept-types:multipart/mixed message/sip\r\n${PATH}`],
  ])('not acceptable: %s', (_, text) => {
    expect(judge(text)).toMatchObject({ acceptable: false });
  });

  it('assumeMultipart forgives the container, not what is inside', () => {
    const liberal = { ...needs, assumeMultipart: true };
    expect(judge(`${MEDIA}a=accept-types:message/*\r\n${PATH}`, liberal).acceptable).toBe(true);
    expect(judge(`${MEDIA}a=accept-types:text/plain\r\n${PATH}`, liberal).acceptable).toBe(false);
  });

  it('an active peer connects to us, its port 9 is no rejection [RFC 6135 §4.2]', () => {
    const text = `m=message 9 TCP/MSRP *\r\n${TYPES}a=setup:active\r\n${PATH}`;
    expect(judge(text)).toMatchObject({ acceptable: true, setup: 'active' });
    const hold = `${MEDIA}${TYPES}a=setup:holdconn\r\n${PATH}`;
    expect(judge(hold)).toMatchObject({ acceptable: true, setup: 'passive' });
  });
});

it('a value that would break a line throws', () => {
  const offer = { host: '192.0.2.1', port: 1, sessionId: 'abcd', originId: 1 };
  expect(() => renderOffer({ ...offer, originUser: 'a\r\nb=x' })).toThrow(TypeError);
  expect(() => renderOffer({ ...offer, sessionId: 'a\r\nb' })).toThrow(TypeError);
});
