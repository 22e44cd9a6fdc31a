/** Whose a certificate is, in the eyes of SIP (RFC 5922 §7); for chains that were verified. */
import { isIpAddress } from '../../../wire/ip-address.ts';
import { parseUri } from '../../../wire/sip/uri.ts';

/** What of a certificate says whose it is, as `tls` hands it over. */
export interface CertificateNames {
  /** `DNS:a.example, URI:sip:a.example`; absent when the certificate has no such extension. */
  readonly subjectaltname?: string | undefined;
  readonly subject?: { readonly CN?: string | readonly string[] } | undefined;
}

interface AltName {
  readonly kind: string;
  readonly value: string;
}

/**
 * The SIP domain identities of a certificate (RFC 5922 §7.1), in lower case: hosts of its `sip:`
 * URIs without a user; if there are none, its DNS names; its common name only when it has no
 * subjectAltName at all.
 */
export function sipIdentities(certificate: CertificateNames): readonly string[] {
  const { subjectaltname, subject } = certificate;
  if (subjectaltname === undefined) return [subject?.CN ?? []].flat().flatMap(dnsName);
  const names = altNames(subjectaltname);
  const uris = names.flatMap(({ kind, value }) => (kind === 'URI' ? sipDomain(value) : []));
  if (uris.length > 0) return uris;
  return names.flatMap(({ kind, value }) => (kind === 'DNS' ? dnsName(value) : []));
}

/**
 * Whether the certificate is that of a domain. Names are compared whole and case does not count:
 * no suffixes, no wildcards (RFC 5922 §7.2).
 */
export function isSipIdentity(certificate: CertificateNames, domain: string): boolean {
  const [wanted] = dnsName(domain);
  return wanted !== undefined && sipIdentities(certificate).includes(wanted);
}

function sipDomain(uri: string): readonly string[] {
  const parsed = parseUri(uri);
  // With a user it says who somebody is, not which domain (RFC 5922 §7.1).
  if (parsed?.scheme !== 'sip' || parsed.user !== undefined || uri.includes('@')) return [];
  return dnsName(parsed.host);
}

/** None when it is no name that somebody could have asked for: a wildcard, an address. */
function dnsName(text: string): readonly string[] {
  const name = text.toLowerCase().replace(/\.$/, '');
  const isName = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(name) && !isIpAddress(name);
  return isName ? [name] : [];
}

/**
 * Reads `KIND:value, KIND:"value"`. A value with a comma or a quote stands in quotes as JSON: a
 * name chosen to look like several must not become them. What cannot be read ends it.
 */
function altNames(text: string): readonly AltName[] {
  const found: AltName[] = [];
  const entry = /([^:,"]+):(?:("(?:[^"\\]|\\.)*")|([^",]*))(?:, |$)/y;
  for (let match = entry.exec(text); match !== null; match = entry.exec(text)) {
    const [, kind = '', quoted, plain = ''] = match;
    found.push({ kind, value: quoted === undefined ? plain : unquoted(quoted) });
    if (entry.lastIndex >= text.length) break;
  }
  return found;
}

function unquoted(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    // Not as Node.js writes it: no name that anybody asks for.
    return '';
  }
}
