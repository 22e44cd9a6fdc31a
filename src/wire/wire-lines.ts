/** What a header line of SIP, MSRP or SDP text is to the journal. */
export type LineRole =
  | 'callId'
  | 'cseq'
  | 'contentType'
  | 'messageId'
  | 'byteRange'
  | 'path'
  | 'credentials';

const NAMES: Readonly<Record<LineRole, readonly string[]>> = {
  callId: ['call-id', 'i'],
  cseq: ['cseq'],
  contentType: ['content-type', 'c'],
  messageId: ['message-id'],
  byteRange: ['byte-range'],
  path: ['to-path', 'from-path', 'use-path', 'a=path'],
  credentials: [
    'authorization',
    'proxy-authorization',
    'www-authenticate',
    'proxy-authenticate',
    'authentication-info',
    'proxy-authentication-info',
  ],
};

interface NamedRole {
  readonly name: Uint8Array;
  readonly role: LineRole;
}

/** By the length of the name, so that most lines are told apart without a comparison. */
const ROLES: NamedRole[][] = [];
for (const role of Object.keys(NAMES) as LineRole[]) {
  for (const name of NAMES[role]) {
    ROLES[name.length] ??= [];
    ROLES[name.length]?.push({ name: new TextEncoder().encode(name), role });
  }
}

/** No line needs to be searched further for its colon than the longest name and white space go. */
const COLON_OCTETS_MAX = ROLES.length + 2;

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const COLON = 58;

export interface LineRange {
  readonly start: number;
  readonly end: number;
  /** Stop after the first empty line, as a head does. */
  readonly untilEmptyLine: boolean;
}

/**
 * Visits each line whose name is short enough to have a role, folded lines as one: where it starts,
 * where its colon is, and where its text ends. A bare LF ends a line too, so that no secret hides
 * behind one. Returns where the octets after the last line begin. Linear.
 */
export function wireLines(
  octets: Uint8Array,
  range: LineRange,
  visit: (start: number, colon: number, end: number) => void,
): number {
  let start = range.start;
  while (start < range.end) {
    let next = afterLine(octets, start, range.end);
    if (range.untilEmptyLine && isEmptyLine(octets, start, next)) return next;
    while (next < range.end && (octets[next] === SPACE || octets[next] === TAB)) {
      next = afterLine(octets, next, range.end);
    }
    const searchEnd = Math.min(next, start + COLON_OCTETS_MAX);
    let colon = start;
    while (colon < searchEnd && octets[colon] !== COLON) colon += 1;
    if (colon < searchEnd) visit(start, colon, textEnd(octets, start, next));
    start = next;
  }
  return range.end;
}

/** The role of the line that starts at `start` and has its colon at `colon`. */
export function roleOf(octets: Uint8Array, start: number, colon: number): LineRole | undefined {
  let end = colon;
  // RFC 3261 §25.1: HCOLON allows white space before the colon.
  while (octets[end - 1] === SPACE || octets[end - 1] === TAB) end -= 1;
  for (const { name, role } of ROLES[end - start] ?? []) {
    let same = 0;
    while (same < name.length && lowerCase(octets[start + same]) === name[same]) same += 1;
    if (same === name.length) return role;
  }
  return undefined;
}

function lowerCase(octet = 0): number {
  return octet >= 65 && octet <= 90 ? octet + 32 : octet;
}

function afterLine(octets: Uint8Array, from: number, end: number): number {
  const lf = octets.indexOf(LF, from);
  return lf === -1 || lf >= end ? end : lf + 1;
}

function isEmptyLine(octets: Uint8Array, start: number, next: number): boolean {
  const at = octets[start] === CR ? start + 1 : start;
  return octets[at] === LF && at + 1 === next;
}

function textEnd(octets: Uint8Array, start: number, next: number): number {
  let end = next;
  if (end > start && octets[end - 1] === LF) end -= 1;
  if (end > start && octets[end - 1] === CR) end -= 1;
  return end;
}
