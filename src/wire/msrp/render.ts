/** Frames of MSRP into octets (RFC 4975 §§7.1, 7.2, 9). */
import type { ContinuationFlag, MsrpRequest } from './frame.ts';
import { type ByteRange, IDENT, type ReportStatus, type ResponseHead } from './head.ts';
import { needle } from './needle.ts';

export type SendParts = Pick<MsrpRequest, 'tid' | 'toPath' | 'fromPath' | 'flag'> &
  Partial<Pick<MsrpRequest, 'messageId' | 'failureReport' | 'successReport' | 'byteRange'>> &
  Partial<Pick<MsrpRequest, 'otherHeaders' | 'contentType'>> & {
    /** In one piece or in several, one behind the other. */
    readonly body?: Uint8Array | readonly Uint8Array[];
  };

export type ReportParts = Pick<MsrpRequest, 'tid' | 'toPath' | 'fromPath'> & {
  readonly messageId: string;
  readonly byteRange: ByteRange;
  readonly status: ReportStatus;
};

const encoder = new TextEncoder();
const HYPHEN = 45;
const METHOD = /^[A-Z]+$/;
const BREAKS_A_LINE = /[\0\r\n]/;
const REASONS: ReadonlyMap<number, string> = new Map([
  [200, 'OK'],
  [400, 'Bad Request'],
  [403, 'Forbidden'],
  [408, 'Timeout'],
  [413, 'Stop Sending'],
  [415, 'Unsupported Media Type'],
  [481, 'No Such Session'],
  [501, 'Not Implemented'],
  [506, 'Session In Use'],
]);

/** The phrase of RFC 4975 §10; empty for a status that is not there. */
export function reasonPhrase(status: number): string {
  return REASONS.get(status) ?? '';
}

/**
 * The octets of a SEND as parts to be written one after the other; the body is passed by reference.
 * A value that would break a line is a programmer error and throws.
 */
export function renderSend(send: SendParts): readonly Uint8Array[] {
  const { body, flag } = send;
  const head = requestHead('SEND', send);
  const end = endLine(send.tid, flag);
  if (send.contentType === undefined) return [encoder.encode(head + end)];
  const text = `${head}Content-Type: ${value(send.contentType)}\r\n\r\n`;
  if (body === undefined || body.length === 0) return [encoder.encode(`${text}\r\n${end}`)];
  const parts = body instanceof Uint8Array ? [body] : body;
  return [encoder.encode(text), ...parts, encoder.encode(`\r\n${end}`)];
}

/** A REPORT: never answered (RFC 4975 §7.1.2). */
export function renderReport(report: ReportParts): Uint8Array {
  return encoder.encode(requestHead('REPORT', report) + endLine(report.tid, '$'));
}

/** `comment: ''` leaves the comment out; without it the phrase of RFC 4975 §10 stands there. */
export function renderResponse(response: Omit<ResponseHead, 'kind'>): Uint8Array {
  const { tid, status, toPath, fromPath } = response;
  const comment = response.comment ?? reasonPhrase(status);
  if (!Number.isInteger(status) || status < 100 || status > 999) throw new TypeError('bad status');
  const line = `MSRP ${ident(tid)} ${status}${comment === '' ? '' : ` ${value(comment)}`}\r\n`;
  return encoder.encode(line + paths(toPath, fromPath) + endLine(tid, '$'));
}

/** One array of all parts; a single part is handed on as it is, and not copied. */
export function joinOctets(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Whether `-------<tid>` stands in the body, so that another tid is needed (RFC 4975 §7.1). */
export function tidOccurs(tid: string, parts: readonly Uint8Array[]): boolean {
  // Most bodies need no further look, and this one is the cheapest.
  if (!parts.some((part) => part.includes(HYPHEN))) return false;
  // The line break before it is not searched for: stricter than the RFC, and a shorter rule.
  const search = needle(encoder.encode(`-------${tid}`));
  const overlap = search.length - 1;
  let before: Uint8Array = new Uint8Array(0);
  return parts.some((part, index) => {
    if (search.find(part, 0, part.length) >= 0) return true;
    if (index === parts.length - 1 && before.length === 0) return false;
    const seam = joinOctets([before, part.subarray(0, overlap)]);
    if (search.find(seam, 0, seam.length) >= 0) return true;
    before = part.length < overlap ? seam.slice(-overlap) : part.subarray(-overlap);
    return false;
  });
}

const TID_CHARACTERS = 16;
const TID_ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/** A new transaction id of 80 random bits (RFC 4975 §7.1 asks for 64) that the body does not hold. */
export function freshTid(
  body: readonly Uint8Array[],
  random: (octets: number) => Uint8Array,
): string {
  for (;;) {
    let tid = '';
    for (const octet of random(TID_CHARACTERS)) tid += TID_ALPHABET[octet & 31];
    if (!tidOccurs(tid, body)) return tid;
  }
}

type HeadParts = Pick<SendParts, 'tid' | 'toPath' | 'fromPath'> &
  Partial<Pick<SendParts, 'messageId' | 'failureReport' | 'successReport' | 'byteRange'>> &
  Partial<Pick<SendParts, 'otherHeaders'>> & { readonly status?: ReportStatus };

function requestHead(method: string, parts: HeadParts): string {
  if (!METHOD.test(method)) throw new TypeError('an MSRP method is of capital letters');
  const { messageId, failureReport, successReport, byteRange, status, otherHeaders } = parts;
  let text = `MSRP ${ident(parts.tid)} ${method}\r\n${paths(parts.toPath, parts.fromPath)}`;
  if (messageId !== undefined) text += `Message-ID: ${ident(messageId)}\r\n`;
  if (failureReport !== undefined) text += `Failure-Report: ${failureReport}\r\n`;
  if (successReport !== undefined) text += `Success-Report: ${successReport}\r\n`;
  if (byteRange !== undefined) {
    text += `Byte-Range: ${byteRange.start}-${byteRange.end}/${byteRange.total}\r\n`;
  }
  if (status !== undefined) {
    const comment = status.comment ? ` ${value(status.comment)}` : '';
    text += `Status: ${value(status.namespace)} ${status.code}${comment}\r\n`;
  }
  for (const [name, said] of otherHeaders ?? []) text += `${value(name)}: ${value(said)}\r\n`;
  return text;
}

function paths(toPath: readonly string[], fromPath: readonly string[]): string {
  return `To-Path: ${value(toPath.join(' '))}\r\nFrom-Path: ${value(fromPath.join(' '))}\r\n`;
}

function endLine(tid: string, flag: ContinuationFlag): string {
  return `-------${tid}${flag}\r\n`;
}

function ident(text: string): string {
  if (!IDENT.test(text)) throw new TypeError('an MSRP identifier has 4 to 32 of A-Za-z0-9.-+%=');
  return text;
}

function value(text: string): string {
  if (BREAKS_A_LINE.test(text)) throw new TypeError('CR, LF or NUL in an MSRP header');
  return text;
}
