/**
 * What the evidence journal keeps of a signal: its octets with credentials and MSRP session ids cut
 * short, with or without the body, and what views index it by. One pass over the octets, no parser:
 * a signal that no parser accepts is evidence too.
 */
import { type PartHeader, parseMultipart } from './mime/multipart.ts';
import { type Cut, cutCredentials, cutSessionIds, withoutCuts } from './redaction.ts';
import { parseMediaType } from './sip/headers.ts';
import { roleOf, wireLines } from './wire-lines.ts';

/** What can be told without the octets. Absent: the signal has none. */
export interface SignalSummary {
  readonly startLine: string;
  readonly callId?: string;
  /** Number and method, as `1 MESSAGE`. */
  readonly cseq?: string;
  /** Of a SIP response the method it answers. */
  readonly method?: string;
  readonly status?: number;
  /** MSRP transaction id. */
  readonly tid?: string;
  readonly messageId?: string;
  readonly byteRange?: string;
  /** How an MSRP frame ends: complete, more to come, aborted. */
  readonly flag?: '$' | '+' | '#';
  readonly contentType?: string;
  readonly bodyBytes?: number;
  /** Lower-case hexadecimal, of the body as it was on the wire. */
  readonly bodySha256?: string;
  /** The headers of each part of a multipart body. */
  readonly partHeaders?: readonly (readonly PartHeader[])[];
}

export interface JournaledSignal {
  /** What to keep; the very octets given when nothing had to be cut. */
  readonly octets: Uint8Array;
  readonly summary: SignalSummary;
}

/** What is known of a body that was not kept. */
export interface BodySummary {
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

export interface JournalOptions {
  readonly protocol: 'sip' | 'msrp';
  /** `headers`: the body is left out and only summed up. */
  readonly mode: 'full' | 'headers';
  readonly sha256: (octets: Uint8Array) => Uint8Array;
  /** The octets come without the body that the frame had, and the CRLF behind that. */
  readonly body?: BodySummary | undefined;
}

type Draft = { -readonly [Key in keyof SignalSummary]: SignalSummary[Key] };

/** Bodies that are protocol text and may hold credentials or session ids; so may an untyped one. */
const PROTOCOL_TEXT = /^\s*(application\/sdp|message\/|multipart\/)/i;

const HEX = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'));

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Prepares one SIP message or MSRP frame for the journal. Total: any octets will do. */
export function journaled(octets: Uint8Array, options: JournalOptions): JournaledSignal {
  const cuts: Cut[] = [];
  const startEnd = endOfStartLine(octets);
  const summary: Draft = { startLine: decoder.decode(octets.subarray(0, startEnd)) };
  const tailStart = options.protocol === 'msrp' ? readMsrpLines(octets, summary) : octets.length;
  const headEnd = readHead(octets, tailStart, summary, cuts);
  if (options.protocol === 'sip') readSipStart(summary);
  if (options.body !== undefined) {
    summary.bodyBytes = options.body.bytes;
    summary.bodySha256 = options.body.sha256;
  }
  // The CRLF before an end-line is the frame's, not the body's (RFC 4975 §7.1).
  const bodyEnd = tailStart < octets.length ? Math.max(headEnd, tailStart - 2) : octets.length;
  if (bodyEnd > headEnd) {
    readBody(octets.subarray(headEnd, bodyEnd), summary, options.sha256);
    if (options.mode === 'headers') {
      cuts.push({ start: headEnd, end: tailStart, mark: false });
    } else if (PROTOCOL_TEXT.test(summary.contentType ?? 'message/')) {
      redact(octets, headEnd, bodyEnd, cuts);
    }
  }
  return { octets: withoutCuts(octets, cuts), summary };
}

function endOfStartLine(octets: Uint8Array): number {
  const lf = octets.indexOf(10);
  if (lf === -1) return octets.length;
  return octets[lf - 1] === 13 ? lf - 1 : lf;
}

function readSipStart(summary: Draft): void {
  const { startLine } = summary;
  if (startLine.startsWith('SIP/')) {
    const status = Number(startLine.slice(8, 11));
    if (Number.isInteger(status)) summary.status = status;
    const method = summary.cseq?.slice(summary.cseq.indexOf(' ') + 1);
    if (method !== undefined) summary.method = method;
  } else {
    const space = startLine.indexOf(' ');
    if (space > 0) summary.method = startLine.slice(0, space);
  }
}

/** Reads start line and end-line (RFC 4975 §9); returns where the end-line starts. */
function readMsrpLines(octets: Uint8Array, summary: Draft): number {
  const [, tid, what] = summary.startLine.split(' ', 3);
  if (tid === undefined || what === undefined) return octets.length;
  summary.tid = tid;
  const status = Number(what);
  if (Number.isInteger(status)) summary.status = status;
  else summary.method = what;
  // Seven hyphens, the transaction id, the flag and CRLF.
  const start = octets.length - (7 + tid.length + 1 + 2);
  if (start < 0 || decoder.decode(octets.subarray(start, -3)) !== `-------${tid}`) {
    return octets.length;
  }
  const flag = String.fromCharCode(octets[octets.length - 3] ?? 0);
  if (flag === '$' || flag === '+' || flag === '#') summary.flag = flag;
  return start;
}

/** Reads the header lines and notes what of them must not be kept; returns where the body starts. */
function readHead(octets: Uint8Array, end: number, summary: Draft, cuts: Cut[]): number {
  return wireLines(octets, { start: 0, end, untilEmptyLine: true }, (start, colon, lineEnd) => {
    const role = roleOf(octets, start, colon);
    if (role === undefined) return;
    if (role === 'path') cutSessionIds(octets, colon + 1, lineEnd, cuts);
    else if (role === 'credentials') cutCredentials(octets, colon + 1, lineEnd, cuts);
    else summary[role] ??= decoder.decode(octets.subarray(colon + 1, lineEnd)).trim();
  });
}

function redact(octets: Uint8Array, start: number, end: number, cuts: Cut[]): void {
  wireLines(octets, { start, end, untilEmptyLine: false }, (lineStart, colon, lineEnd) => {
    const role = roleOf(octets, lineStart, colon);
    if (role === 'path') cutSessionIds(octets, colon + 1, lineEnd, cuts);
    else if (role === 'credentials') cutCredentials(octets, colon + 1, lineEnd, cuts);
  });
}

function readBody(
  body: Uint8Array,
  summary: Draft,
  sha256: (octets: Uint8Array) => Uint8Array,
): void {
  summary.bodyBytes = body.length;
  summary.bodySha256 = hexOf(sha256(body));
  const { contentType = '' } = summary;
  if (!/^multipart\//i.test(contentType)) return;
  const boundary = parseMediaType(contentType)?.params.get('boundary');
  if (boundary === undefined) return;
  // A chunk of a larger body ends early: what was complete is still told.
  const partHeaders = parseMultipart(body, boundary).parts.map((part) => part.headers);
  if (partHeaders.length > 0) summary.partHeaders = partHeaders;
}

function hexOf(octets: Uint8Array): string {
  let hex = '';
  for (const octet of octets) hex += HEX[octet];
  return hex;
}
