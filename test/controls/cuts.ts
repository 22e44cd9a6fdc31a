/** Where a connection is cut: after so many octets. */

/** How an end goes: what was written arrives, then the end; or a reset. */
export type Cut = 'fin' | 'rst';

const NEAR = 3;

/**
 * All cuts of a stream of `total` octets at full bounds; else every `step`-th and those around the
 * borders, where something begins or ends.
 */
export function cutsOf(total: number, borders: readonly number[], step: number): readonly number[] {
  const all = Array.from({ length: total + 1 }, (_, n) => n);
  if (process.env.RESTANTE_VERIFY) return all;
  const isNear = (n: number) => borders.some((border) => Math.abs(border - n) <= NEAR);
  return all.filter((n) => n % step === 0 || n === total || isNear(n));
}

/** Offsets at which the frames of a stream begin, their bodies begin and end, and they end. */
export function bordersOf(frames: readonly Uint8Array[]): readonly number[] {
  let at = 0;
  return frames.flatMap((frame) => {
    const octets = Buffer.from(frame);
    const start = at;
    at += octets.length;
    const empty = octets.indexOf('\r\n\r\n');
    const body = empty < 0 ? [] : [start + empty + 4];
    return [start, ...body, start + octets.lastIndexOf('\r\n-------'), at];
  });
}
