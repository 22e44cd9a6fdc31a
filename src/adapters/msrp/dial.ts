/** The active side of a session: the connection to the leftmost URI of the peer's path. */
import { connect, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { type MsrpUri, parseMsrpUri } from '../../wire/msrp/uri.ts';
import type { SessionRequest } from './endpoint-session.ts';
import type { HostAddress } from './host-address.ts';
import { connectTls, identityFault, type Security, securityOf, type TlsMaterial } from './tls.ts';

export type DialRequest = Pick<SessionRequest, 'localUri' | 'remotePath' | 'peerFingerprint'>;

/** RFC 4975 §6: without a port. */
const DEFAULT_PORT = 2855;

export interface DialOptions {
  readonly addressOf: HostAddress;
  /** Our certificate; absent: there is none. */
  readonly material: (() => TlsMaterial) | undefined;
  connected(socket: Socket, security: Security | undefined): void;
  failed(reason: string): void;
}

/** Connects, and judges the peer's certificate over TLS; the result hangs up while it still tries. */
export function connectTo(request: DialRequest, options: DialOptions): () => void {
  const [own, peer] = [parseMsrpUri(request.localUri), parseMsrpUri(request.remotePath[0] ?? '')];
  const secure = own?.scheme === 'msrps';
  let hangUp = (): void => {};
  let given = false;
  const failed = (reason: string): void => {
    if (!given) options.failed(reason);
  };
  const fault = pathFault(peer, secure);
  if (peer === undefined || fault !== undefined) {
    queueMicrotask(() => failed(fault ?? 'the peer has no path'));
  } else {
    void options.addressOf(peer.host).then((host) => {
      if (given) return;
      if (host === undefined) return failed(`${peer.host} has no address`);
      const to = { host, port: peer.port ?? DEFAULT_PORT, name: peer.host };
      hangUp = open(to, { ...options, failed, secure, fingerprint: request.peerFingerprint });
    });
  }
  return () => {
    given = true;
    hangUp();
  };
}

function open(
  to: { readonly host: string; readonly port: number; readonly name: string },
  options: DialOptions & { readonly secure: boolean; readonly fingerprint: string | undefined },
): () => void {
  const { secure, fingerprint, failed } = options;
  const socket = secure ? connectTls(to, options.material?.()) : connect(to);
  let stands = false;
  const lost = (error: Error): void => failed(`cannot connect: ${error.message}`);
  socket.once('error', lost);
  socket.once(secure ? 'secureConnect' : 'connect', () => {
    const stranger = socket instanceof TLSSocket ? identityFault(socket, fingerprint) : undefined;
    if (stranger !== undefined) {
      socket.destroy();
      failed(stranger);
      return;
    }
    stands = true;
    socket.off('error', lost);
    options.connected(socket, socket instanceof TLSSocket ? securityOf(socket) : undefined);
  });
  // A session that ends before its connection stands needs none any more.
  return () => {
    if (!stands) socket.destroy();
  };
}

function pathFault(peer: MsrpUri | undefined, secure: boolean): string | undefined {
  const scheme = secure ? 'msrps' : 'msrp';
  if (peer?.scheme !== scheme || peer.transport.toLowerCase() !== 'tcp') {
    return `the peer has no ${scheme} URI over tcp`;
  }
  return undefined;
}
