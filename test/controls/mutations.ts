/**
 * Damaged messages for fuzzing: a seed and a number make one case, always the same. Much faster
 * than shrinking properties, so that a million of them is a matter of a minute.
 */

/** Random numbers that a seed repeats: mulberry32, 32 bits of state. */
export function randomBelow(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** What breaks parsers: delimiters, half delimiters, numbers at the edge, other encodings. */
const BAD = [
  ...['\r\n', '\r\n\r\n', '\r', '\n', '\0', ' ', '\t', '\r\n ', '<', '>', '"', '\\', ',', ';', '='],
  ...[':', '@', '/', '*', '[', ']', '%00', '%', '?', '&', '--', '-------', '$', '+', '#'],
  ...['0', '-1', '4294967296', '99999999999999999999', '2147483648', 'NaN', '1e3', '00'],
  ...['é', '\u{1f600}', '\ufeff', '\u2028', '%c3%28', '\x7f', '\x1b[2J'],
  ...['Content-Length: 99999\r\n', 'l:0\r\n', 'Via: SIP/2.0/UDP x;branch=z9hG4bK1\r\n', 'v:\r\n'],
  ...['SIP/2.0', 'sip:', 'sips:a@b', 'tel:+1', '<sip:a@[::1]:5060;lr>', ';tag=', ';branch=z9hG4bK'],
  ...['Digest realm="', 'multipart/mixed;boundary=', '<!DOCTYPE a [<!ENTITY b "c">]>', '&amp;'],
].map((text) => new TextEncoder().encode(text));

/** A piece that is repeated grows to this at most, so that a case stays below a datagram or two. */
const REPEATED_BYTES_MAX = 4_096;

function spliced(octets: Uint8Array, at: number, cut: number, put: Uint8Array): Uint8Array {
  const out = new Uint8Array(octets.length - cut + put.length);
  out.set(octets.subarray(0, at));
  out.set(put, at);
  out.set(octets.subarray(at + cut), at + put.length);
  return out;
}

function mutatedOnce(
  octets: Uint8Array,
  corpus: readonly Uint8Array[],
  below: (limit: number) => number,
): Uint8Array {
  const at = below(octets.length + 1);
  const length = Math.min(1 + below(1 + below(64)), octets.length - at);
  switch (below(8)) {
    case 0: {
      const out = octets.slice();
      if (at < out.length) out[at] = below(256);
      return out;
    }
    case 1:
      return spliced(octets, at, 0, BAD[below(BAD.length)] ?? octets);
    case 2:
      return spliced(octets, at, length, BAD[below(BAD.length)] ?? octets);
    case 3:
      return spliced(octets, at, length, new Uint8Array(0));
    case 4:
      return octets.subarray(0, at);
    case 5: {
      const piece = octets.subarray(at, at + length);
      const times = 1 + below(Math.max(1, Math.floor(REPEATED_BYTES_MAX / Math.max(1, length))));
      const many = new Uint8Array(piece.length * times);
      for (let index = 0; index < times; index += 1) many.set(piece, index * piece.length);
      return spliced(octets, at, 0, many);
    }
    case 6: {
      const other = corpus[below(corpus.length)] ?? octets;
      const from = below(other.length + 1);
      return spliced(octets, at, length, other.subarray(from, from + below(256)));
    }
    default: {
      // Two lines change places, or one comes twice: order and repetition of headers.
      const lines = new TextDecoder('latin1').decode(octets).split('\r\n');
      const [a, b] = [below(lines.length), below(lines.length)];
      const [left = '', right = ''] = [lines[a], lines[b]];
      lines[a] = right;
      if (below(2) === 0) lines[b] = left;
      return Uint8Array.from(lines.join('\r\n'), (c) => c.charCodeAt(0));
    }
  }
}

/** One damaged message; 1 to 6 things are wrong with it. */
export function mutated(
  corpus: readonly Uint8Array[],
  below: (limit: number) => number,
): Uint8Array {
  let octets = corpus[below(corpus.length)] ?? new Uint8Array(0);
  const times = 1 + below(6);
  for (let index = 0; index < times; index += 1) octets = mutatedOnce(octets, corpus, below);
  return octets;
}
