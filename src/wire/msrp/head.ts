/** The text part of a frame: start line and headers (RFC 4975 §9). */
import { parseMsrpUri } from './uri.ts';

export interface ByteRange {
  /** Counts from 1. */
  readonly start: number;
  /** `*`: the chunk may be interrupted anywhere. */
  readonly end: number | '*';
  readonly total: number | '*';
}

export interface ReportStatus {
  /** `000`: the codes of RFC 4975 §10. */
  readonly namespace: string;
  readonly code: number;
  readonly comment?: string;
}

export interface RequestHead {
  readonly kind: 'request';
  /** Case-sensitive; `SEND`, `REPORT` or an extension. */
  readonly method: string;
  readonly tid: string;
  readonly toPath: readonly string[];
  readonly fromPath: readonly string[];
  readonly messageId?: string;
  readonly byteRange?: ByteRange;
  readonly successReport?: 'yes' | 'no';
  readonly failureReport?: 'yes' | 'no' | 'partial';
  readonly status?: ReportStatus;
  readonly contentType?: string;
  /** The others, in order, as written. */
  readonly otherHeaders: readonly (readonly [name: string, value: string])[];
}

export interface ResponseHead {
  readonly kind: 'response';
  readonly tid: string;
  readonly status: number;
  readonly comment?: string;
  readonly toPath: readonly string[];
  readonly fromPath: readonly string[];
}

export interface HeadFault {
  readonly kind: 'fault';
  readonly reason: string;
  readonly section: string;
  /** Absent when not even the start line could be read: then the framing is lost. */
  readonly tid?: string;
  /** What is needed to answer 400, when it could be read and the frame is a request. */
  readonly answerable?: Pick<RequestHead, 'method' | 'tid' | 'toPath' | 'fromPath'>;
}

/** RFC 4975 §9 `ident`: 4 to 32 characters. */
export const IDENT = /^[A-Za-z0-9][A-Za-z0-9.\-+%=]{3,31}$/;
const START_LINE = /^MSRP ([A-Za-z0-9][A-Za-z0-9.\-+%=]{3,31}) (?:([A-Z]+)|(\d{3})(?: (.*))?)$/;
const BYTE_RANGE = /^(\d{1,15})-(\d{1,15}|\*)\/(\d{1,15}|\*)$/;
const STATUS = /^(\d{3}) (\d{3})(?: (.*))?$/;
const HEADER_NAME = /^[A-Za-z][!#$%&'*+\-.^_`|~0-9A-Za-z]*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is for
const CONTROLS = /[\0-\x08\x0a-\x1f\x7f\ufffd]/;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type Reader = (head: Mutable<RequestHead>, value: string) => boolean;

const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['message-id', (head, value) => IDENT.test(value) && assign(head, 'messageId', value)],
  ['byte-range', (head, value) => assign(head, 'byteRange', parseByteRange(value))],
  [
    'success-report',
    (head, value) => (value === 'yes' || value === 'no') && assign(head, 'successReport', value),
  ],
  [
    'failure-report',
    (head, value) =>
      (value === 'yes' || value === 'no' || value === 'partial') &&
      assign(head, 'failureReport', value),
  ],
  ['status', (head, value) => assign(head, 'status', parseStatus(value))],
  ['content-type', (head, value) => value.includes('/') && assign(head, 'contentType', value)],
]);

/** Refuses a second header of the same name and a value that could not be read. */
function assign<Key extends keyof RequestHead>(
  head: Mutable<RequestHead>,
  key: Key,
  value: RequestHead[Key] | undefined,
): boolean {
  if (value === undefined || head[key] !== undefined) return false;
  head[key] = value;
  return true;
}

/** Reads heads of one connection; consecutive frames share their paths, which are read once. */
export function headReader(): (lines: readonly string[]) => RequestHead | ResponseHead | HeadFault {
  const readTo = pathReader();
  const readFrom = pathReader();
  return (lines) => {
    const [, tid, method, status, comment] = START_LINE.exec(lines[0] ?? '') ?? [];
    if (tid === undefined) return fault('a malformed start line', '§9');
    const toPath = readTo('to-path', lines[1]);
    const fromPath = readFrom('from-path', lines[2]);
    if (toPath === undefined || fromPath === undefined) {
      return fault('To-Path and From-Path with MSRP URIs must come first', '§7.1', { tid });
    }
    if (lines.some((line) => CONTROLS.test(line))) {
      return fault('control characters or broken UTF-8 in the headers', '§9', { tid });
    }
    if (method === undefined) {
      const said = comment === undefined ? {} : { comment };
      return { kind: 'response', tid, status: Number(status), ...said, toPath, fromPath };
    }
    return readHeaders({ kind: 'request', method, tid, toPath, fromPath, otherHeaders: [] }, lines);
  };
}

function readHeaders(
  head: Mutable<RequestHead>,
  lines: readonly string[],
): RequestHead | HeadFault {
  const otherHeaders: [string, string][] = [];
  let wrong: HeadFault | undefined;
  for (let i = 3; i < lines.length; i++) {
    const line = lines[i] ?? '';
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0));
    const value = line.slice(colon + 1).trim();
    const read = READERS.get(name.toLowerCase());
    // Whether a refusal is wanted may stand behind what is refused (RFC 4975 §7.1.4).
    if (wrong !== undefined && read !== READERS.get('failure-report')) continue;
    if (!HEADER_NAME.test(name)) wrong = fault(`header line ${i} has no name`, '§9', head);
    else if (read === undefined) otherHeaders.push([name, value]);
    else if (!read(head, value)) wrong ??= fault(`${name} is malformed or repeated`, '§9', head);
    else if (head.contentType !== undefined && i < lines.length - 1) {
      wrong ??= fault('Content-Type must be the last header', '§7.1', head);
    }
  }
  head.otherHeaders = otherHeaders;
  return wrong ?? head;
}

function pathReader(): (name: string, line: string | undefined) => readonly string[] | undefined {
  let known: { readonly line: string; readonly path: readonly string[] } | undefined;
  return (name, line) => {
    if (line === undefined) return undefined;
    if (known?.line === line) return known.path;
    const colon = line.indexOf(':');
    if (line.slice(0, Math.max(colon, 0)).toLowerCase() !== name) return undefined;
    const path = line
      .slice(colon + 1)
      .trim()
      .split(' ');
    if (path.some((uri) => parseMsrpUri(uri) === undefined)) return undefined;
    known = { line, path };
    return path;
  };
}

function parseByteRange(value: string): ByteRange | undefined {
  const [, start, end, total] = BYTE_RANGE.exec(value) ?? [];
  if (start === undefined || end === undefined || total === undefined) return undefined;
  const range = { start: Number(start), end: octetCount(end), total: octetCount(total) };
  return range.start < 1 ? undefined : range;
}

function octetCount(text: string): number | '*' {
  return text === '*' ? '*' : Number(text);
}

function parseStatus(value: string): ReportStatus | undefined {
  const [, namespace, code, comment] = STATUS.exec(value) ?? [];
  if (namespace === undefined) return undefined;
  return { namespace, code: Number(code), ...(comment === undefined ? {} : { comment }) };
}

function fault(
  reason: string,
  section: string,
  head?: RequestHead | { readonly tid: string },
): HeadFault {
  const cause = { kind: 'fault', reason, section: `RFC 4975 ${section}` } as const;
  if (head === undefined) return cause;
  return 'method' in head
    ? { ...cause, tid: head.tid, answerable: head }
    : { ...cause, tid: head.tid };
}
