import { parseHostPort } from './host.ts';
import { type Params, readParams } from './params.ts';
import { isSpaceCode, parseDigits, skipSpace, tokenEnd, trimSpace } from './token.ts';

const SEMICOLON = 59;
const COMMA = 44;

/** One hop of a Via header (RFC 3261 §20.42). */
export interface Via {
  /** `SIP/2.0`, as written but without spaces. */
  readonly protocol: string;
  /** Upper case: `UDP`, `TCP`, `TLS`, … */
  readonly transport: string;
  /** Of sent-by: lower case, an IPv6 address in its brackets. */
  readonly host: string;
  readonly port: number | undefined;
  readonly params: Params;
  readonly branch: string | undefined;
  readonly received: string | undefined;
  /** RFC 3581: the empty string asks for the source port. */
  readonly rport: string | undefined;
}

/** All hops of one Via header line, topmost first; `undefined` when one of them is malformed. */
export function parseVia(value: string): readonly Via[] | undefined {
  const hops: Via[] = [];
  let at = 0;
  for (;;) {
    const hop = readHop(value, at);
    if (hop === undefined) return undefined;
    hops.push(hop.via);
    if (hop.end >= value.length) return hops;
    at = hop.end + 1;
  }
}

function readHop(text: string, from: number): { via: Via; end: number } | undefined {
  const sent = readProtocol(text, from);
  const transport = sent && readPart(text, sent.next, '');
  if (!sent || !transport) return undefined;
  // sent-protocol LWS sent-by: without the space they are one word.
  if (!isSpaceCode(text.charCodeAt(transport.next - 1))) return undefined;
  let end = transport.next;
  for (; end < text.length; end += 1) {
    const code = text.charCodeAt(end);
    if (code === SEMICOLON || code === COMMA) break;
  }
  const sentBy = parseHostPort(withoutSpace(text.slice(transport.next, end)));
  const read = sentBy && readParams(text, end);
  if (!sentBy || !read) return undefined;
  const { params } = read;
  const rport = params.get('rport');
  if (rport && parseDigits(rport, 65_535) === undefined) return undefined;
  const via: Via = {
    protocol: sent.protocol,
    transport: transport.word.toUpperCase(),
    host: sentBy.host,
    port: sentBy.port,
    params,
    branch: params.get('branch'),
    received: params.get('received'),
    rport,
  };
  return { via, end: read.end };
}

const USUAL = 'SIP/2.0/';

/** `SIP/2.0/`, with spaces wherever they may stand. */
function readProtocol(text: string, from: number): { protocol: string; next: number } | undefined {
  const start = skipSpace(text, from);
  if (text.startsWith(USUAL, start)) return { protocol: 'SIP/2.0', next: start + USUAL.length };
  const name = readPart(text, start, '/');
  const version = name && readPart(text, name.next, '/');
  return version && { protocol: `${name.word}/${version.word}`, next: version.next };
}

/** A token, the spaces around it and, unless it is empty, the separator behind it. */
function readPart(
  text: string,
  from: number,
  separator: string,
): { word: string; next: number } | undefined {
  const start = skipSpace(text, from);
  const end = tokenEnd(text, start);
  if (end === start) return undefined;
  const next = skipSpace(text, end);
  if (separator === '') return { word: text.slice(start, end), next };
  return text[next] === separator ? { word: text.slice(start, end), next: next + 1 } : undefined;
}

/** `host COLON port` allows spaces around the colon and behind the port, nowhere else. */
function withoutSpace(text: string): string {
  const trimmed = trimSpace(text);
  if (!/[ \t]/.test(trimmed)) return trimmed;
  const colon = trimmed.lastIndexOf(':');
  if (trimmed.indexOf(']', colon) >= 0 || colon < 0) return trimmed;
  return `${trimSpace(trimmed.slice(0, colon))}:${trimSpace(trimmed.slice(colon + 1))}`;
}
