import { needle } from '../msrp/needle.ts';

/** `-` and a decimal number of attempts: enough for one per octet of any body. */
const SUFFIX_OCTETS_MAX = 9;

/**
 * A boundary that does not occur in the bodies: the seed, else the seed with the first suffix `-1`,
 * `-2`, … that is free. The same bodies give the same boundary. One pass, however often it occurs.
 */
export function freeBoundary(seed: string, bodies: readonly Uint8Array[]): string {
  const delimiter = needle(new TextEncoder().encode(`--${seed}`));
  const taken = new Set<string>();
  for (const body of bodies) {
    for (let at = delimiter.find(body, 0, body.length); at !== -1; ) {
      // Every boundary that these octets continue is taken, so each beginning of them is.
      let suffix = '';
      taken.add(suffix);
      const end = at + delimiter.length;
      for (const octet of body.subarray(end, end + SUFFIX_OCTETS_MAX)) {
        suffix += String.fromCharCode(octet);
        taken.add(suffix);
      }
      at = delimiter.find(body, at + 1, body.length);
    }
  }
  if (!taken.has('')) return seed;
  let attempt = 1;
  while (taken.has(`-${attempt}`)) attempt += 1;
  return `${seed}-${attempt}`;
}
