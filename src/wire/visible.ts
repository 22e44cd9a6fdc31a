/**
 * What a terminal or a log must not be given as it is: controls (with CR, LF and ESC), formats (bidi
 * overrides and isolates, zero-width and invisible characters), line and paragraph separators, lone
 * surrogates and private use; and the backslash, so that nothing on the wire can pose as an escape.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\\]/u;
const EACH_UNSAFE = new RegExp(UNSAFE.source, 'gu');

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Renders text off the wire so that it can be shown on one line of a terminal, a log or a page:
 * unsafe characters below U+0080 and octets that are no UTF-8 as `\xNN`, other unsafe characters as
 * `\u{…}`, the backslash doubled, all else as it is. Different input never looks the same. Linear.
 */
export function visible(wire: Uint8Array | string): string {
  if (typeof wire === 'string') return escaped(wire);
  try {
    return escaped(strict.decode(wire));
  } catch {
    return visibleBroken(wire);
  }
}

function escaped(text: string): string {
  return UNSAFE.test(text) ? text.replace(EACH_UNSAFE, escapeOf) : text;
}

function escapeOf(character: string): string {
  if (character === '\\') return '\\\\';
  const code = character.codePointAt(0) ?? 0;
  return code < 0x80 ? octet(code) : `\\u{${code.toString(16)}}`;
}

function octet(value: number): string {
  return `\\x${value.toString(16).padStart(2, '0')}`;
}

/** Well-formed stretches as text, every other octet by itself. */
function visibleBroken(octets: Uint8Array): string {
  let shown = '';
  let start = 0;
  let at = 0;
  while (at < octets.length) {
    const length = sequenceLength(octets, at);
    if (length === 0) {
      if (at > start) shown += escaped(strict.decode(octets.subarray(start, at)));
      shown += octet(octets[at] ?? 0);
      start = at + 1;
    }
    at += Math.max(1, length);
  }
  return start < at ? shown + escaped(strict.decode(octets.subarray(start, at))) : shown;
}

/** Octets of the well-formed UTF-8 sequence at `at` (RFC 3629 §4), or 0 when there is none. */
function sequenceLength(octets: Uint8Array, at: number): number {
  const first = octets[at] ?? 0;
  if (first < 0x80) return 1;
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  for (let next = 1; next < length; next += 1) {
    const octet = octets[at + next] ?? 0;
    // No overlong forms, no surrogates, nothing above U+10FFFF: the second octet tells.
    const low = next > 1 ? 0x80 : first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    const high = next > 1 ? 0xbf : first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    if (octet < low || octet > high) return 0;
  }
  return length;
}
