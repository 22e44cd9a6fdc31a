import { normalEscapes } from './escape.ts';
import { parseHostPort } from './host.ts';

/** A URI that may stand in a SIP message. Names of parameters are lower case. */
export interface Uri {
  /** Lower case: `sip`, `sips`, `tel`, `im`, `pres`, … */
  readonly scheme: string;
  /** As written, escapes kept. Of a `tel:` URI the number. */
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Lower case, an IPv6 address in its brackets; empty in a `tel:` or an opaque URI. */
  readonly host: string;
  readonly port: number | undefined;
  /** A parameter without a value maps to the empty string. */
  readonly params: ReadonlyMap<string, string>;
  /** The `?name=value` part, in order, as written. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Everything behind the scheme's colon, as written. */
  readonly opaque: string;
}

/** Schemes of the form `user@host` whose account is user and host (RFC 3261, 3859, 3860). */
const AT_HOST = new Set(['sip', 'sips', 'im', 'pres']);
const NO_PARAMS: ReadonlyMap<string, string> = new Map();

/**
 * Reads an absolute URI: `sip`, `sips`, `im`, `pres` and `tel` with their parts, any other opaque.
 * `undefined` when it is not one (RFC 3261 §19.1, RFC 3966 §3).
 */
export function parseUri(text: string): Uri | undefined {
  const colon = text.indexOf(':');
  if (colon < 1 || !isScheme(text, colon) || !isClean(text)) return undefined;
  const scheme = text.slice(0, colon).toLowerCase();
  const opaque = text.slice(colon + 1);
  if (opaque === '') return undefined;
  if (AT_HOST.has(scheme)) return parseAtHost(scheme, opaque);
  if (scheme === 'tel') return parseTel(opaque);
  const nothing = { user: undefined, password: undefined, host: '', port: undefined };
  return { scheme, ...nothing, params: NO_PARAMS, headers: [], opaque };
}

/** RFC 3986 §3.1: ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ). */
function isScheme(text: string, end: number): boolean {
  for (let at = 0; at < end; at += 1) {
    const code = text.charCodeAt(at) | 0x20;
    if (code >= 97 && code <= 122) continue;
    if (at === 0 || !'0123456789+-.'.includes(text.charAt(at))) return false;
  }
  return true;
}

/**
 * No white space, control, quote or angle bracket: those delimit a URI (RFC 3986 appendix C). White
 * space is whatever a parser may take for it: such a URI could not be sent again.
 */
function isClean(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code <= 32 || code === 127 || code === 34 || code === 60 || code === 62) return false;
    if (code > 127 && /\s/.test(text.charAt(at))) return false;
  }
  return true;
}

function parseAtHost(scheme: string, opaque: string): Uri | undefined {
  // `;` and `?` may stand in the user part (RFC 3261 §25.1), `@` only behind it.
  const at = opaque.indexOf('@');
  let user: string | undefined;
  let password: string | undefined;
  if (at >= 0) {
    const userinfo = opaque.slice(0, at);
    const colon = userinfo.indexOf(':');
    user = colon < 0 ? userinfo : userinfo.slice(0, colon);
    password = colon < 0 ? undefined : userinfo.slice(colon + 1);
    if (user === '') return undefined;
  }
  const rest = opaque.slice(at + 1);
  const hostEnd = hostPortEnd(rest);
  const hostPort = parseHostPort(rest.slice(0, hostEnd));
  if (hostPort === undefined) return undefined;
  const question = rest.indexOf('?', hostEnd);
  const params = uriParams(rest.slice(hostEnd, question < 0 ? rest.length : question));
  const headers = question < 0 ? [] : uriHeaders(rest.slice(question + 1));
  if (params === undefined || headers === undefined) return undefined;
  const { host, port } = hostPort;
  return { scheme, user, password, host, port, params, headers, opaque };
}

function hostPortEnd(text: string): number {
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === ';' || text[at] === '?') return at;
  }
  return text.length;
}

function uriParams(text: string): ReadonlyMap<string, string> | undefined {
  if (text === '') return NO_PARAMS;
  const params = new Map<string, string>();
  for (const part of text.slice(1).split(';')) {
    const equals = part.indexOf('=');
    const name = (equals < 0 ? part : part.slice(0, equals)).toLowerCase();
    if (name === '' || params.has(name)) return undefined;
    params.set(name, equals < 0 ? '' : part.slice(equals + 1));
  }
  return params;
}

