import { X509Certificate } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import {
  connect,
  createServer,
  type PeerCertificate,
  type Server,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';
import { defaultPort, type Hop, topVia } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { type Connection, peerKey, type StreamSide, sourceOf } from './connection.ts';
import type { ConnectionTable } from './connection-table.ts';
import { isSipIdentity, sipIdentities } from './sip-identity.ts';
import type { ReadStream } from './stream-reader.ts';
import type { TlsMaterial } from './tls-material.ts';
import type { TransportReceiver } from './transport-contract.ts';

/** What came in, once its handshake is over; `names` are the verified peer's. */
export type OnSecure = (socket: TLSSocket, names: readonly string[]) => void;

/** The server's half of TLS, for connections that the table has taken. */
export interface Handshakes {
  begin(connection: Connection, onSecure: OnSecure): void;
  /** From the next handshake on. */
  renew(material: TlsMaterial): void;
}

const SECTION = 'RFC 3261 §26.3.1';

export function handshakes(material: TlsMaterial, receiver: TransportReceiver): Handshakes {
  const waiting = new Map<string, readonly [Connection, OnSecure]>();
  // Who has a certificate of a root that everybody has is no peer of ours for it: certificates are
  // asked for only when the operator named the roots.
  const asked: TlsOptions = { requestCert: material.ownRoots, rejectUnauthorized: false };
  const server: Server = createServer({ ...material.options, ...asked });

  const refused = (connection: Connection, reason: string): void => {
    const refusal = { kind: 'refusal', status: null, reason, section: SECTION } as const;
    receiver.onRefusal(refusal, sourceOf(connection));
  };

  server.on('secureConnection', (socket) => {
    const [connection, onSecure] = waiting.get(endsOf(socket)) ?? [];
    // What is wrong on the way is told where octets are written; a reset peer is no news.
    socket.on('error', () => {});
    if (!connection || !onSecure) {
      socket.destroy();
      return;
    }
    const names = socket.authorized ? sipIdentities(socket.getPeerCertificate()) : [];
    const presented = material.ownRoots && socket.getPeerX509Certificate() !== undefined;
    if (presented && !socket.authorized) {
      refused(connection, `certificate of the peer: ${socket.authorizationError}`);
    }
    onSecure(socket, names);
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    const [connection] = waiting.get(endsOf(socket)) ?? [];
    if (connection) refused(connection, `TLS handshake: ${error.code ?? 'failed'}`);
    socket.destroy();
  });

  return {
    begin(connection, onSecure) {
      const { socket } = connection;
      const ends = endsOf(socket);
      waiting.set(ends, [connection, onSecure]);
      socket.once('close', () => waiting.delete(ends));
      server.emit('connection', socket);
    },
    renew: ({ options }) => server.setSecureContext(options),
  };
}

/** The same for a TLS socket and the one below it. */
function endsOf(socket: Socket): string {
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
}

/** SIP over TLS (RFC 3261 §26.3.1). `material` is asked for anew at each handshake. */
export function tlsSide(
  table: ConnectionTable,
  read: ReadStream,
  tls: { readonly server: Handshakes; material(): TlsMaterial },
): StreamSide {
  /** RFC 5923 §8.2: who asks for it, and proved who it is, gets its requests over this connection. */
  function aliased(connection: Connection, request: SipMessage): void {
    const via = topVia(request);
    const { host, peerNames = [] } = sourceOf(connection);
    if (!via?.params.has('alias')) return;
    const at = { host, port: via.port ?? defaultPort('tls') };
    for (const name of peerNames) table.alias(connection, peerKey(at, name));
  }

  return {
    accept(raw) {
      const connection = table.accept('tls', raw);
      if (connection === undefined) return;
      tls.server.begin(connection, (socket, names) => {
        table.established(connection, socket, names);
        const onFirst = (request: SipMessage): void => aliased(connection, request);
        read(connection, socket, names.length > 0 ? onFirst : undefined);
      });
    },
    connect(hop, localAddress) {
      const { context, ownRoots } = tls.material();
      const { host, port, serverName } = hop;
      const socket = connect({
        ...{ host, port, secureContext: context, noDelay: true },
        ...(localAddress === undefined ? {} : { localAddress }),
        ...(serverName === undefined || isIP(serverName) !== 0 ? {} : { servername: serverName }),
        rejectUnauthorized: true,
        checkServerIdentity: (_, certificate) => identityFault(certificate, hop),
      });
      // Nothing leaves before the peer has proved who it is.
      const connection = table.connect('tls', hop, { socket, hold: true });
      socket.once('secureConnect', () => {
        const names = ownRoots ? sipIdentities(socket.getPeerCertificate()) : [];
        table.established(connection, socket, names);
      });
      read(connection, socket);
      return connection;
    },
  };
}

/** RFC 5922 §7.3; a peer known by address alone must have that in its certificate. */
function identityFault(certificate: PeerCertificate, hop: Hop): Error | undefined {
  const wanted = hop.serverName ?? hop.host;
  if (isIP(wanted) !== 0) {
    if (new X509Certificate(certificate.raw).checkIP(wanted) !== undefined) return undefined;
    return new Error(`the certificate does not name the address ${wanted}`);
  }
  if (isSipIdentity(certificate, wanted)) return undefined;
  const named = sipIdentities(certificate).join(', ') || 'no SIP domain';
  return new Error(`the certificate is for ${named}, not for ${wanted} (RFC 5922 §7.3)`);
}
