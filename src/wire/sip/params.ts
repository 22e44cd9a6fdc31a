import { quotedEnd, skipSpace, tokenEnd, trimSpace, unquoted } from './token.ts';

/** By lower-case name; a parameter without a value maps to the empty string. */
export type Params = ReadonlyMap<string, string>;

export interface ReadParams {
  readonly params: Params;
  /** Index of the first character that belongs to no parameter: a comma, or the end. */
  readonly end: number;
}

const NONE: Params = new Map();

/**
 * Reads `*( SEMI generic-param )` at `from` (RFC 3261 §25.1). Quoted values lose their quotes.
 * `undefined` when a parameter is empty, unbalanced or repeated (§7.3.1).
 */
export function readParams(text: string, from: number): ReadParams | undefined {
  let at = skipSpace(text, from);
  if (text[at] !== ';') return endsHere(text, at) ? { params: NONE, end: at } : undefined;
  const params = new Map<string, string>();
  while (text[at] === ';') {
    const start = skipSpace(text, at + 1);
    const end = tokenEnd(text, start);
    if (end === start) return undefined;
    const name = text.slice(start, end).toLowerCase();
    if (params.has(name)) return undefined;
    at = skipSpace(text, end);
    if (text[at] === '=') {
      const valueStart = skipSpace(text, at + 1);
      const valueEnd = paramValueEnd(text, valueStart);
      if (valueEnd <= valueStart) return undefined;
      const value = text.slice(valueStart, valueEnd);
      params.set(name, value.startsWith('"') ? unquoted(value) : value);
      at = skipSpace(text, valueEnd);
    } else {
      params.set(name, '');
    }
  }
  return endsHere(text, at) ? { params, end: at } : undefined;
}

function endsHere(text: string, at: number): boolean {
  return at >= text.length || text[at] === ',';
}

// What ends a value: white space, `;`, `,`, `"`, `<` and `>`.
const ENDS_VALUE = new Uint8Array(128);
for (const c of ' \t\r\n;,"<>') ENDS_VALUE[c.charCodeAt(0)] = 1;

/** `gen-value = token / host / quoted-string`; read more freely, as far as nothing is ambiguous. */
function paramValueEnd(text: string, from: number): number {
  if (text[from] === '"') return quotedEnd(text, from);
  let at = from;
  while (at < text.length && ENDS_VALUE[text.charCodeAt(at)] !== 1) at += 1;
  return at;
}

/** `*( SEMI generic-param )` that was read before, as its parameters were written. */
export function splitParams(text: string): readonly string[] {
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at <= text.length; at += 1) {
    if (text[at] === '"') at = quotedEnd(text, at) - 1;
    else if (text[at] === ';' || at === text.length) {
      parts.push(trimSpace(text.slice(start, at)));
      start = at + 1;
    }
  }
  return parts.filter((part) => part !== '');
}
