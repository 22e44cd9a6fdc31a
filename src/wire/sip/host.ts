import { parseDigits } from './token.ts';

// `_` is not in the grammar but in many networks' names.
const HOST = new Uint8Array(128);
for (const c of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._') {
  HOST[c.charCodeAt(0)] = 1;
}

/** `host [ ":" port ]`; the host comes back in lower case. */
export function parseHostPort(
  text: string,
): { readonly host: string; readonly port: number | undefined } | undefined {
  const bracket = text.startsWith('[') ? text.indexOf(']') : -1;
  const colon = text.indexOf(':', bracket + 1);
  const host = colon < 0 ? text : text.slice(0, colon);
  if (!isHost(host)) return undefined;
  if (colon < 0) return { host: host.toLowerCase(), port: undefined };
  const port = parseDigits(text.slice(colon + 1), 65_535);
  return port === undefined ? undefined : { host: host.toLowerCase(), port };
}

/** A name, an IPv4 address or a bracketed IPv6 address, by its characters. */
function isHost(text: string): boolean {
  if (text.startsWith('[')) return isIpv6Reference(text);
  for (let at = 0; at < text.length; at += 1) {
    if (HOST[text.charCodeAt(at)] !== 1) return false;
  }
  return text !== '';
}

/**
 * By characters and colons only. `:::` passes: the grammar of RFC 3261 makes it before an IPv4
 * part, and RFC 5118 §4.10 asks receivers to live with it.
 */
function isIpv6Reference(text: string): boolean {
  if (!text.endsWith(']')) return false;
  let colons = 0;
  for (let at = 1; at < text.length - 1; at += 1) {
    const c = text.charAt(at);
    if (c === ':') colons += 1;
    else if (!'0123456789abcdefABCDEF.'.includes(c)) return false;
  }
  return colons >= 2 && colons <= 8;
}
