/** MSRP URIs: RFC 4975 §6. */

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
 * Whether `uri` names the session of `own`: its session-id decides, which is the secret, and scheme
 * and transport must agree. RFC 4975 §6.1 would have host and port agree as well, but a middlebox
 * may have rewritten them in the description that the peer was given (RFC 6714 §5). How long it
 * takes tells nothing of where two ids of one length differ (RFC 4975 §14.1).
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
    own.transport.toLowerCase() === uri.transport.toLowerCase()
  );
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
