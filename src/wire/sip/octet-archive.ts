/** Octets kept in an archive. */
export interface Kept {
  readonly slab: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Large enough that a slab's own cost vanishes, small enough to be freed soon. */
const SLAB_BYTES = 256 * 1024;

/**
 * Keeps many small octet strings that are forgotten in about the order they came. They lie side by
 * side in slabs, since an array of its own costs each of them more than its content. The garbage
 * collector frees a slab with the last string in it.
 */
export function octetArchive(): { keep(octets: Uint8Array): Kept } {
  let slab = new Uint8Array(0);
  let used = 0;
  return {
    keep(octets) {
      if (used + octets.length > slab.length) {
        slab = new Uint8Array(Math.max(SLAB_BYTES, octets.length));
        used = 0;
      }
      const start = used;
      slab.set(octets, start);
      used += octets.length;
      return { slab, start, end: used };
    },
  };
}
