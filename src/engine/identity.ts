import type { Digest } from './ports.ts';

const encoder = new TextEncoder();
const HEX = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'));

/** Lower case, two characters an octet. */
export function hex(octets: Uint8Array): string {
  let text = '';
  for (const octet of octets) text += HEX[octet];
  return text;
}

/** Version 8 of RFC 9562 §5.8: 122 bits of our own. */
export function uuidOf(octets: Uint8Array): string {
  const id = octets.slice(0, 16);
  id[6] = ((id[6] ?? 0) & 0x0f) | 0x80;
  id[8] = ((id[8] ?? 0) & 0x3f) | 0x80;
  const text = hex(id);
  return [
    text.slice(0, 8),
    text.slice(8, 12),
    text.slice(12, 16),
    text.slice(16, 20),
    text.slice(20),
  ].join('-');
}

/** The id of the event that `cause` makes in `stream`: the same whenever it is decided again. */
export function eventId(digest: Digest, stream: string, cause: string): string {
  return uuidOf(digest.sha256(encoder.encode(`${stream}\n${cause}`)));
}

/**
 * Derives what goes on the wire for an effect or a stream: the same on every repetition, and not to
 * be guessed without the store's secret. Hexadecimal, `octets` × 2 characters.
 */
export function keyedToken(
  digest: Digest,
  secret: Uint8Array,
  name: string,
  octets: number,
): string {
  return hex(digest.hmacSha256(secret, encoder.encode(name)).subarray(0, octets));
}
