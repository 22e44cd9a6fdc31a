import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { freeBoundary } from '../../../src/wire/mime/boundary.ts';
import {
  MULTIPART_PARTS_MAX,
  type Part,
  parseMultipart,
  renderMultipart,
} from '../../../src/wire/mime/multipart.ts';
import { needle } from '../../../src/wire/msrp/needle.ts';

const seed = Number(process.env.RESTANTE_SEED ?? 20261122);
const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (octets: Uint8Array) => new TextDecoder().decode(octets);
const part = (body: string): Part => ({
  headers: [['Content-Type', 'text/plain']],
  body: utf8(body),
});

/** Bodies made of what a delimiter is made of, and of any octets. */
const body = fc.oneof(
  fc.uint8Array({ maxLength: 80 }),
  fc
    .array(fc.constantFrom('--', 'b', '--b', '-1', '-2', '\r\n', '--b--', '\r', '\n', ' ', 'x'), {
      maxLength: 20,
    })
    .map((pieces) => utf8(pieces.join(''))),
);
const header = fc.tuple(
  fc.stringMatching(/^[A-Za-z][A-Za-z-]{0,15}$/),
  fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/),
);
const parts = fc.array(fc.record({ headers: fc.array(header, { maxLength: 3 }), body }), {
  minLength: 1,
  maxLength: 4,
});

describe('multipart [RFC 2046 §5.1.1]', () => {
  it('any parts come back octet for octet, under a boundary that none of them holds', () => {
    fc.assert(
      fc.property(parts, (all) => {
        // A header may hold the boundary too, which only a caller that takes foreign text must mind.
        fc.pre(!JSON.stringify(all.map((each) => each.headers)).includes('--b'));
        const bodies = all.map((each) => each.body);
        const boundary = freeBoundary('b', bodies);
        const delimiter = needle(utf8(`--${boundary}`));
        for (const each of bodies) expect(delimiter.find(each, 0, each.length)).toBe(-1);
        const parsed = parseMultipart(renderMultipart(all, boundary), boundary);
        expect(parsed.kind).toBe('parts');
        expect(parsed.parts.map((each) => each.headers)).toEqual(all.map((each) => each.headers));
        expect(parsed.parts.map((each) => [...each.body])).toEqual(bodies.map((each) => [...each]));
      }),
      { seed, numRuns: 1000 },
    );
  });

  it('is laid out as the fixtures have it', () => {
    expect(text(renderMultipart([part('one\r\n'), part('')], 'b'))).toBe(
      '--b\r\nContent-Type: text/plain\r\n\r\none\r\n\r\n' +
        '--b\r\nContent-Type: text/plain\r\n\r\n\r\n--b--\r\n',
    );
  });

  it('passes over preamble, epilogue and white space, and keeps look-alikes as content', () => {
    const wire =
      'preamble --b\r\n--b \t\r\nA: 1\r\n\r\n--bx\r\nx--b\r\n--b-\r\n--b\r\n\r\nsecond\r\n--b-- \r\n--b\r\n';
    const parsed = parseMultipart(utf8(wire), 'b');
    expect(parsed.kind).toBe('parts');
    expect(parsed.parts.map((each) => text(each.body))).toEqual(['--bx\r\nx--b\r\n--b-', 'second']);
  });

  it('unfolds part headers and takes a body without headers', () => {
    const wire =
      '--b\r\nContent-Type : multipart/mixed;\r\n\tboundary=c\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--';
    const parsed = parseMultipart(utf8(wire), 'b');
    expect(parsed.parts.map((each) => each.headers)).toEqual([
      [['Content-Type', 'multipart/mixed; boundary=c']],
      [],
    ]);
  });

  it.each([
    ['no delimiter', 'nothing', 'b', 0],
    ['no closing delimiter', '--b\r\n\r\none\r\n--b\r\n\r\ntwo', 'b', 1],
    ['the boundary parameter is no boundary', '--b--', '', 0],
    ['the boundary parameter is no boundary', '--b--', 'b'.repeat(71), 0],
    [
      'too many parts',
      `${'--b\r\n\r\n'.repeat(MULTIPART_PARTS_MAX + 2)}--b--`,
      'b',
      MULTIPART_PARTS_MAX,
    ],
  ])('refuses: %s', (reason, wire, boundary, complete) => {
    const parsed = parseMultipart(utf8(wire), boundary);
    expect(parsed).toMatchObject({ kind: 'refusal', reason, section: 'RFC 2046 §5.1.1' });
    expect(parsed.parts).toHaveLength(complete);
  });

  it.each([
    ['a body that holds the boundary', [part('x--b')], 'b'],
    [
      'a header that would break its line',
      [{ headers: [['A', 'b\r\nC: d']], body: utf8('') }],
      'b',
    ],
    ['a name that is none', [{ headers: [['A B', 'c']], body: utf8('') }], 'b'],
    ['a boundary that is none', [part('x')], 'b\r\n'],
  ] as const)('cannot be made to render %s', (_what, all, boundary) => {
    expect(() => renderMultipart(all as readonly Part[], boundary)).toThrow();
  });

  it('no octets make the parser complain', () => {
    fc.assert(
      fc.property(body, fc.constantFrom('b', '', 'b-1'), (wire, boundary) => {
        const parsed = parseMultipart(wire, boundary);
        for (const each of parsed.parts) expect(each.body.length).toBeLessThanOrEqual(wire.length);
      }),
      { seed, numRuns: 1000 },
    );
  });
});
