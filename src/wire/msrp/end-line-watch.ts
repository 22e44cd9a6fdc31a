/** Whether an end-line stands in a body, told without keeping the body (RFC 4975 §7.1, A-25). */
export interface EndLineWatch {
  /** Octets of the body at `at`, counted from 0. */
  write(at: number, octets: Uint8Array): void;
  /** `unsure`: octets came out of order, or there is too much that looks like one. */
  has(tid: string): boolean | 'unsure';
}

/** RFC 4975 §9: a transaction id has at most 32 characters. */
const TID_OCTETS_MAX = 32;
/** More lines of hyphens than any text has a use for. */
const CANDIDATES_MAX = 1_024;

const HYPHENS = 7;
const HYPHEN = 45;
const LOOK_OCTETS = HYPHENS + TID_OCTETS_MAX;

const decoder = new TextDecoder('latin1');

/** The transaction id need not be known before the end: what follows seven hyphens is noted. */
export function endLineWatch(): EndLineWatch {
  const candidates: string[] = [];
  let inOrder = true;
  let expected = 0;
  /** The last octets so far: what they begin may end in the next ones. */
  let carry = new Uint8Array(0);

  /** Of runs that begin in `[0, to)`. Seven hyphens stand on one of any seven places in a row. */
  function note(octets: Uint8Array, to: number): void {
    for (let at = HYPHENS - 1; at < octets.length; at += HYPHENS) {
      if (octets[at] !== HYPHEN) continue;
      let start = at;
      while (start > 0 && octets[start - 1] === HYPHEN) start--;
      let end = at + 1;
      while (octets[end] === HYPHEN) end++;
      for (; start + HYPHENS <= end && start < to; start++) add(octets, start + HYPHENS);
      at += Math.max(0, Math.floor((end - 1 - at) / HYPHENS)) * HYPHENS;
    }
  }

  function add(octets: Uint8Array, at: number): void {
    if (candidates.length >= CANDIDATES_MAX) return;
    candidates.push(decoder.decode(octets.subarray(at, at + TID_OCTETS_MAX)));
  }

  return {
    write(at, octets) {
      inOrder &&= at === expected;
      expected = at + octets.length;
      if (!inOrder) return;
      // What began in the carry is noted with all that the new octets add to it.
      const seam = new Uint8Array(carry.length + Math.min(octets.length, LOOK_OCTETS));
      seam.set(carry);
      seam.set(octets.subarray(0, LOOK_OCTETS), carry.length);
      note(seam, carry.length);
      note(octets, octets.length);
      const tail = octets.length >= LOOK_OCTETS ? octets : seam;
      carry = tail.slice(Math.max(0, tail.length - LOOK_OCTETS));
    },
    has(tid) {
      if (!inOrder || candidates.length >= CANDIDATES_MAX) return 'unsure';
      return candidates.some((candidate) => candidate.startsWith(tid));
    },
  };
}
