import { longForm } from './field-name.ts';
import type { SipLimits } from './limits.ts';
import { skipSpace, tokenEnd, trimSpace } from './token.ts';

/** One header line with its folds. */
export interface Field {
  /** Long form, lower case. */
  readonly name: string;
  /** Octet range of the whole header, folds and the final CRLF included. */
  readonly start: number;
  readonly end: number;
  /** Octet where the value begins, behind the colon and white space. */
  readonly valueStart: number;
}

/** What is wrong with a message; the status a request is answered with. */
export interface Fault {
  readonly status: number;
  readonly reason: string;
  /** RFC and section. */
  readonly section: string;
}

/** Where the lines of a message are. Nothing of a value is decoded yet. */
export interface Head {
  readonly startLine: string;
  readonly fields: readonly Field[];
  /** First octet of the body; the number of octets seen when the head did not end. */
  readonly bodyStart: number;
  /** The fields stand up to the place of the fault. */
  readonly fault: Fault | undefined;
  /** The value of a field: unfolded, trimmed. */
  value(field: Field): string;
}

// A byte order mark is an octet like another: positions must agree.
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
// By the Encoding Standard this is windows-1252: one character for each octet, ASCII as it is.
const oneEach = new TextDecoder('latin1');

const TAB = 9;
const CR = 13;
const SPACE = 32;
const COLON = 58;

interface Lines {
  /** Behind the CRLF of each line, folds included; the first is the start line's. */
  readonly ends: readonly number[];
  readonly bodyStart: number;
  readonly fault: Fault | undefined;
  /** No folds and no control characters: a value is what stands on its line. */
  readonly plain: boolean;
}

/** Finds the lines and headers of a message in one pass (RFC 3261 §7). */
export function readHead(octets: Uint8Array, limits: SipLimits): Head {
  const { text, decoded } = textOf(octets, limits.headBytesMax);
  const lines = readLines(text, octets.length, limits);
  // A copy: the caller may use its buffer again before a value is asked for.
  const head = decoded ? octets : octets.slice(0, lines.bodyStart);
  const fields: Field[] = [];
  let fault = lines.fault;
  for (let line = 1; line < lines.ends.length; line += 1) {
    const field = readField(text, lines.ends[line - 1] ?? 0, lines.ends[line] ?? 0);
    if (field === undefined) {
      fault = faultAt(`header line ${line} is not "name: value"`, 'RFC 3261 §7.3.1');
      break;
    }
    fields.push(field);
  }
  const slice = (from: number, to: number) => {
    const piece = text.slice(from, to);
    return decoded || isAscii(piece) ? piece : utf8.decode(head.subarray(from, to));
  };
  return {
    startLine: slice(0, (lines.ends[0] ?? 2) - 2),
    fields,
    bodyStart: lines.bodyStart,
    fault,
    value: lines.plain
      ? (field) => trimSpace(slice(field.valueStart, field.end - 2))
      : (field) => unfolded(slice(field.valueStart, field.end - 2)),
  };
}

/**
 * A text whose positions are those of the octets: searching it is several times faster than a loop
 * over octets. `decoded`: it is also what the octets mean, because UTF-8 never yields more
 * characters than octets, and as many means one for each.
 */
function textOf(octets: Uint8Array, bytesMax: number): { text: string; decoded: boolean } {
  const most = octets.length > bytesMax ? octets.subarray(0, bytesMax) : octets;
  const text = utf8.decode(most);
  if (text.length === most.length) return { text, decoded: true };
  return { text: oneEach.decode(most), decoded: false };
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) > 127) return false;
  return true;
}

function faultAt(reason: string, section: string, status = 400): Fault {
  return { status, reason, section };
}

function readLines(text: string, received: number, limits: SipLimits): Lines {
  const ends: number[] = [];
  let stray = -1;
  let folded = false;
  let start = 0;
  let from = 0;
  for (let lf = text.indexOf('\n'); lf >= 0; lf = text.indexOf('\n', from)) {
    const crlf = text.charCodeAt(lf - 1) === CR;
    // Not looked for behind a bare LF: the search might run to the end once for each of them.
    const cr = crlf ? text.indexOf('\r', from) : lf;
    if (cr !== lf - 1 && stray < 0) stray = cr;
    from = lf + 1;
    if (!crlf) continue;
    if (lf === start + 1) {
      const nul = strayNul(text, from);
      const plain = !folded && stray < 0 && nul === undefined;
      return { ends, bodyStart: from, fault: strayFault(stray < 0 ? (nul ?? -1) : stray), plain };
    }
    const next = text.charCodeAt(from);
    // A start line is never folded (RFC 3261 §7.3.1 speaks of header fields).
    if (ends.length > 0 && (next === SPACE || next === TAB)) {
      folded = true;
      continue;
    }
    if (from - start > limits.lineBytesMax) return tooLarge(ends, start, 'a line', limits);
    if (ends.length > limits.headerLinesMax) return tooLarge(ends, start, 'the head', limits);
    start = from;
    ends.push(start);
  }
  if (received > limits.headBytesMax || received - start > limits.lineBytesMax) {
    return tooLarge(ends, start, 'the head', limits);
  }
  const unended = faultAt('no empty line ends the headers', 'RFC 3261 §7');
  return { ends, bodyStart: start, fault: strayFault(stray) ?? unended, plain: false };
}

function strayFault(at: number): Fault | undefined {
  if (at < 0) return undefined;
  return faultAt(`octet ${at} is a bare CR, LF or NUL`, 'RFC 3261 §25.1');
}

/** Where a NUL stands that is not escaped; -1 when there are only escaped ones before `end`. */
function strayNul(text: string, end: number): number | undefined {
  let nul = text.indexOf('\0');
  if (nul < 0 || nul >= end) return undefined;
  for (; nul >= 0 && nul < end; nul = text.indexOf('\0', nul + 1)) {
    if (text.charAt(nul - 1) !== '\\') return nul;
  }
  return -1;
}

function tooLarge(
  ends: readonly number[],
  bodyStart: number,
  what: string,
  limits: SipLimits,
): Lines {
  const { lineBytesMax, headBytesMax, headerLinesMax } = limits;
  const bounds = `${lineBytesMax} octets a line, ${headerLinesMax} lines, ${headBytesMax} in all`;
  const fault = faultAt(`${what} is too large: ${bounds}`, 'RFC 3261 §21.5.14', 513);
  return { ends, bodyStart, fault, plain: false };
}

function readField(text: string, start: number, end: number): Field | undefined {
  const nameEnd = tokenEnd(text, start);
  const colon = skipSpace(text, nameEnd);
  if (nameEnd === start || colon >= end || text.charCodeAt(colon) !== COLON) return undefined;
  const valueStart = Math.min(skipSpace(text, colon + 1), end - 2);
  return { name: longForm(text.slice(start, nameEnd)), start, end, valueStart };
}

/**
 * RFC 3261 §7.3.1: a fold is one space. So is what may not stand in a value and made its message
 * a refusal, so that no value carries a line end into the answer.
 */
function unfolded(raw: string): string {
  const clean = /[\r\n\0]/.test(raw)
    ? raw.replace(/\r\n[ \t]+/g, ' ').replace(/[\r\n]|(?<!\\)\0/g, ' ')
    : raw;
  return trimSpace(clean);
}
