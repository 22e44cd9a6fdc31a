/** MSRP over TLS: handshakes, and who the peer is by its certificate (RFC 4975 §14.3, RFC 8122). */
import { constants } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import { connect, createServer, type SecureContextOptions, type TLSSocket } from 'node:tls';
import { fingerprintFault, fingerprintOf } from './fingerprint.ts';

/** In PEM. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
}

/** What a TLS connection is known by; a connection without TLS has none. */
export interface Security {
  /** Of the peer, in DER; absent: it showed none. */
  readonly certificate?: Uint8Array;
}

export interface Handshakes {
  /** Takes a connection that came in; `secure` is told when its handshake is over. */
  begin(socket: Socket, secure: (socket: TLSSocket, security: Security) => void): void;
  /** Of our certificate, as `a=fingerprint` says it. */
  fingerprint(): string;
}

/** Older versions are broken (RFC 8996). */
const VERSION_LEAST = 'TLSv1.2';

/**
 * The listening side. `material` is asked for anew at each handshake; throws when what it gives at
 * first cannot be used. The certificate of the peer is asked for and not judged: that is for who
 * knows its fingerprint.
 */
export function handshakes(
  material: () => TlsMaterial,
  failed: (reason: string, socket: Socket) => void,
): Handshakes {
  const waiting = new Map<string, (socket: TLSSocket, security: Security) => void>();
  let current = material();
  let fingerprint = fingerprintOf(current.cert);
  const server = createServer({ ...optionsOf(current), ...ASKED });

  function renew(): void {
    const next = material();
    if (next.cert === current.cert && next.key === current.key) return;
    fingerprint = fingerprintOf(next.cert);
    server.setSecureContext(optionsOf(next));
    current = next;
  }

  server.on('secureConnection', (socket) => {
    const secure = waiting.get(endsOf(socket));
    socket.on('error', () => {});
    if (secure === undefined) socket.destroy();
    else secure(socket, securityOf(socket));
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    failed(`TLS handshake: ${error.code ?? error.message}`, socket);
    socket.destroy();
  });

  return {
    begin(socket, secure) {
      try {
        renew();
      } catch (error) {
        failed(`our certificate cannot be used: ${messageOf(error)}`, socket);
        socket.destroy();
        return;
      }
      const ends = endsOf(socket);
      waiting.set(ends, secure);
      socket.once('close', () => waiting.delete(ends));
      server.emit('connection', socket);
    },
    fingerprint() {
      renew();
      return fingerprint;
    },
  };
}

// A session that is resumed shows no certificate, so none is.
const ASKED = { requestCert: true, rejectUnauthorized: false } as const;

function optionsOf({ cert, key }: TlsMaterial): SecureContextOptions {
  return { cert, key, minVersion: VERSION_LEAST, secureOptions: constants.SSL_OP_NO_TICKET };
}

/** The same for a TLS socket and the one below it. */
function endsOf(socket: Socket): string {
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
}

/** What a connection over TLS is known by, once the handshake is over. */
export function securityOf(socket: TLSSocket): Security {
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? {} : { certificate: new Uint8Array(certificate.raw) };
}

/** The connecting side: we show our certificate when there is `material`. */
export function connectTls(
  peer: { readonly host: string; readonly port: number; readonly name: string },
  material: TlsMaterial | undefined,
): TLSSocket {
  return connect({
    host: peer.host,
    port: peer.port,
    ...(material ? { cert: material.cert, key: material.key } : {}),
    ...(isIP(peer.name) === 0 ? { servername: peer.name } : {}),
    minVersion: VERSION_LEAST,
    // Judged by `identityFault`, once the handshake is over.
    rejectUnauthorized: false,
  });
}

/**
 * Why the peer that we connected to is not who it should be. By its fingerprint, when there is one,
 * else by a root that everybody knows and the address that we connected to (RFC 4975 §14.4).
 */
export function identityFault(
  socket: TLSSocket,
  fingerprint: string | undefined,
): string | undefined {
  if (fingerprint !== undefined)
    return fingerprintFault(fingerprint, securityOf(socket).certificate);
  if (socket.authorized) return undefined;
  return `the certificate of the peer: ${socket.authorizationError}`;
}

/** Why who connected to us may not have a session; without a fingerprint nobody need show who it is. */
export function strangerFault(
  security: Security | undefined,
  wanted: { readonly secure: boolean; readonly fingerprint?: string | undefined },
): string | undefined {
  if (!wanted.secure) return security && 'the session is not offered over TLS';
  if (security === undefined) return 'the session is offered over TLS alone';
  if (wanted.fingerprint === undefined) return undefined;
  return fingerprintFault(wanted.fingerprint, security.certificate);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
