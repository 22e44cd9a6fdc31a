/**
 * Position of the first occurrence of `needle` in `octets` at or after `from`, or -1. Costs at most
 * one comparison per octet and per repetition of the needle's first octets, with no copy.
 */
export function findOctets(octets: Uint8Array, needle: Uint8Array, from = 0): number {
  const first = needle[0];
  if (first === undefined) return from;
  const last = octets.length - needle.length;
  // `indexOf` of one octet is native; what follows it is compared here.
  for (let at = octets.indexOf(first, from); at !== -1 && at <= last; ) {
    let same = 1;
    while (same < needle.length && octets[at + same] === needle[same]) same += 1;
    if (same === needle.length) return at;
    at = octets.indexOf(first, at + 1);
  }
  return -1;
}

/** Copies the pieces into one array of octets. */
export function joinOctets(pieces: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}
