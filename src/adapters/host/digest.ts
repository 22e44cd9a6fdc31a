import { createHmac, hash } from 'node:crypto';
import type { Digest } from '../../engine/ports.ts';

/** Hashing by the host's own library; `hash` in one shot is half again as fast as `createHash`. */
export const hostDigest: Digest = {
  sha256: (octets) => hash('sha256', octets, 'buffer'),
  hmacSha256: (key, octets) => createHmac('sha256', key).update(octets).digest(),
};
