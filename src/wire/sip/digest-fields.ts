/** The header fields of Digest (RFC 7616 §3.3, §3.4, in SIP by RFC 3261 §22.4): read and written. */
import { quotedEnd, skipSpace, tokenEnd, unquoted } from './token.ts';

/** The strongest first (RFC 8760 §2.3). */
export const DIGEST_ALGORITHMS = ['SHA-512-256', 'SHA-256', 'MD5'] as const;
export type DigestAlgorithm = (typeof DIGEST_ALGORITHMS)[number];
export type DigestQop = 'auth' | 'auth-int';

/** WWW-Authenticate and Proxy-Authenticate. */
export interface DigestChallenge {
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: DigestAlgorithm;
  /** What is known of the list; empty: it has none, as in RFC 2069. */
  readonly qop: readonly DigestQop[];
  readonly opaque?: string;
  /** The answer was right, but for a nonce that is too old: no need to ask a person again. */
  readonly stale?: boolean;
}

/** Authorization and Proxy-Authorization. */
export interface DigestCredentials {
  readonly username: string;
  readonly realm: string;
  readonly nonce: string;
  /** As the client hashed it: nearly always the Request-URI. */
  readonly uri: string;
  /** Lower case. */
  readonly response: string;
  readonly algorithm: DigestAlgorithm;
  readonly opaque?: string;
  /** Absent: an answer of the form of RFC 2069. */
  readonly protection?: {
    readonly qop: DigestQop;
    readonly cnonce: string;
    /** Eight hexadecimal digits, as written. */
    readonly nc: string;
  };
}

/**
 * The challenges of a 401 or 407 that can be answered, in their order, of which a client takes the
 * first (RFC 8760 §2.4). Other schemes, algorithms and protections, and what cannot be read, are
 * passed over. One line is one challenge (RFC 3261 §7.3.1).
 */
export function parseChallenges(lines: readonly string[]): readonly DigestChallenge[] {
  return lines.flatMap((line) => parseChallenge(line) ?? []);
}

function parseChallenge(line: string): DigestChallenge | undefined {
  const fields = readFields(line);
  const realm = fields?.get('realm');
  const nonce = fields?.get('nonce');
  const algorithm = algorithmOf(fields?.get('algorithm'));
  if (!fields || realm === undefined || nonce === undefined || !algorithm) return undefined;
  const listed = fields.get('qop');
  const qop = (listed ?? '').split(',').flatMap((word) => qopOf(word.trim()) ?? []);
  if (listed !== undefined && qop.length === 0) return undefined;
  const opaque = fields.get('opaque');
  const stale = fields.get('stale')?.toLowerCase() === 'true';
  return {
    realm,
    nonce,
    algorithm,
    qop,
    ...(opaque === undefined ? {} : { opaque }),
    ...(stale ? { stale } : {}),
  };
}

/** The value of one Authorization line; `undefined` when it is no complete answer to a challenge. */
export function parseCredentials(line: string): DigestCredentials | undefined {
  const fields = readFields(line);
  if (!fields) return undefined;
  const [username, realm, nonce, uri] = ['username', 'realm', 'nonce', 'uri'].map((name) =>
    fields.get(name),
  );
  const algorithm = algorithmOf(fields.get('algorithm'));
  const response = fields.get('response')?.toLowerCase();
  if (username === undefined || realm === undefined || nonce === undefined || !uri) {
    return undefined;
  }
  if (!algorithm || response === undefined || !/^[0-9a-f]{32,128}$/.test(response)) {
    return undefined;
  }
  const protection = protectionOf(fields);
  if (protection === 'broken') return undefined;
  const opaque = fields.get('opaque');
  return {
    username,
    realm,
    nonce,
    uri,
    response,
    algorithm,
    ...(opaque === undefined ? {} : { opaque }),
    ...(protection === 'none' ? {} : { protection }),
  };
}

/** RFC 7616 §3.4: with a qop there must be cnonce and nc. */
function protectionOf(
  fields: ReadonlyMap<string, string>,
): NonNullable<DigestCredentials['protection']> | 'none' | 'broken' {
  const said = fields.get('qop');
  if (said === undefined) return 'none';
  const qop = qopOf(said);
  const cnonce = fields.get('cnonce');
  const nc = fields.get('nc') ?? '';
  if (!qop || cnonce === undefined || !/^[0-9a-f]{8}$/i.test(nc)) return 'broken';
  return { qop, cnonce, nc };
}

