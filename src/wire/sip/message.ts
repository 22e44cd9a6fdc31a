import { type Fault, type Field, type Head, readHead } from './head.ts';
import { SIP_LIMITS, type SipLimits } from './limits.ts';
import { findFault } from './requirements.ts';
import { type RequestLine, readStartLine, type StatusLine } from './start-line.ts';
import { isToken, parseDigits } from './token.ts';

export type { Field } from './head.ts';
export type { RequestLine, StatusLine } from './start-line.ts';

/** A SIP message over the octets it came in; values are decoded when asked for. */
export interface SipMessage {
  /** Exactly as received; without empty lines before and surplus octets behind it in a datagram. */
  readonly octets: Uint8Array;
  readonly start: RequestLine | StatusLine;
  readonly fields: readonly Field[];
  /** The value of the first such header, unfolded and trimmed; the name in lower-case long form. */
  first(name: string): string | undefined;
  /** One value for each such header line; comma lists are not split. */
  all(name: string): readonly string[];
  /** A view, not a copy. */
  readonly body: Uint8Array;
}

export interface Refusal {
  readonly kind: 'refusal';
  /** `null`: nothing can or may be answered, drop it (a response, an ACK, no Via to answer). */
  readonly status: number | null;
  readonly reason: string;
  /** RFC and section. */
  readonly section: string;
  /** What could be read; its headers up to the fault, which may lack mandatory ones. */
  readonly message?: SipMessage;
}

export type Parsed = { readonly kind: 'message'; readonly message: SipMessage } | Refusal;

/**
 * Reads one message and checks what every receiver must (RFC 3261 §7, §8.1.1, §18.3). `datagram`:
 * Content-Length may be absent, and octets behind it are not the message's. `exact`: the octets
 * are one message, as a stream's framer or the store hands it over. Linear in the octets.
 */
export function parseSip(
  octets: Uint8Array,
  framing: 'datagram' | 'exact',
  limits: SipLimits = SIP_LIMITS,
): Parsed {
  const from = emptyLinesEnd(octets);
  const received = from === 0 ? octets : octets.subarray(from);
  return parseBehindHead(received, readHead(received, limits), framing, limits);
}

/** The rest of `parseSip` when the head of the message, at the start of `received`, is read. */
export function parseBehindHead(
  received: Uint8Array,
  head: Head,
  framing: 'datagram' | 'exact',
  limits: SipLimits,
): Parsed {
  const line = readStartLine(head.startLine);
  if (line === undefined) {
    const reason = received.length === 0 ? 'no message' : 'no SIP start line';
    return { kind: 'refusal', status: null, reason, section: 'RFC 3261 §7' };
  }
  const available = received.length - head.bodyStart;
  const length = contentLength(head);
  const bodyFault = head.fault ? undefined : lengthFault(length, available, framing);
  const known = typeof length === 'number' && length <= available && framing === 'datagram';
  const end = known ? head.bodyStart + length : received.length;
  const octets = end === received.length ? received : received.subarray(0, end);
  const message = sipMessage(octets, line.start, head);
  const sizeFault = end > limits.messageBytesMax ? tooLarge(limits) : undefined;
  const fault = line.fault ?? head.fault ?? bodyFault ?? sizeFault ?? findFault(line.start, head);
  return fault === undefined ? { kind: 'message', message } : refusal(message, fault);
}

/** RFC 3261 §7.5: CRLFs before the start line are ignored. */
function emptyLinesEnd(octets: Uint8Array): number {
  let at = 0;
  while (octets[at] === 13 && octets[at + 1] === 10) at += 2;
  return at;
}

/** `absent`, the number of octets, or `broken`: no number, or several that differ. */
export function contentLength(head: Head): number | 'absent' | 'broken' {
  let length: number | 'absent' = 'absent';
  for (const field of head.fields) {
    if (field.name !== 'content-length') continue;
    const value = parseDigits(head.value(field), Number.MAX_SAFE_INTEGER);
    if (value === undefined || (length !== 'absent' && length !== value)) return 'broken';
    length = value;
  }
  return length;
}

