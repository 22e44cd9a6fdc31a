import { CSEQ_MAX, DELTA_SECONDS_MAX } from './limits.ts';
import { type Params, readParams } from './params.ts';
import { isToken, parseDigits, quotedEnd, skipSpace, tokenEnd, trimSpace } from './token.ts';

/**
 * The values of a comma list, trimmed; commas in quotes and angle brackets do not split. Empty
 * values stay, so that the caller sees them; an unbalanced quote or bracket ends the list with the
 * rest as it is. Only for headers whose grammar is a list (RFC 3261 §7.3.1).
 */
export function splitList(value: string): readonly string[] {
  if (!value.includes(',')) return [value];
  const parts: string[] = [];
  let start = 0;
  let at = 0;
  while (at < value.length) {
    const c = value[at];
    if (c === '"') at = quotedEnd(value, at);
    else if (c === '<') at = value.indexOf('>', at) + 1 || -1;
    else {
      if (c === ',') {
        parts.push(trimSpace(value.slice(start, at)));
        start = at + 1;
      }
      at += 1;
    }
    if (at < 0) break;
  }
  parts.push(trimSpace(value.slice(start)));
  return parts;
}

export interface CSeq {
  readonly number: number;
  readonly method: string;
}

/** RFC 3261 §20.16; `undefined` also for a number of 2**31 and more (§8.1.1.5). */
export function parseCSeq(value: string): CSeq | undefined {
  const end = tokenEnd(value, 0);
  const start = skipSpace(value, end);
  const number = parseDigits(value.slice(0, end), CSEQ_MAX);
  const method = value.slice(start);
  if (number === undefined || start === end || !isToken(method)) return undefined;
  return { number, method };
}

/**
 * The tokens of all lines of a list header: Allow, Supported, Require, Allow-Events, … An empty
 * list is legal (RFC 3261 §20.5, §20.37), `undefined` means that one value is no token.
 */
export function parseTokens(lines: readonly string[]): readonly string[] | undefined {
  const tokens = lines.flatMap(splitList).filter((word) => word !== '');
  return tokens.every(isToken) ? tokens : undefined;
}

export interface MediaType {
  /** `type/subtype`, lower case. */
  readonly name: string;
  /** Values without quotes, otherwise as written. */
  readonly params: Params;
}

/** Content-Type and one range of Accept (RFC 3261 §20.15, §20.1; `*` is a token character). */
export function parseMediaType(value: string): MediaType | undefined {
  const read = readValue(value);
  if (read === undefined) return undefined;
  const slash = read.word.indexOf('/');
  const [type, subtype] = [read.word.slice(0, slash), read.word.slice(slash + 1)].map(trimSpace);
  if (slash < 0 || !type || !subtype || !isToken(type) || !isToken(subtype)) return undefined;
  return { name: `${type}/${subtype}`.toLowerCase(), params: read.params };
}

export interface SessionExpires {
  readonly intervalMs: number;
  readonly refresher: 'uac' | 'uas' | undefined;
}

/** Session-Expires (RFC 4028 §4). */
export function parseSessionExpires(value: string): SessionExpires | undefined {
  const read = readValue(value);
  const intervalMs = read && parseExpires(read.word);
  if (read === undefined || intervalMs === undefined) return undefined;
  const refresher = read.params.get('refresher')?.toLowerCase();
  if (refresher !== undefined && refresher !== 'uac' && refresher !== 'uas') return undefined;
  return { intervalMs, refresher };
}

/** Min-SE (RFC 4028 §5), in milliseconds. */
export function parseMinSe(value: string): number | undefined {
  const read = readValue(value);
  return read && parseExpires(read.word);
}

/** Retry-After in milliseconds; its comment and its parameters are left out (RFC 3261 §20.33). */
export function parseRetryAfter(value: string): number | undefined {
  return parseExpires(value.slice(0, tokenEnd(value, 0)));
}

/**
 * Delta-seconds of Expires and Min-Expires, and of the parameter `expires`, in milliseconds; at
 * most 2**32-1 s, above that `undefined` (RFC 3261 §20.19).
 */
export function parseExpires(value: string): number | undefined {
  const seconds = parseDigits(value, DELTA_SECONDS_MAX);
  return seconds === undefined ? undefined : seconds * 1000;
}

export type Priority = 'emergency' | 'urgent' | 'normal' | 'non-urgent';

/** RFC 3261 §20.26: what is absent or unknown counts as normal. */
export function parsePriority(value: string | undefined): Priority {
  const said = value?.toLowerCase();
  return said === 'emergency' || said === 'urgent' || said === 'non-urgent' ? said : 'normal';
}

/** The part before the first semicolon, trimmed, and the parameters behind it. */
function readValue(value: string): { word: string; params: Params } | undefined {
  const semicolon = value.indexOf(';');
  const end = semicolon < 0 ? value.length : semicolon;
  const read = readParams(value, end);
  if (read === undefined || read.end < value.length) return undefined;
  return { word: trimSpace(value.slice(0, end)), params: read.params };
}