export function renderChallenge(challenge: DigestChallenge): string {
  const { realm, nonce, algorithm, qop, opaque, stale } = challenge;
  return fieldsText([
    ['realm', quoted(realm)],
    ['nonce', quoted(nonce)],
    ['algorithm', algorithm],
    ['qop', qop.length === 0 ? undefined : quoted(qop.join(','))],
    ['opaque', opaque === undefined ? undefined : quoted(opaque)],
    ['stale', stale === true ? 'true' : undefined],
  ]);
}

export function renderCredentials(credentials: DigestCredentials): string {
  const { username, realm, nonce, uri, response, algorithm, opaque, protection } = credentials;
  return fieldsText([
    ['username', quoted(username)],
    ['realm', quoted(realm)],
    ['nonce', quoted(nonce)],
    ['uri', quoted(uri)],
    ['response', quoted(response)],
    ['algorithm', algorithm],
    ['opaque', opaque === undefined ? undefined : quoted(opaque)],
    // RFC 7616 §3.4: qop and nc are not quoted in an answer.
    ['qop', protection?.qop],
    ['nc', protection?.nc],
    ['cnonce', protection && quoted(protection.cnonce)],
  ]);
}

function fieldsText(fields: readonly (readonly [name: string, value: string | undefined])[]) {
  const written = fields.flatMap(([name, value]) =>
    value === undefined ? [] : `${name}=${value}`,
  );
  return `Digest ${written.join(', ')}`;
}

/** Throws when the text would break out of its line: who passes foreign text has read it first. */
function quoted(text: string): string {
  if (!isPlain(text)) throw new Error(`${JSON.stringify(text)} does not fit in a quoted string`);
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** Without control characters. */
function isPlain(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 32 || code === 127) return false;
  }
  return true;
}

/** RFC 7616 §3.3: without one it is MD5. */
function algorithmOf(said: string | undefined): DigestAlgorithm | undefined {
  const name = (said ?? 'MD5').toUpperCase();
  return DIGEST_ALGORITHMS.find((known) => known === name);
}

function qopOf(said: string): DigestQop | undefined {
  const name = said.toLowerCase();
  return name === 'auth' || name === 'auth-int' ? name : undefined;
}

/**
 * `Digest` and the `name=value` behind it, separated by commas; names in lower case, quoted values
 * without quotes and escapes. Quotes are taken where none belong and missed where they do, for
 * clients differ; a name that comes twice is read as nobody can tell how.
 */
function readFields(line: string): ReadonlyMap<string, string> | undefined {
  const schemeEnd = tokenEnd(line, 0);
  if (line.slice(0, schemeEnd).toLowerCase() !== 'digest') return undefined;
  const fields = new Map<string, string>();
  let at = skipSpace(line, schemeEnd);
  if (at === schemeEnd) return undefined;
  while (at < line.length) {
    const nameEnd = tokenEnd(line, at);
    const equals = skipSpace(line, nameEnd);
    if (nameEnd === at || line[equals] !== '=') return undefined;
    const name = line.slice(at, nameEnd).toLowerCase();
    const start = skipSpace(line, equals + 1);
    const end = line[start] === '"' ? quotedEnd(line, start) : bareEnd(line, start);
    if (end <= start || fields.has(name)) return undefined;
    const text = line.slice(start, end);
    const value = text.startsWith('"') ? unquoted(text) : text;
    if (!isPlain(value)) return undefined;
    fields.set(name, value);
    at = skipSpace(line, end);
    if (at < line.length && line[at] !== ',') return undefined;
    at = skipSpace(line, at + 1);
  }
  return fields;
}

/** A value without quotes ends at a comma or white space; base64 has more than tokens may have. */
function bareEnd(line: string, from: number): number {
  let at = from;
  while (at < line.length && !',"'.includes(line.charAt(at)) && skipSpace(line, at) === at) at += 1;
  return at;
}
