/** A stretch of octets that is not kept; with `mark`, three dots take its place. */
export interface Cut {
  readonly start: number;
  readonly end: number;
  readonly mark: boolean;
}

/** What of a secret stays readable, so that a person can tell two of them apart. */
const KEPT_OCTETS = 4;

/**
 * Parameters of a Digest challenge or answer that are no secret (RFC 7616 §§3.3 to 3.5). All others
 * are cut, so a parameter that nobody here knows (`ik`, `ck` of IMS AKA) is not kept by accident.
 */
const OPEN_PARAMETERS: ReadonlySet<string> = new Set([
  'username',
  'realm',
  'uri',
  'algorithm',
  'qop',
  'nc',
  'stale',
  'domain',
  'charset',
  'userhash',
]);

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const QUOTE = 34;
const COMMA = 44;
const SLASH = 47;
const SEMICOLON = 59;
const EQUALS = 61;
const BACKSLASH = 92;

const DOTS = Uint8Array.of(46, 46, 46);

/** Cuts the session id of each MSRP URI in a path value (RFC 4975 §14.1: it must stay unknown). */
export function cutSessionIds(octets: Uint8Array, from: number, to: number, cuts: Cut[]): void {
  for (let at = from; at < to; at += 1) {
    if (octets[at] !== SLASH || octets[at + 1] !== SLASH) continue;
    at += 2;
    while (at < to && octets[at] !== SLASH && !endsUriPart(octets[at])) at += 1;
    if (octets[at] !== SLASH || at >= to) continue;
    const start = at + 1;
    while (at < to && !endsUriPart(octets[at])) at += 1;
    cutSecret(start, at, cuts);
  }
}

function endsUriPart(octet: number | undefined): boolean {
  return octet === SEMICOLON || octet === COMMA || isSpace(octet);
}

/** Cuts what proves or challenges an identity in the value of an authentication header. */
export function cutCredentials(octets: Uint8Array, from: number, to: number, cuts: Cut[]): void {
  let at = from;
  while (at < to && isSpace(octets[at])) at += 1;
  const scheme = tokenAt(octets, at, to);
  const isInfo = octets[scheme.end] === EQUALS;
  if (!isInfo && scheme.text !== 'digest') {
    let secret = scheme.end;
    while (secret < to && isSpace(octets[secret])) secret += 1;
    // A word by itself is no scheme but the credential.
    cutSecret(secret < to ? secret : at, to, cuts);
    return;
  }
  at = isInfo ? at : scheme.end;
  while (at < to) {
    while (at < to && (isSpace(octets[at]) || octets[at] === COMMA)) at += 1;
    at = cutParameter(octets, at, to, cuts);
  }
}

/** Reads one parameter and returns where it ends; what is not well formed is cut, never kept. */
function cutParameter(octets: Uint8Array, from: number, to: number, cuts: Cut[]): number {
  const name = tokenAt(octets, from, to);
  let at = name.end;
  while (at < to && isSpace(octets[at])) at += 1;
  if (octets[at] !== EQUALS || at >= to) {
    cutSecret(from, name.end, cuts);
    return at;
  }
  at += 1;
  while (at < to && isSpace(octets[at])) at += 1;
  const isOpen = OPEN_PARAMETERS.has(name.text);
  if (octets[at] === QUOTE) {
    const end = closingQuote(octets, at + 1, to);
    if (!isOpen || end === to) cutSecret(at + 1, end, cuts);
    return end + 1;
  }
  const end = tokenAt(octets, at, to).end;
  if (!isOpen) cutSecret(at, end, cuts);
  return end;
}

function cutSecret(start: number, end: number, cuts: Cut[]): void {
  // At least half of a short one goes.
  const kept = Math.min(KEPT_OCTETS, (end - start) >> 1);
  if (end > start) cuts.push({ start: start + kept, end, mark: true });
}

/** The lower-cased octets up to white space, a comma, an equals sign or a later quote. */
function tokenAt(octets: Uint8Array, from: number, to: number): { text: string; end: number } {
  let end = from;
  let text = '';
  while (end < to && !endsToken(octets[end], end === from)) {
    text += String.fromCharCode(octets[end] ?? 0);
    end += 1;
  }
  return { text: text.toLowerCase(), end };
}

function endsToken(octet: number | undefined, isFirst: boolean): boolean {
  return isSpace(octet) || octet === COMMA || octet === EQUALS || (octet === QUOTE && !isFirst);
}

function closingQuote(octets: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && octets[at] !== QUOTE) at += octets[at] === BACKSLASH ? 2 : 1;
  return Math.min(at, to);
}

function isSpace(octet: number | undefined): boolean {
  return octet === SPACE || octet === TAB || octet === CR || octet === LF;
}

/** The octets with the cuts, which ascend and do not overlap, taken out; a copy only if need be. */
export function withoutCuts(octets: Uint8Array, cuts: readonly Cut[]): Uint8Array {
  if (cuts.length === 0) return octets;
  let length = octets.length;
  for (const cut of cuts) length -= cut.end - cut.start - (cut.mark ? DOTS.length : 0);
  const kept = new Uint8Array(length);
  let from = 0;
  let to = 0;
  for (const cut of cuts) {
    kept.set(octets.subarray(from, cut.start), to);
    to += cut.start - from;
    if (cut.mark) {
      kept.set(DOTS, to);
      to += DOTS.length;
    }
    from = cut.end;
  }
  kept.set(octets.subarray(from), to);
  return kept;
}
