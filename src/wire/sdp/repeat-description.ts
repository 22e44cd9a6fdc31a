import type { MsrpMedia, Setup } from './msrp-media.ts';

/**
 * Our description again, as the answer to an offer that changes nothing: the same `o=` tells the
 * peer so (RFC 3264 §8). Only the role is put in place, since an answer cannot be `actpass`
 * (RFC 4145 §4.1), and further media of the offer are rejected (RFC 3264 §6).
 *
 * @param ours octets of the description as it was offered
 * @param peerConnects the peer opened the connection, which stays (RFC 6135 §4.4)
 */
export function repeatDescription(
  ours: Uint8Array,
  offered: Pick<MsrpMedia, 'lines' | 'index' | 'setup'>,
  options: { readonly peerConnects: boolean },
): Uint8Array {
  const { lines, index } = offered;
  const text = new TextDecoder().decode(ours);
  const start = text.indexOf('m=');
  const media = text
    .slice(start)
    .replace(/^a=setup:.*$/m, `a=setup:${roleFor(offered.setup, options)}`);
  const rejected = lines.map(
    ({ type, protocol, formats }) => `m=${type} 0 ${protocol} ${formats}\r\n`,
  );
  const all = [
    text.slice(0, start),
    ...rejected.slice(0, index),
    media,
    ...rejected.slice(index + 1),
  ];
  return new TextEncoder().encode(all.join(''));
}

function roleFor(
  setup: MsrpMedia['setup'],
  { peerConnects }: { readonly peerConnects: boolean },
): Setup {
  if (setup === 'actpass') return peerConnects ? 'passive' : 'active';
  // RFC 4975 §5.4, RFC 6135 §4.2.1: without the attribute, or with `holdconn`, the offerer connects.
  return setup === 'passive' ? 'active' : 'passive';
}
