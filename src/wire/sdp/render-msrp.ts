/** Session descriptions with MSRP media, written (RFC 8866, RFC 4975 §8, RFC 6135). */
import { renderMsrpUri } from '../msrp/uri.ts';
import type { Direction, MsrpMedia, Setup } from './msrp-media.ts';

export interface MsrpDescription {
  /** Address that the peer connects to; IPv6 without brackets. */
  readonly host: string;
  /** 9 when we are active and do not listen (RFC 6135 §4.2). */
  readonly port: number;
  /** Session-id of our `a=path`: a secret that nobody can guess (RFC 4975 §14.1). */
  readonly sessionId: string;
  /** `o=`: user name, session id and version; the version goes up with each change. */
  readonly originUser?: string;
  readonly originId: number;
  readonly originVersion?: number;
  readonly direction?: Direction;
  readonly acceptTypes?: readonly string[];
  readonly acceptWrappedTypes?: readonly string[];
  /** Octets of a complete message. */
  readonly maxSize?: number;
  /** Present: over TLS, with a certificate of this `a=fingerprint` (RFC 4572 §5, RFC 4975 §14.4). */
  readonly fingerprint?: string;
}

export interface MsrpAnswer extends MsrpDescription {
  readonly setup: 'active' | 'passive';
  /** The offer's view: media that we do not take are repeated with port 0 (RFC 3264 §6). */
  readonly offered?: Pick<MsrpMedia, 'lines' | 'index'>;
}

/** The offer of a push: send only, either side may connect. */
export function renderOffer(offer: MsrpDescription): Uint8Array {
  return render({
    direction: 'sendonly',
    acceptTypes: ['multipart/mixed'],
    acceptWrappedTypes: ['message/sip', 'message/sipfrag', 'message/msrp'],
    ...offer,
    setup: 'actpass',
  });
}

/** The offer of a store to a sender whose INVITE had none: receive only. */
export function renderReceivingOffer(offer: MsrpDescription): Uint8Array {
  return render({ direction: 'recvonly', acceptTypes: ['*'], ...offer, setup: 'actpass' });
}

/** The answer of a store: receive only, whatever the type. */
export function renderAnswer(answer: MsrpAnswer): Uint8Array {
  return render({ direction: 'recvonly', acceptTypes: ['*'], ...answer });
}

type Complete = MsrpDescription & {
  readonly setup: Setup;
  readonly offered?: Pick<MsrpMedia, 'lines' | 'index'>;
};

function render(sdp: Complete): Uint8Array {
  const { host, port, sessionId, originId, acceptTypes = [], acceptWrappedTypes = [] } = sdp;
  const { fingerprint } = sdp;
  const address = `IN ${host.includes(':') ? 'IP6' : 'IP4'} ${host}`;
  const user = sdp.originUser ?? 'im-store';
  const media = [
    `m=message ${port} ${fingerprint === undefined ? 'TCP/MSRP' : 'TCP/TLS/MSRP'} *`,
    `a=${sdp.direction ?? 'sendrecv'}`,
    `a=accept-types:${acceptTypes.join(' ')}`,
    ...(acceptWrappedTypes.length > 0
      ? [`a=accept-wrapped-types:${acceptWrappedTypes.join(' ')}`]
      : []),
    `a=setup:${sdp.setup}`,
    ...(sdp.maxSize === undefined ? [] : [`a=max-size:${sdp.maxSize}`]),
    ...(fingerprint === undefined ? [] : [`a=fingerprint:${fingerprint}`]),
    `a=path:${renderMsrpUri({ ...(fingerprint === undefined ? {} : { scheme: 'msrps' }), host, port, sessionId })}`,
  ];
  const { lines = [], index = 0 } = sdp.offered ?? {};
  const rejected = lines.map(({ type, protocol, formats }) => `m=${type} 0 ${protocol} ${formats}`);
  const all = [
    'v=0',
    `o=${user} ${originId} ${sdp.originVersion ?? originId} ${address}`,
    's=-',
    `c=${address}`,
    't=0 0',
    ...rejected.slice(0, index),
    ...media,
    ...rejected.slice(index + 1),
  ];
  if (all.some((line) => /[\0\r\n]/.test(line))) throw new TypeError('CR, LF or NUL in an SDP');
  return new TextEncoder().encode(all.map((line) => `${line}\r\n`).join(''));
}
