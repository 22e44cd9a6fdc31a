/** MSRP URIs: RFC 4975 §6. */
import { normalIpv6 } from '../ip-address.ts';
import { normalEscapes } from '../sip/escape.ts';

export interface MsrpUri {
  readonly scheme: 'msrp' | 'msrps';
  readonly userinfo?: string;
  /** As written; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port?: number;
  /** Absent in the URI of a relay. */
  readonly sessionId?: string;
  readonly transport: string;
  /** What follows the transport, each without its `;`. */
  readonly parameters: readonly string[];
}

const URI_CHARACTERS_MAX = 1024;
const HOST = String.raw`\[([0-9a-f:.]+)\]|([a-z0-9._~%-]+)`;
const MSRP_URI = new RegExp(
  `^(msrps?)://(?:([^@/;\\s]*)@)?(?:${HOST})(?::(\\d{1,5}))?(?:/([a-z0-9._~+=/-]+))?` +
    ';([a-z0-9]+)((?:;[!-:<-~]+)*)$',
  'i',
);

/** Reads one URI; `undefined` when it is not an MSRP URI by RFC 4975 §9. */
export function parseMsrpUri(text: string): MsrpUri | undefined {
  if (text.length > URI_CHARACTERS_MAX) return undefined;
  const match = MSRP_URI.exec(text);
  if (match === null) return undefined;
  const [, scheme, userinfo, address, name, digits, sessionId, transport, rest] = match;
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && (port === 0 || port > 65_535)) return undefined;
  return {
    scheme: scheme?.toLowerCase() === 'msrps' ? 'msrps' : 'msrp',
    ...(userinfo === undefined ? {} : { userinfo }),
    host: address ?? name ?? '',
    ...(port === undefined ? {} : { port }),
    ...(sessionId === undefined ? {} : { sessionId }),
    transport: transport ?? '',
    parameters: rest ? rest.slice(1).split(';') : [],
  };
}

/**
 * Whether `uri` names the session of `own` (RFC 4975 §6.1): scheme, host and transport without regard
 * to case, the port as written, the session-id exactly; userinfo and parameters do not count. How long
 * it takes tells nothing of where two ids of one length differ (§14.1).
 */
export function namesSession(own: MsrpUri, uri: MsrpUri): boolean {
  const [mine = '', theirs = ''] = [own.sessionId, uri.sessionId];
  let differences = mine.length ^ theirs.length;
  for (let at = 0; at < theirs.length; at++) {
    differences |= theirs.charCodeAt(at) ^ mine.charCodeAt(at % Math.max(1, mine.length));
  }
  return (
    differences === 0 &&
    mine !== '' &&
    own.scheme === uri.scheme &&
    own.port === uri.port &&
    normalHost(own.host) === normalHost(uri.host) &&
    own.transport.toLowerCase() === uri.transport.toLowerCase()
  );
}

/** One spelling for all that are equal (RFC 3986 §6.2.2). */
function normalHost(host: string): string {
  return normalIpv6(normalEscapes(host)).toLowerCase();
}

/** Writes the URI; throws when the result would not read back, which is a programmer error. */
export function renderMsrpUri(
  uri: Pick<MsrpUri, 'host' | 'port' | 'sessionId'> & Partial<MsrpUri>,
): string {
  const userinfo = uri.userinfo === undefined ? '' : `${uri.userinfo}@`;
  const host = uri.host.includes(':') ? `[${uri.host}]` : uri.host;
  const port = uri.port === undefined ? '' : `:${uri.port}`;
  const session = uri.sessionId === undefined ? '' : `/${uri.sessionId}`;
  const tail = [uri.transport ?? 'tcp', ...(uri.parameters ?? [])].map((part) => `;${part}`);
  const text = `${uri.scheme ?? 'msrp'}://${userinfo}${host}${port}${session}${tail.join('')}`;
  if (parseMsrpUri(text) === undefined) throw new TypeError('not an MSRP URI (RFC 4975 §9)');
  return text;
}
