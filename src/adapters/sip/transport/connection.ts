import type { Socket } from 'node:net';
import type { Hop, SendResult, SipTransport } from '../../../wire/sip/hop.ts';
import { hostPort } from './listen-address.ts';

export type StreamTransport = Exclude<SipTransport, 'udp'>;

/** What octets are written to: a socket as it is, or a WebSocket over one. */
export interface Link {
  readonly writable: boolean;
  /** Octets that the peer has not taken yet. */
  readonly writableLength: number;
  readonly errored?: Error | null;
  write(octets: Uint8Array, done: (error?: Error | null) => void): unknown;
  pause(): unknown;
  /** At once. */
  destroy(why?: Error): unknown;
  /** Once what was written is out. */
  destroySoon(): unknown;
  /** Only where the transport has a ping of its own. */
  ping?(): void;
}

export interface Held {
  readonly octets: Uint8Array;
  readonly resolve: (result: SendResult) => void;
}

export interface Connection {
  readonly id: number;
  readonly transport: StreamTransport;
  /** What all of it goes over: its close is the connection's. */
  readonly socket: Socket;
  /** `tcp://host:port` of the peer, for messages. */
  readonly peer: string;
  /** Peers open connections too: what they do wrong must not fill the log. */
  readonly incoming: boolean;
  link: Link;
  /** `opening`: a handshake goes on. `deaf`: nothing is read any more. */
  stage: 'opening' | 'open' | 'deaf';
  /** A stranger's, that proved who it is. */
  vouched: boolean;
  source: Hop | undefined;
  /** When octets last went either way; while opening, when that began. */
  activeMs: number;
  /** When the first octet of the message came that is not complete. */
  partialMs: number | undefined;
  /** When the ping left that nothing was heard since. */
  pingedMs: number | undefined;
  /** What waits until the peer has proved who it is. */
  held: Held[] | undefined;
  heldBytes: number;
  /** Keys of `byPeer`, see `peerKey`. */
  readonly keys: string[];
  leave(): void;
}

/** One transport over streams: what becomes of a socket that came in, and how a hop is reached. */
export interface StreamSide {
  accept(socket: Socket): void;
  /** Absent: only peers open connections. */
  connect?(hop: Hop, localAddress: string | undefined): Connection;
}

/**
 * Under what a connection is looked for. One that was verified to be a name's serves hops that ask
 * for that name and no others (RFC 5922 §7.3): other names may live at the same address.
 */
export function peerKey(at: Pick<Hop, 'host' | 'port'>, serverName: string | undefined): string {
  return serverName === undefined ? hostPort(at) : `${hostPort(at)} ${serverName.toLowerCase()}`;
}

/** The hop of what comes in over it. */
export function sourceOf(connection: Connection): Hop {
  const { id, transport, socket, source } = connection;
  if (source !== undefined) return source;
  connection.source = {
    transport,
    host: socket.remoteAddress ?? '',
    port: socket.remotePort ?? 0,
    local: hostPort({ host: socket.localAddress ?? '', port: socket.localPort ?? 0 }),
    connection: id,
  };
  return connection.source;
}
