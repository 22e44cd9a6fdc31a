import { renderClientSdp } from './client-sdp.ts';

/** The session description of somebody who sends a Large message (OMA SIMPLE IM 9.1.1.2). */
export interface SenderSdp {
  /** IPv4 address. */
  readonly host: string;
  readonly port: number;
  /** Our MSRP URI. */
  readonly path: string;
  /** `actpass` in an offer: either side may connect (RFC 6135 §4.2). */
  readonly setup: 'actpass' | 'active' | 'passive';
  /** Media types that will be sent. */
  readonly types: readonly string[];
}

export function renderSenderSdp(sdp: SenderSdp): Uint8Array {
  const { host, port, path, setup, types } = sdp;
  // RFC 8866 §5.2: unique among the sessions of this host, which is all that it says.
  return renderClientSdp({ host, port, origin: Date.now() }, [
    'a=sendonly',
    `a=accept-types:${types.join(' ')}`,
    `a=setup:${setup}`,
    `a=path:${path}`,
  ]);
}
