/** RFC 3261 §25.1 `unreserved`: equal to its escape everywhere in a URI (§19.1.4). */
const UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()";

const encoder = new TextEncoder();

/**
 * One spelling for all equal spellings: escapes of unreserved characters undone, other escapes
 * with upper-case digits, what is not ASCII escaped.
 */
export function normalEscapes(text: string): string {
  let out = '';
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const value = code === 37 ? hexPair(text, at + 1) : -1;
    if (value >= 0) {
      const c = String.fromCharCode(value);
      out += UNRESERVED.includes(c) ? c : escapeOf(value);
      at += 2;
    } else if (code < 128) {
      out += text.charAt(at);
    } else {
      const wide = code >= 0xd800 && code < 0xdc00 ? 2 : 1;
      for (const octet of encoder.encode(text.slice(at, at + wide))) out += escapeOf(octet);
      at += wide - 1;
    }
  }
  return out;
}

function escapeOf(octet: number): string {
  return `%${octet.toString(16).toUpperCase().padStart(2, '0')}`;
}

/** The octet written as two hex digits at `at`, or -1. */
function hexPair(text: string, at: number): number {
  const high = hexDigit(text.charCodeAt(at));
  const low = hexDigit(text.charCodeAt(at + 1));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 0x20;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
