/** A message put together from its chunks (RFC 4975 §7.3.1). */
import type { MsrpRequest } from './frame.ts';
import { joinOctets } from './render.ts';

const NO_OCTETS = new Uint8Array(0);

/** `chunks` in order of arrival and without a hole: where they overlap, the last one counts. */
export function reassemble(chunks: readonly MsrpRequest[], total: number): Uint8Array {
  const inOrder = chunks.every((chunk, i) => {
    const before = chunks[i - 1];
    const from = before === undefined ? 1 : startOf(before) + (before.body?.length ?? 0);
    return startOf(chunk) === from;
  });
  if (inOrder) return joinOctets(chunks.map((chunk) => chunk.body ?? NO_OCTETS));
  const whole = new Uint8Array(total);
  for (const chunk of chunks) {
    const at = startOf(chunk) - 1;
    if (at < total && chunk.body) whole.set(chunk.body.subarray(0, total - at), at);
  }
  return whole;
}

/** Position of the chunk's first octet in its message; what a chunk holds tells where it ends. */
export function startOf(chunk: MsrpRequest): number {
  return chunk.byteRange?.start ?? 1;
}
