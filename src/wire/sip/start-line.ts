import type { Fault } from './head.ts';
import { isToken, parseDigits } from './token.ts';
import { parseUri } from './uri.ts';

export interface RequestLine {
  readonly kind: 'request';
  readonly method: string;
  readonly uri: string;
}

export interface StatusLine {
  readonly kind: 'response';
  readonly status: number;
  readonly reason: string;
}

export interface ReadStartLine {
  /** What could be read, whatever the fault. */
  readonly start: RequestLine | StatusLine;
  readonly fault: Fault | undefined;
}

const bad = (reason: string, section: string, status = 400): Fault => ({ status, reason, section });

/** Reads the first line (RFC 3261 §7.1, §7.2); `undefined` when it begins like no SIP message. */
export function readStartLine(line: string): ReadStartLine | undefined {
  if (line.slice(0, 4).toUpperCase() === 'SIP/') return readStatusLine(line);
  const methodEnd = line.indexOf(' ');
  const method = methodEnd < 0 ? line : line.slice(0, methodEnd);
  if (!isToken(method)) return undefined;
  const uriEnd = line.lastIndexOf(' ');
  const uri = line.slice(method.length + 1, Math.max(uriEnd, method.length + 1));
  const start: RequestLine = { kind: 'request', method, uri };
  return { start, fault: versionFault(line.slice(uriEnd + 1)) ?? uriFault(uri) };
}

function versionFault(version: string): Fault | undefined {
  // RFC 3261 §7.1: compared without case.
  if (version === 'SIP/2.0' || version.toUpperCase() === 'SIP/2.0') return undefined;
  if (/^SIP\/\d+\.\d+$/i.test(version)) {
    return bad(`the version is ${version}`, 'RFC 3261 §21.5.6', 505);
  }
  return bad('the request line does not end in " SIP/2.0"', 'RFC 3261 §7.1');
}

function uriFault(text: string): Fault | undefined {
  const uri = parseUri(text);
  if (uri === undefined) return bad('the Request-URI is not a URI', 'RFC 3261 §7.1');
  // RFC 4475 §3.1.2.11 leaves the choice; ignoring them could hide a Route from a proxy before us.
  if (uri.headers.length > 0) {
    return bad('the Request-URI carries headers', 'RFC 3261 §19.1.1');
  }
  return undefined;
}

function readStatusLine(line: string): ReadStartLine {
  const digits = line.slice(8, 11);
  const status = parseDigits(digits, 699) ?? 0;
  const start: StatusLine = { kind: 'response', status, reason: line.slice(12) };
  const shaped = digits.length === 3 && status >= 100 && (line.length === 11 || line[11] === ' ');
  const version = versionFault(line.slice(0, 7));
  if (version !== undefined) return { start, fault: version };
  if (line[7] !== ' ' || !shaped) {
    return { start, fault: bad('the status line is not "SIP/2.0 100…699"', 'RFC 3261 §7.2') };
  }
  return { start, fault: undefined };
}
