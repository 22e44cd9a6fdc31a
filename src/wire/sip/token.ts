/** The lexical ground of RFC 3261 §25.1, by position in a text: no regular expressions, so no backtracking. */

const TOKEN = new Uint8Array(128);
for (const c of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~") {
  TOKEN[c.charCodeAt(0)] = 1;
}

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const QUOTE = 34;
const BACKSLASH = 92;

/** Whether a character code may stand in a `token`. */
export function isTokenCode(code: number): boolean {
  return TOKEN[code] === 1;
}

/** Whether the whole text is one `token`. */
export function isToken(text: string): boolean {
  return text.length > 0 && tokenEnd(text, 0) === text.length;
}

/** Index behind the token that begins at `from`; `from` itself when there is none. */
export function tokenEnd(text: string, from: number): number {
  let at = from;
  while (at < text.length && TOKEN[text.charCodeAt(at)] === 1) at += 1;
  return at;
}

/** Index of the first character at or after `from` that is neither space nor tab. */
export function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && isSpaceCode(text.charCodeAt(at))) at += 1;
  return at;
}

/** Space and tab; CR and LF as well, so that a value that was not unfolded reads the same. */
export function isSpaceCode(code: number): boolean {
  return code === SPACE || code === TAB || code === CR || code === LF;
}

/** Without spaces and tabs at both ends; nothing else is white space in SIP. */
export function trimSpace(text: string): string {
  const start = skipSpace(text, 0);
  let end = text.length;
  while (end > start && isSpaceCode(text.charCodeAt(end - 1))) end -= 1;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}

/** Index behind the closing quote of the quoted string that opens at `from`, or -1. */
export function quotedEnd(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    if (code === BACKSLASH) at += 1;
  }
  return -1;
}

/** The content of a quoted string given with its quotes, escapes undone. */
export function unquoted(text: string): string {
  const inner = text.slice(1, -1);
  if (!inner.includes('\\')) return inner;
  let out = '';
  for (let at = 0; at < inner.length; at += 1) {
    if (inner.charCodeAt(at) === BACKSLASH) at += 1;
    out += inner.charAt(at);
  }
  return out;
}

/** Decimal digits only, at most `max`; `undefined` for anything else, a sign or a fraction too. */
export function parseDigits(text: string, max: number): number | undefined {
  if (text.length === 0) return undefined;
  let value = 0;
  for (let at = 0; at < text.length; at += 1) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
    if (value > max) return undefined;
  }
  return value;
}
