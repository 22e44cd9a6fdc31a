export interface Needle {
  readonly length: number;
  /** First occurrence that lies wholly in `[from, to)`, or -1. */
  find(octets: Uint8Array, from: number, to: number): number;
}

/**
 * Boyer–Moore–Horspool for patterns that do not repeat their first octet beyond a short run: as
 * each alignment is compared from its left end, the comparisons of all alignments together then
 * stay linear whatever the peer sends.
 */
export function needle(pattern: Uint8Array): Needle {
  const length = pattern.length;
  const last = length - 1;
  const shifts = new Uint8Array(256).fill(length);
  for (let i = 0; i < last; i++) shifts[pattern[i] ?? 0] = last - i;
  const first = pattern[0];
  return {
    length,
    find(octets, from, to) {
      for (let at = from; at + length <= to; at += shifts[octets[at + last] ?? 0] ?? 1) {
        if (octets[at] !== first) continue;
        let i = 1;
        while (i < length && octets[at + i] === pattern[i]) i++;
        if (i === length) return at;
      }
      return -1;
    },
  };
}
