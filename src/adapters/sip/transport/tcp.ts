import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../../engine/ports.ts';
import { type SipFramer, sipFramer } from '../../../wire/sip/framing.ts';
import type { Hop, SendResult } from '../../../wire/sip/hop.ts';
import { admission } from './admission.ts';
import { hostPort, type ListenAddress, listenFailure } from './listen-address.ts';
import type { TransportLimits, TransportReceiver } from './transport-contract.ts';

export interface TcpConnections {
  listen(address: ListenAddress): Promise<ListenAddress | { readonly failure: string }>;
  /** On the hop's connection, else on one to the same peer, else on a new one. */
  send(octets: Uint8Array, hop: Hop): Promise<SendResult>;
  count(): number;
  stopListening(): void;
  close(): Promise<void>;
}

interface Connection {
  readonly id: number;
  readonly socket: Socket;
  readonly framer: SipFramer;
  /** Where the peer is, for the table and for messages. */
  readonly peer: string;
  source: Hop | undefined;
  connecting: boolean;
  /** When octets last went either way; while connecting, when that began. */
  activeMs: number;
  /** When the first octet of the message came that is not complete. */
  partialMs: number | undefined;
  /** The framing is lost: nothing more is read. */
  deaf: boolean;
}

const SENT: SendResult = { sent: true };
const PONG = Uint8Array.of(13, 10);
/** How often the bounds in time are looked at: one timer for all connections. */
const SWEEP_MS = 1_000;
/** Refused connections are told at most so often: who opens them must not fill the log. */
const REFUSALS_TOLD_MS = 10_000;

