import { type Params, readParams } from './params.ts';
import { isSpaceCode, quotedEnd, skipSpace, trimSpace, unquoted } from './token.ts';
import { parseUri } from './uri.ts';

/** `( name-addr / addr-spec ) *( SEMI generic-param )`: From, To, Contact, Route, Refer-To, … */
export interface NameAddr {
  /** Without quotes and escapes; `undefined` when there is none. */
  readonly display: string | undefined;
  /** As written between the angle brackets, without spaces at its ends. */
  readonly uri: string;
  /** The header's parameters, never the URI's. */
  readonly params: Params;
  /** The same as written, from the first semicolon on. */
  readonly paramsText: string;
  readonly tag: string | undefined;
}

/**
 * Reads one address (RFC 3261 §20.10). `undefined` when it is malformed, or followed by another one.
 * A display name that should have been quoted is taken when nothing in it is ambiguous.
 */
export function parseNameAddr(value: string): NameAddr | undefined {
  const read = readNameAddr(value, 0);
  return read === undefined || read.end < value.length ? undefined : read.address;
}

/** All addresses of one header line: P-Asserted-Identity, Route, Record-Route, Contact, … */
export function parseNameAddrs(value: string): readonly NameAddr[] | undefined {
  const addresses: NameAddr[] = [];
  let at = 0;
  for (;;) {
    const read = readNameAddr(value, at);
    if (read === undefined) return undefined;
    addresses.push(read.address);
    if (read.end >= value.length) return addresses;
    at = read.end + 1;
  }
}

function readNameAddr(text: string, from: number): { address: NameAddr; end: number } | undefined {
  const start = skipSpace(text, from);
  const open = openingBracket(text, start);
  if (open === undefined) return undefined;
  const spec = open < 0 ? readAddrSpec(text, start) : readBracketed(text, open);
  if (spec === undefined || parseUri(spec.uri) === undefined) return undefined;
  const read = readParams(text, spec.end);
  if (read === undefined) return undefined;
  const display = open < 0 ? '' : trimSpace(text.slice(start, open));
  const address: NameAddr = {
    display: display === '' ? undefined : display.startsWith('"') ? unquoted(display) : display,
    uri: spec.uri,
    params: read.params,
    paramsText: text.slice(spec.end, read.end),
    tag: read.params.get('tag'),
  };
  return { address, end: read.end };
}

/**
 * Where the angle bracket of the address at `from` opens; -1 when it has none; `undefined` when
 * what stands before it is no display name.
 */
function openingBracket(text: string, from: number): number | undefined {
  if (text[from] === '"') {
    const end = quotedEnd(text, from);
    if (end < 0) return undefined;
    const open = skipSpace(text, end);
    return text[open] === '<' ? open : undefined;
  }
  for (let at = from; at < text.length; at += 1) {
    const c = text[at];
    if (c === '<') return at;
    // RFC 4475 §3.1.2.15: behind an unquoted separator the rest could be another address.
    if (c === ',' || c === ';' || c === '"' || c === '>') break;
  }
  return -1;
}

function readBracketed(text: string, open: number): { uri: string; end: number } | undefined {
  const close = text.indexOf('>', open);
  if (close < 0) return undefined;
  return { uri: trimSpace(text.slice(open + 1, close)), end: close + 1 };
}

/** RFC 3261 §20.10: a bare URI holds no comma, semicolon or question mark; those end it. */
function readAddrSpec(text: string, from: number): { uri: string; end: number } | undefined {
  let end = from;
  for (; end < text.length; end += 1) {
    const c = text[end];
    if (c === ';' || c === ',' || isSpaceCode(text.charCodeAt(end))) break;
    if (c === '?') return undefined;
  }
  return { uri: text.slice(from, end), end };
}
