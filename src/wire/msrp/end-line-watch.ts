/** Whether an end-line stands in a body, told without keeping the body (RFC 4975 §7.1, A-25). */
import { needle } from './needle.ts';

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

const HYPHENS = needle(new TextEncoder().encode('-------'));
const LOOK_OCTETS = HYPHENS.length + TID_OCTETS_MAX;

const decoder = new TextDecoder('latin1');

/** The transaction id need not be known before the end: what follows seven hyphens is noted. */
export function endLineWatch(): EndLineWatch {
  const candidates: string[] = [];
  let inOrder = true;
  let expected = 0;
  /** The last octets so far: what they begin may end in the next ones. */
  let carry = new Uint8Array(0);

  function note(octets: Uint8Array, from: number, to: number): void {
    let at = HYPHENS.find(octets, from, octets.length);
    while (at !== -1 && at < to && candidates.length < CANDIDATES_MAX) {
      candidates.push(decoder.decode(octets.subarray(at + HYPHENS.length, at + LOOK_OCTETS)));
      at = HYPHENS.find(octets, at + 1, octets.length);
    }
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
      note(seam, 0, carry.length);
      note(octets, 0, octets.length);
      const tail = octets.length >= LOOK_OCTETS ? octets : seam;
      carry = tail.slice(Math.max(0, tail.length - LOOK_OCTETS));
    },
    has(tid) {
      if (!inOrder || candidates.length >= CANDIDATES_MAX) return 'unsure';
      return candidates.some((candidate) => candidate.startsWith(tid));
    },
  };
}
