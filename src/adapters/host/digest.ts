import { createHmac, hash } from 'node:crypto';
import type { Digest } from '../../engine/ports.ts';
import type { DigestHash } from '../../wire/sip/digest.ts';

/** Hashing by the host's own library; `hash` in one shot is half again as fast as `createHash`. */
export const hostDigest: Digest = {
  sha256: (octets) => hash('sha256', octets, 'buffer'),
  hmacSha256: (key, octets) => createHmac('sha256', key).update(octets).digest(),
};

const HOST_NAMES = { 'SHA-512-256': 'sha512-256', 'SHA-256': 'sha256', MD5: 'md5' } as const;

/** The hashes of SIP Digest; MD5 is absent where the host's policy (FIPS 140) forbids it. */
export const sipDigestHash: DigestHash = (algorithm, octets) => {
  try {
    return hash(HOST_NAMES[algorithm], octets, 'hex');
  } catch {
    // OpenSSL says it by throwing; which of its providers lack what, cannot be asked beforehand.
    return undefined;
  }
};
