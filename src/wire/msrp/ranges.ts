/**
 * Which octets of a message, counted from 1 as in Byte-Range, have been seen: spans with both ends
 * inclusive, disjoint, ascending, with a gap between neighbours. Memory grows with the gaps and not
 * with the octets, so whoever trusts nobody bounds their number.
 */
export type OctetSpans = { start: number; end: number }[];

/** `end < start` adds nothing. */
export function addSpan(spans: OctetSpans, start: number, end: number): void {
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
  if (over === at) spans.splice(at, 0, merged);
  else {
    spans[at] = merged;
    if (over > at + 1) spans.splice(at + 1, over - at - 1);
  }
}

/** Whether all of `1…total` were added. */
export function coverAll(spans: OctetSpans, total: number): boolean {
  const [first] = spans;
  return total === 0 || (first !== undefined && first.start <= 1 && first.end >= total);
}

/** How many octets there are in all spans. */
export function octetsIn(spans: OctetSpans): number {
  return spans.reduce((sum, { start, end }) => sum + end - start + 1, 0);
}