/** The TCP connections of a SIP element, those that came in and those it opened. */
export function tcpConnections(
  receiver: TransportReceiver,
  limits: TransportLimits,
  clock: Clock,
): TcpConnections {
  const servers: Server[] = [];
  const byId = new Map<number, Connection>();
  const byPeer = new Map<string, Connection>();
  const { admit } = admission(limits, receiver.trusted);
  let toldMs = Number.NEGATIVE_INFINITY;
  let untold = 0;
  let lastId = 0;
  let stopSweep: (() => void) | undefined;
  let closed = false;

  const drop = (connection: Connection, why: string): void => {
    receiver.onError({ where: `tcp://${connection.peer}`, what: `connection closed: ${why}` });
    connection.socket.destroy(new Error(why));
  };

  const sweep = (): void => {
    const nowMs = clock.now();
    for (const connection of byId.values()) {
      const { activeMs, partialMs, connecting } = connection;
      if (connecting && nowMs - activeMs >= limits.connectWithinMs) {
        drop(connection, `no answer within ${limits.connectWithinMs} ms`);
      } else if (partialMs !== undefined && nowMs - partialMs >= limits.messageWithinMs) {
        drop(connection, `a message was not complete within ${limits.messageWithinMs} ms`);
      } else if (nowMs - activeMs >= limits.idleMs) {
        // Not once all is written: who does not read would stay for ever.
        connection.socket.destroy();
      }
    }
    stopSweep = byId.size === 0 ? undefined : clock.timer(SWEEP_MS, sweep);
  };

  const add = (socket: Socket, peer: string, connecting: boolean): Connection => {
    lastId += 1;
    const connection: Connection = {
      id: lastId,
      socket,
      framer: sipFramer(),
      peer,
      source: undefined,
      connecting,
      activeMs: clock.now(),
      partialMs: undefined,
      deaf: false,
    };
    byId.set(connection.id, connection);
    byPeer.set(peer, connection);
    stopSweep ??= clock.timer(SWEEP_MS, sweep);
    // Each write is a whole message: waiting to fill a segment only delays it.
    socket.setNoDelay(true);
    socket.on('connect', () => {
      connection.connecting = false;
      connection.activeMs = clock.now();
    });
    socket.on('data', (chunk) => read(connection, chunk));
    socket.on('drain', () => socket.resume());
    // What failed is told to those whose octets were not sent; a reset peer is no news.
    socket.on('error', () => {});
    socket.on('close', () => {
      byId.delete(connection.id);
      if (byPeer.get(peer) === connection) byPeer.delete(peer);
    });
    return connection;
  };

  const read = (connection: Connection, chunk: Uint8Array): void => {
    if (connection.deaf) return;
    connection.activeMs = clock.now();
    const source = sourceOf(connection);
    // A plain array over the same octets: those of a Buffer behave otherwise in part.
    const octets = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    const found = connection.framer.push(octets);
    for (const item of found) {
      if (item.kind === 'ping') void write(connection, PONG);
      else if (item.kind === 'message') receiver.onMessage(item.message, source);
      else {
        receiver.onRefusal(item, source);
        if (item.fatal) silence(connection);
      }
    }
    if (connection.framer.pending === 0) connection.partialMs = undefined;
    else if (found.length > 0) connection.partialMs = connection.activeMs;
    else connection.partialMs ??= connection.activeMs;
  };

  /** The octets make no sense any more: leave time for an answer, then close. */
  const silence = (connection: Connection): void => {
    connection.deaf = true;
    clock.timer(limits.lingerMs, () => connection.socket.destroySoon());
  };

  const write = (connection: Connection, octets: Uint8Array): Promise<SendResult> => {
    const { socket, peer } = connection;
    if (socket.writableLength > limits.writeBytesMax) {
      const reason = `tcp://${peer} does not read: ${socket.writableLength} octets wait for it`;
      return Promise.resolve({ sent: false, reason });
    }
    return new Promise((resolve) => {
      socket.write(octets, (error) => {
        if (!error) {
          connection.activeMs = clock.now();
          resolve(SENT);
          return;
        }
        const cause = socket.errored ?? error;
        resolve({ sent: false, reason: `cannot send to tcp://${peer}: ${cause.message}` });
      });
      // Who does not read our answers is not read either.
      if (socket.writableLength > limits.pauseAboveBytes) socket.pause();
    });
  };

  const find = (hop: Hop): Connection | undefined => {
    const own = hop.connection === undefined ? undefined : byId.get(hop.connection);
    if (own?.socket.writable === true) return own;
    const other = byPeer.get(hostPort(hop));
    return other?.socket.writable === true ? other : undefined;
  };

  const accept = (socket: Socket): void => {
    const host = socket.remoteAddress ?? '';
    const peer = hostPort({ host, port: socket.remotePort ?? 0 });
    const verdict = admit(host, byId.size);
    if ('leave' in verdict) {
      socket.once('close', verdict.leave);
      add(socket, peer, false);
    } else refuse(socket, peer, verdict.why);
  };

  const refuse = (socket: Socket, peer: string, why: string): void => {
    socket.on('error', () => {});
    socket.destroy();
    if (clock.now() - toldMs < REFUSALS_TOLD_MS) {
      untold += 1;
      return;
    }
    const more = untold === 0 ? '' : ` (and ${untold} more since this was last said)`;
    toldMs = clock.now();
    untold = 0;
    receiver.onError({ where: `tcp://${peer}`, what: `connection refused: ${why}${more}` });
  };

  return {
    async listen(address) {
      const server = createServer({ noDelay: true }, accept);
      const error = await listening(server, address);
      if (error !== undefined) return { failure: listenFailure(address, error) };
      servers.push(server);
      const at = server.address();
      const port = at !== null && typeof at === 'object' ? at.port : address.port;
      const where = `tcp://${hostPort({ host: address.host, port })}`;
      server.on('error', (cause) => receiver.onError({ where, what: cause.message }));
      return { ...address, port };
    },
    send(octets, hop) {
      if (closed) return Promise.resolve({ sent: false, reason: 'the transports are closed' });
      const existing = find(hop);
      if (existing !== undefined) return write(existing, octets);
      if (byId.size >= limits.connectionsMax) {
        const reason = `no new connection: there are ${limits.connectionsMax} already`;
        return Promise.resolve({ sent: false, reason });
      }
      const socket = connect({ host: hop.host, port: hop.port });
      return write(add(socket, hostPort(hop), true), octets);
    },
    count: () => byId.size,
    stopListening() {
      for (const server of servers) server.close();
    },
    async close() {
      closed = true;
      stopSweep?.();
      const gone = [...byId.values()].map(
        ({ socket }) => new Promise((resolve) => socket.once('close', resolve)),
      );
      for (const { socket } of byId.values()) socket.destroy();
      await Promise.all([...gone, ...servers.map(ended)]);
    },
  };
}

function sourceOf(connection: Connection): Hop {
  const { id, socket, source } = connection;
  if (source !== undefined) return source;
  connection.source = {
    transport: 'tcp',
    host: socket.remoteAddress ?? '',
    port: socket.remotePort ?? 0,
    local: hostPort({ host: socket.localAddress ?? '', port: socket.localPort ?? 0 }),
    connection: id,
  };
  return connection.source;
}

function listening(
  server: Server,
  { host, port }: ListenAddress,
): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    server.once('error', resolve);
    server.listen({ host, port, ipv6Only: host.includes(':'), exclusive: true }, () => {
      server.off('error', resolve);
      resolve(undefined);
    });
  });
}

/** Resolves when the server and its connections are gone, also when it was closed before. */
function ended(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
