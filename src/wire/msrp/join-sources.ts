import { type BodySource, bodySource } from './body-source.ts';

/** One body of several, one behind the other; no octet is copied. */
export function joinSources(parts: readonly (Uint8Array | BodySource)[]): BodySource {
  const sources = parts.map(bodySource);
  const starts: number[] = [];
  let bytes = 0;
  for (const source of sources) {
    starts.push(bytes);
    bytes += source.bytes;
  }
  /** The source that was read last: the next octets are mostly in it or behind it. */
  let current = 0;

  function sourceAt(at: number): number {
    if ((starts[current] ?? 0) > at) current = 0;
    while ((starts[current] ?? 0) + (sources[current]?.bytes ?? 0) <= at) current++;
    return current;
  }

  return {
    bytes,
    read(at, bytesMax, wake) {
      if (at < 0 || at >= bytes) return { failed: `no octet ${at} in a body of ${bytes}` };
      const index = sourceAt(at);
      const within = at - (starts[index] ?? 0);
      const source = sources[index];
      if (source === undefined) return { failed: 'a body without parts' };
      return source.read(within, Math.min(bytesMax, source.bytes - within), wake);
    },
    close() {
      for (const source of sources) source.close();
    },
  };
}
