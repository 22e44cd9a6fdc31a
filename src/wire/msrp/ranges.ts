/** Which octets of a message, counted from 1 as in Byte-Range, have been seen. */
export interface OctetRanges {
  /** Both ends inclusive; `end < start` adds nothing. */
  add(start: number, end: number): void;
  /** Whether all of `1…total` were added. */
  covers(total: number): boolean;
  /** How many separate spans there are: what an out-of-order sender makes us keep. */
  readonly count: number;
}

/** Memory grows with the gaps and not with the octets, so bound `count` for untrusted peers. */
export function octetRanges(): OctetRanges {
  /** Disjoint, ascending, with a gap between neighbours. */
  const spans: { start: number; end: number }[] = [];
  return {
    add(start, end) {
      if (end < start) return;
      let at = spans.length;
      // In-order chunks touch the last span: the loop ends after one step.
      while (at > 0 && (spans[at - 1]?.end ?? 0) >= start - 1) at--;
      const merged = { start, end };
      let over = at;
      for (let span = spans[over]; span && span.start <= end + 1; span = spans[++over]) {
        merged.start = Math.min(merged.start, span.start);
        merged.end = Math.max(merged.end, span.end);
      }
      spans.splice(at, over - at, merged);
    },
    covers(total) {
      const [first] = spans;
      return total === 0 || (first !== undefined && first.start <= 1 && first.end >= total);
    },
    get count() {
      return spans.length;
    },
  };
}
