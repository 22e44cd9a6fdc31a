import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { visible } from '../../src/wire/visible.ts';

const seed = Number(process.env.RESTANTE_SEED ?? 20261122);
const octets = (...values: number[]) => Uint8Array.from(values);
const utf8 = (text: string) => new TextEncoder().encode(text);

describe('visible', () => {
  it.each([
    ['plain text, accents and emoji', 'Bob → „Żółw“ 😀', 'Bob → „Żółw“ 😀'],
    ['a forged log line', 'a\r\nlevel=error', 'a\\x0d\\x0alevel=error'],
    [
      'a terminal title and colours',
      '\u001b]0;pwned\u0007\u001b[31m',
      '\\x1b]0;pwned\\x07\\x1b[31m',
    ],
    ['an 8-bit CSI', '\u009b2J', '\\u{9b}2J'],
    ['a bidi override', 'file\u202etxt.exe', 'file\\u{202e}txt.exe'],
    ['bidi isolates and marks', '\u2066a\u2069\u200f', '\\u{2066}a\\u{2069}\\u{200f}'],
    ['invisible characters', 'a\u200b\ufeff\u{e0041}b', 'a\\u{200b}\\u{feff}\\u{e0041}b'],
    ['line separators', '\u2028\u2029', '\\u{2028}\\u{2029}'],
    ['tab, NUL and DEL', '\t\0\u007f', '\\x09\\x00\\x7f'],
    ['text that poses as an escape', '\\x1b', '\\\\x1b'],
    ['a lone surrogate', 'a\ud800b', 'a\\u{d800}b'],
  ])('%s', (_what, text, shown) => {
    expect(visible(text)).toBe(shown);
    if (!text.includes('\ud800')) expect(visible(utf8(text))).toBe(shown);
  });

  it.each([
    ['a lone continuation octet', octets(0x61, 0x80, 0x62), 'a\\x80b'],
    ['an overlong slash', octets(0xc0, 0xaf), '\\xc0\\xaf'],
    ['an overlong three-octet form', octets(0xe0, 0x80, 0xaf), '\\xe0\\x80\\xaf'],
    ['an encoded surrogate', octets(0xed, 0xa0, 0x80), '\\xed\\xa0\\x80'],
    ['beyond U+10FFFF', octets(0xf4, 0x90, 0x80, 0x80), '\\xf4\\x90\\x80\\x80'],
    ['a sequence cut off', octets(0xc3, 0xa9, 0xe2, 0x82), 'é\\xe2\\x82'],
    ['controls beside broken octets', octets(0xff, 0x1b, 0x5b), '\\xff\\x1b['],
  ])('octets that are no UTF-8: %s', (_what, wire, shown) => {
    expect(visible(wire)).toBe(shown);
  });

  it('shows any octets on one line, and different octets differently', () => {
    const wire = fc.uint8Array({ maxLength: 40 });
    fc.assert(
      fc.property(wire, wire, (left, right) => {
        expect(visible(left)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        if (visible(left) === visible(right)) expect(left).toEqual(right);
      }),
      { seed, numRuns: 500 },
    );
  });

  it('can be read back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (wire) => {
        expect(readBack(visible(wire))).toEqual([...wire]);
      }),
      { seed, numRuns: 500 },
    );
  });

  it('takes a megabyte of the worst octets', () => {
    const worst = new Uint8Array(1 << 20).fill(0xf0);
    expect(visible(worst)).toHaveLength(4 << 20);
  });
});

function readBack(shown: string): number[] {
  return [...shown.matchAll(/\\x(..)|\\u\{(.+?)\}|\\(\\)|([^\\])/gsu)].flatMap(
    ([, hex, code, backslash, plain]) =>
      hex !== undefined
        ? [Number.parseInt(hex, 16)]
        : code !== undefined
          ? [...utf8(String.fromCodePoint(Number.parseInt(code, 16)))]
          : [...utf8(backslash ?? plain ?? '')],
  );
}
