/** Fingerprints of certificates, as SDP says them in `a=fingerprint` (RFC 8122 §5). */
import { createHash, X509Certificate } from 'node:crypto';

/** What we tell ours by, and the hashes that we take of others. */
const OURS = 'SHA-256';
const HASHES: ReadonlyMap<string, string> = new Map([
  ['sha-1', 'sha1'],
  ['sha-256', 'sha256'],
  ['sha-384', 'sha384'],
  ['sha-512', 'sha512'],
]);
const FINGERPRINT = /^\s*([a-z0-9-]+) +([0-9a-f]{2}(?::[0-9a-f]{2})*)\s*$/i;

/** Of the first certificate in `pem`; throws when there is none. */
export function fingerprintOf(pem: string): string {
  return `${OURS} ${new X509Certificate(pem).fingerprint256}`;
}

/** Why a certificate (DER) is not the one of the fingerprint; `undefined`: it is. */
export function fingerprintFault(
  fingerprint: string,
  certificate: Uint8Array | undefined,
): string | undefined {
  const [, name = '', digits = ''] = FINGERPRINT.exec(fingerprint) ?? [];
  const hash = HASHES.get(name.toLowerCase());
  if (hash === undefined) return `the fingerprint of the peer cannot be checked: ${fingerprint}`;
  if (certificate === undefined) return 'the peer showed no certificate';
  const digest = createHash(hash).update(certificate).digest('hex');
  if (digest === digits.replaceAll(':', '').toLowerCase()) return undefined;
  return 'the certificate of the peer is not the one of its fingerprint';
}
