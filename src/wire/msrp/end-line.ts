/** The end-line of one frame, found in a body that may hold much that looks like it. */

/** `$` last chunk of its message, `+` more follow, `#` the message is given up. */
export type ContinuationFlag = '$' | '+' | '#';

export interface EndLineSearch {
  /** What is looked for from now on: `CRLF ------- transact-id flag CRLF` (RFC 4975 §9). */
  begin(tid: string): void;
  /** Octets of it. */
  readonly length: number;
  /** Start of the first one that lies wholly in `[from, to)`, or -1. */
  find(octets: Uint8Array, from: number, to: number): number;
  /** After a `find` in vain: start of what may become one, else `to`. */
  beginning(octets: Uint8Array, from: number, to: number): number;
  /** Flag of the end-line that starts at `at`. */
  flag(octets: Uint8Array, at: number): ContinuationFlag;
}

const [LF, CR] = [10, 13];
const FLAGS: ReadonlyMap<number, ContinuationFlag> = new Map([
  [0x24, '$'],
  [0x2b, '+'],
  [0x23, '#'],
]);
const PREFIX = '\r\n-------';
const TID_CHARACTERS_MAX = 32;

/**
 * For one frame after the other. Boyer–Moore–Horspool, as in `needle.ts`: CR stands at the start of
 * the pattern alone. Its tables are made once, since small frames come by the ten thousand.
 */
export function endLineSearch(): EndLineSearch {
  const pattern = new Uint8Array(PREFIX.length + TID_CHARACTERS_MAX);
  const shifts = new Uint8Array(256);
  for (let i = 0; i < PREFIX.length; i++) pattern[i] = PREFIX.charCodeAt(i);
  /** Octets of the pattern: what stands before the flag. */
  let size = 0;

  /** Whether nothing in `[at, to)` speaks against an end-line that starts at `at`. */
  function fits(octets: Uint8Array, at: number, to: number): boolean {
    const fixed = Math.min(to - at, size);
    for (let i = 0; i < fixed; i++) if (octets[at + i] !== pattern[i]) return false;
    const flagAt = at + size;
    return (
      (flagAt >= to || FLAGS.has(octets[flagAt] ?? 0)) &&
      (flagAt + 1 >= to || octets[flagAt + 1] === CR) &&
      (flagAt + 2 >= to || octets[flagAt + 2] === LF)
    );
  }

  return {
    begin(tid) {
      size = PREFIX.length + tid.length;
      for (let i = 0; i < tid.length; i++) pattern[PREFIX.length + i] = tid.charCodeAt(i);
      shifts.fill(size);
      for (let i = 0; i < size - 1; i++) shifts[pattern[i] ?? 0] = size - 1 - i;
    },
    get length() {
      return size + 3;
    },
    find(octets, from, to) {
      const last = size - 1;
      for (let at = from; at + size + 3 <= to; at += shifts[octets[at + last] ?? 0] ?? 1) {
        if (octets[at] === CR && fits(octets, at, to)) return at;
      }
      return -1;
    },
    beginning(octets, from, to) {
      for (let at = Math.max(from, to - size - 2); at < to; at++) {
        if (octets[at] === CR && fits(octets, at, to)) return at;
      }
      return to;
    },
    flag: (octets, at) => FLAGS.get(octets[at + size] ?? 0) ?? '$',
  };
}