function lengthFault(
  length: number | 'absent' | 'broken',
  available: number,
  framing: 'datagram' | 'exact',
): Fault | undefined {
  if (length === 'absent') return undefined;
  if (length === 'broken') {
    const reason = 'Content-Length is not one number';
    return { status: 400, reason, section: 'RFC 3261 §20.14' };
  }
  if (length === available || (length < available && framing === 'datagram')) return undefined;
  const reason = `Content-Length is ${length}, the body has ${available} octets`;
  return { status: 400, reason, section: 'RFC 3261 §18.3' };
}

/** The message has more octets than are taken. */
export function tooLarge(limits: SipLimits): Fault {
  const reason = `the message has more than ${limits.messageBytesMax} octets`;
  return { status: 513, reason, section: 'RFC 3261 §21.5.14' };
}

function refusal(message: SipMessage, fault: Fault): Refusal {
  const { start, fields } = message;
  // RFC 3261 §17.1.1.3: nothing ever answers an ACK; §18.2.2: the answer's way is in the Via.
  const answerable =
    start.kind === 'request' && start.method !== 'ACK' && fields.some((f) => f.name === 'via');
  return { kind: 'refusal', ...fault, status: answerable ? fault.status : null, message };
}

function sipMessage(octets: Uint8Array, start: RequestLine | StatusLine, head: Head): SipMessage {
  const { fields } = head;
  return {
    octets,
    start,
    fields,
    first(name) {
      for (const field of fields) if (field.name === name) return head.value(field);
      return undefined;
    },
    all(name) {
      const values: string[] = [];
      for (const field of fields) if (field.name === name) values.push(head.value(field));
      return values;
    },
    body: octets.subarray(head.bodyStart),
  };
}

export interface SipParts {
  readonly start: RequestLine | StatusLine;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body?: Uint8Array;
}

const utf8 = new TextEncoder();

/**
 * Octets of a message; Content-Length is added last. Throws when a part would break out of its
 * place (CR, LF, an unescaped NUL, a name or method that is no token, a URI with a space): who
 * builds a message from foreign text must have read that text first.
 */
export function renderSip(parts: SipParts): Uint8Array {
  const { start, headers, body } = parts;
  let head =
    start.kind === 'request'
      ? `${name(start.method)} ${uri(start.uri)} SIP/2.0\r\n`
      : `SIP/2.0 ${start.status} ${inLine(start.reason)}\r\n`;
  for (const [key, value] of headers) head += `${name(key)}: ${inLine(value)}\r\n`;
  const bodyLength = body?.length ?? 0;
  const headOctets = utf8.encode(`${head}Content-Length: ${bodyLength}\r\n\r\n`);
  if (body === undefined || bodyLength === 0) return headOctets;
  const octets = new Uint8Array(headOctets.length + bodyLength);
  octets.set(headOctets);
  octets.set(body, headOctets.length);
  return octets;
}

function name(text: string): string {
  if (isToken(text) && text.toLowerCase() !== 'content-length') return text;
  throw new Error(`${JSON.stringify(text)} cannot be a method or the name of a given header`);
}

/** White space is whatever a parser may take for it, U+3000 and U+FEFF included. */
export function isRequestUri(text: string): boolean {
  return text !== '' && !/[\s\0]/.test(text);
}

function uri(text: string): string {
  if (isRequestUri(text)) return text;
  throw new Error(`${JSON.stringify(text)} cannot be a Request-URI`);
}

function inLine(text: string): string {
  // RFC 3261 §25.1: NUL is legal in a quoted-pair (RFC 4475 §3.1.1.2 has one in To).
  if (!/[\r\n]|(?<!\\)\0/.test(text)) return text;
  throw new Error(`${JSON.stringify(text)} does not fit in one line of a SIP message`);
}

/**
 * The octets without the whole header lines whose name `drop` picks, everything else verbatim:
 * a legal `message/sipfrag` (RFC 3420 §2).
 */
export function withoutHeaders(message: SipMessage, drop: (name: string) => boolean): Uint8Array {
  const { octets } = message;
  const out = new Uint8Array(octets.length);
  let length = 0;
  let kept = 0;
  for (const field of message.fields) {
    if (!drop(field.name)) continue;
    out.set(octets.subarray(kept, field.start), length);
    length += field.start - kept;
    kept = field.end;
  }
  out.set(octets.subarray(kept), length);
  return out.slice(0, length + octets.length - kept);
}