function uriHeaders(text: string): (readonly [string, string])[] | undefined {
  const headers: (readonly [string, string])[] = [];
  for (const part of text.split('&')) {
    const equals = part.indexOf('=');
    if (equals < 1) return undefined;
    headers.push([part.slice(0, equals), part.slice(equals + 1)]);
  }
  return headers;
}

function parseTel(opaque: string): Uri | undefined {
  const semicolon = opaque.indexOf(';');
  const user = semicolon < 0 ? opaque : opaque.slice(0, semicolon);
  const params = uriParams(semicolon < 0 ? '' : opaque.slice(semicolon));
  if (params === undefined || !isTelNumber(user)) return undefined;
  const none = { password: undefined, host: '', port: undefined };
  return { scheme: 'tel', user, ...none, params, headers: [], opaque };
}

/** RFC 3966 §3: global or local digits with visual separators, at least one digit. */
function isTelNumber(text: string): boolean {
  let digits = 0;
  for (let at = text.startsWith('+') ? 1 : 0; at < text.length; at += 1) {
    const c = text.charAt(at);
    if ('0123456789ABCDEFabcdef*#'.includes(c)) digits += 1;
    else if (!'-.()'.includes(c)) return false;
  }
  return digits > 0;
}

/**
 * The account a URI names, ASCII, the key of a mailbox: scheme and host lower-cased; password,
 * port, parameters and headers dropped; escapes of unreserved characters undone; the user's case
 * kept; visual separators of `tel:` removed (RFC 3966 §5). `undefined` when the URI cannot be read
 * or names nobody. The scheme stays: `sips:` and `sip:` are two accounts (RFC 3261 §19.1.4).
 */
export function accountOf(uri: string): string | undefined {
  const parsed = parseUri(uri);
  return parsed === undefined ? undefined : accountOfUri(parsed);
}

function accountOfUri(uri: Uri): string | undefined {
  if (uri.scheme === 'tel') return `tel:${(uri.user ?? '').replace(/[-.()]/g, '').toLowerCase()}`;
  if (uri.host === '') return undefined;
  const user = uri.user === undefined ? '' : `${normalEscapes(uri.user)}@`;
  return `${uri.scheme}:${user}${uri.host}`;
}

/** Present in one URI only, these make two URIs different (RFC 3261 §19.1.4). */
const DECISIVE_PARAMS = ['user', 'ttl', 'method', 'maddr', 'transport'];

/** Equality of two URIs by RFC 3261 §19.1.4; of `tel:` by RFC 3966 §4; else scheme and text. */
export function equalUris(a: Uri, b: Uri): boolean {
  if (a.scheme !== b.scheme) return false;
  if (a.scheme === 'tel') return accountOfUri(a) === accountOfUri(b) && sameParams(a, b, true);
  if (a.host === '') return a.opaque === b.opaque;
  return (
    a.host === b.host &&
    a.port === b.port &&
    sameText(a.user, b.user) &&
    sameText(a.password, b.password) &&
    sameParams(a, b, false) &&
    sameHeaders(a, b)
  );
}

function sameText(a: string | undefined, b: string | undefined): boolean {
  return a === undefined || b === undefined ? a === b : normalEscapes(a) === normalEscapes(b);
}

function sameParams(a: Uri, b: Uri, every: boolean): boolean {
  if (every && a.params.size !== b.params.size) return false;
  for (const [name, value] of a.params) {
    const other = b.params.get(name);
    if (other === undefined) {
      if (every) return false;
    } else if (normalEscapes(value).toLowerCase() !== normalEscapes(other).toLowerCase()) {
      return false;
    }
  }
  return DECISIVE_PARAMS.every((name) => a.params.has(name) === b.params.has(name));
}

function sameHeaders(a: Uri, b: Uri): boolean {
  const spell = (uri: Uri) =>
    uri.headers
      .map(([name, value]) => `${name.toLowerCase()}=${normalEscapes(value)}`)
      .sort()
      .join('&');
  return spell(a) === spell(b);
}
