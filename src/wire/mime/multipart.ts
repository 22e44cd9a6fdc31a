import { type Needle, needle } from '../msrp/needle.ts';
import { joinOctets } from '../msrp/render.ts';

/** A name and its value, as `Content-Type` and `text/plain`. */
export type PartHeader = readonly [name: string, value: string];

/** One body part. The body is a view of the octets parsed, never a copy. */
export interface Part {
  readonly headers: readonly PartHeader[];
  readonly body: Uint8Array;
}

export type ParsedMultipart =
  | { readonly kind: 'parts'; readonly parts: readonly Part[] }
  | {
      readonly kind: 'refusal';
      readonly reason: string;
      /** RFC and section. */
      readonly section: string;
      /** What was complete before the fault. */
      readonly parts: readonly Part[];
    };

/** More parts than any message here has a use for; bounds what a hostile body can make us build. */
export const MULTIPART_PARTS_MAX = 64;

/** RFC 2046 §5.1.1: 0 to 69 `bchars` and one that is no space. */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const LINE_BREAKS = /[\r\n\0]/;
const SECTION = 'RFC 2046 §5.1.1';
const CR = 13;
const LF = 10;
const SPACE = 32;
const TAB = 9;
const HYPHEN = 45;
const COLON = 58;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const CRLF = encoder.encode('\r\n');

/**
 * Lays the parts out octet for octet: delimiter, headers, empty line, body, and the closing
 * delimiter with its CRLF (RFC 2046 §5.1.1). Throws when the boundary is no boundary, occurs in a
 * part, or a header would break its line: the caller chose them, so that is a mistake in a program.
 */
export function renderMultipart(parts: readonly Part[], boundary: string): Uint8Array {
  const delimiter = needle(encoder.encode(`--${boundary}`));
  const pieces: Uint8Array[] = [];
  for (const part of parts) {
    const head = partHead(part.headers, boundary);
    if (delimiter.find(part.body, 0, part.body.length) !== -1) {
      throw new Error(`boundary ${boundary} occurs in a part: choose another`);
    }
    pieces.push(head, part.body, CRLF);
  }
  pieces.push(closingDelimiter(boundary));
  return joinOctets(pieces);
}

/** The delimiter before a part, its headers and the empty line; throws as `renderMultipart`. */
export function partHead(headers: readonly PartHeader[], boundary: string): Uint8Array {
  if (!BOUNDARY.test(boundary)) throw new Error(`not a multipart boundary: ${boundary}`);
  let head = `--${boundary}\r\n`;
  for (const [name, value] of headers) {
    if (!HEADER_NAME.test(name) || LINE_BREAKS.test(value)) {
      throw new Error(`part header ${JSON.stringify(name)} would break its line`);
    }
    head += `${name}: ${value}\r\n`;
  }
  if (head.indexOf(`--${boundary}`, 2) !== -1) {
    throw new Error(`boundary ${boundary} occurs in a part: choose another`);
  }
  return encoder.encode(`${head}\r\n`);
}

/** Behind the CRLF that ends the last part. */
export function closingDelimiter(boundary: string): Uint8Array {
  return encoder.encode(`--${boundary}--\r\n`);
}

/**
 * Takes a multipart body apart. Preamble, epilogue and white space after a delimiter are passed
 * over; a line that merely begins with the boundary is content. A body that ends before its closing
 * delimiter is refused, together with the parts that were complete.
 */
export function parseMultipart(body: Uint8Array, boundary: string): ParsedMultipart {
  const parts: Part[] = [];
  const refuse = (reason: string): ParsedMultipart => ({
    kind: 'refusal',
    reason,
    section: SECTION,
    parts,
  });
  if (!BOUNDARY.test(boundary)) return refuse('the boundary parameter is no boundary');
  const delimiter = needle(encoder.encode(`--${boundary}`));
  let here = nextDelimiter(body, delimiter, 0);
  while (here !== undefined && !here.closes) {
    if (parts.length === MULTIPART_PARTS_MAX) return refuse('too many parts');
    const next = nextDelimiter(body, delimiter, here.end);
    if (next === undefined) return refuse('no closing delimiter');
    // The line break before a delimiter belongs to the delimiter.
    parts.push(parsePart(body, here.end, Math.max(here.end, next.start - 2)));
    here = next;
  }
  if (here === undefined) return refuse('no delimiter');
  return { kind: 'parts', parts };
}

interface Delimiter {
  /** Of its first hyphen. */
  readonly start: number;
  /** After its line break. */
  readonly end: number;
  readonly closes: boolean;
}

function nextDelimiter(body: Uint8Array, delimiter: Needle, from: number): Delimiter | undefined {
  for (let start = delimiter.find(body, from, body.length); start !== -1; ) {
    const startsLine = start === 0 || (body[start - 1] === LF && body[start - 2] === CR);
    if (startsLine) {
      let at = start + delimiter.length;
      const closes = body[at] === HYPHEN && body[at + 1] === HYPHEN;
      if (closes) at += 2;
      while (body[at] === SPACE || body[at] === TAB) at += 1;
      if (body[at] === CR && body[at + 1] === LF) return { start, end: at + 2, closes };
      if (closes && at === body.length) return { start, end: at, closes };
    }
    start = delimiter.find(body, start + delimiter.length, body.length);
  }
  return undefined;
}

function parsePart(body: Uint8Array, start: number, end: number): Part {
  const part = body.subarray(start, end);
  const { headers, end: headEnd } = parseFields(part);
  return { headers, body: part.subarray(headEnd) };
}

/**
 * Reads header lines up to the empty line or the end of the octets: names as they came, values
 * unfolded and trimmed. A line that is no header ends the block, as RFC 2046 §5.1 lets a part begin
 * without any. `end` is where the body starts.
 */
export function parseFields(octets: Uint8Array): {
  readonly headers: readonly PartHeader[];
  readonly end: number;
} {
  const headers: PartHeader[] = [];
  let at = 0;
  while (at < octets.length) {
    if (octets[at] === CR && octets[at + 1] === LF) return { headers, end: at + 2 };
    let lineEnd = endOfLine(octets, at);
    while (octets[lineEnd + 2] === SPACE || octets[lineEnd + 2] === TAB) {
      lineEnd = endOfLine(octets, lineEnd + 2);
    }
    const colon = octets.subarray(at, lineEnd).indexOf(COLON);
    const name = colon === -1 ? '' : decoder.decode(octets.subarray(at, at + colon)).trimEnd();
    if (!HEADER_NAME.test(name)) return { headers, end: at };
    const value = decoder.decode(octets.subarray(at + colon + 1, lineEnd));
    headers.push([name, value.replace(/\r\n[ \t]/g, ' ').trim()]);
    at = Math.min(octets.length, lineEnd + 2);
  }
  return { headers, end: octets.length };
}

/** Where the line that holds `from` ends: at its CRLF or at the end of the octets. */
function endOfLine(octets: Uint8Array, from: number): number {
  let at = octets.indexOf(CR, from);
  while (at !== -1 && octets[at + 1] !== LF) at = octets.indexOf(CR, at + 1);
  return at === -1 ? octets.length : at;
}
