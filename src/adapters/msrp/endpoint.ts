/** MSRP over TCP: one listening socket, and the sessions that connect or are connected to. */
import { connect, createServer, type Socket } from 'node:net';
import type { Clock } from '../../engine/ports.ts';
import { isIpAddress } from '../../wire/ip-address.ts';
import { type MessageSink, type MsrpSession, msrpSession } from '../../wire/msrp/session.ts';
import { parseMsrpUri } from '../../wire/msrp/uri.ts';
import { type Connection, msrpConnection } from './connection.ts';
import { type EndpointSession, endpointSession, type SessionRequest } from './endpoint-session.ts';
import type { MsrpSignal } from './frame-journal.ts';
import { ENDPOINT_LIMITS, type EndpointLimits } from './limits.ts';
import { type Place, sessionTable } from './session-table.ts';

export type { EndpointSession, MsrpSignal, SessionRequest };

export interface EndpointOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** MSRP over TLS beside it; `material` in PEM is asked for anew at each handshake. */
  readonly tls?: {
    readonly listen: { readonly host: string; readonly port: number };
    material(): { readonly cert: string; readonly key: string };
  };
  readonly limits?: Partial<EndpointLimits>;
  /** Only differences of `now()` count: it had better be steady, whatever the wall clock does. */
  readonly clock: Clock;
  /** Octets that nobody can guess. */
  readonly random: (octets: number) => Uint8Array;
  /** Every frame received or sent, as it is on the wire; of a long body its length and digest. */
  readonly journal?: (signal: MsrpSignal) => void;
  /** What was not accepted, and from whom. */
  readonly refused?: (refusal: {
    readonly reason: string;
    readonly section: string;
    readonly remote: string;
  }) => void;
}

export interface MsrpEndpoint {
  readonly host: string;
  readonly port: number;
  /** Where MSRP over TLS is listened for; absent without `EndpointOptions.tls`. */
  readonly tls?: {
    readonly port: number;
    /** Of our certificate, as `a=fingerprint` says it. */
    fingerprint(): string;
  };
  /**
   * Announces a session id that stands in an offer: a peer may connect before its answer is here,
   * and then waits. The returned function gives the id up again.
   */
  reserve(sessionId: string): () => void;
  /** The active side: connects to the leftmost URI of `remotePath` (RFC 4975 §5.4). */
  connectSession<Sink extends MessageSink>(request: SessionRequest<Sink>): EndpointSession;
  /** The passive side: waits for a connection whose first SEND names `localUri`. */
  acceptSession<Sink extends MessageSink>(request: SessionRequest<Sink>): EndpointSession;
  /** Ends all sessions, flushes their answers and stops listening. */
  close(): Promise<void>;
}

/** Rejects only when the address cannot be listened on. */
export async function openMsrpEndpoint(options: EndpointOptions): Promise<MsrpEndpoint> {
  const { clock } = options;
  const random = pooled(options.random);
  const limits = { ...ENDPOINT_LIMITS, ...options.limits };
  const table = sessionTable(random(32));
  const connections = new Set<Connection>();
  const sessions = new Set<EndpointSession>();
  /** Connections that came in and are not bound, oldest first, with the address of the peer. */
  const strangers = new Map<Connection, string>();
  /** Among whom a connection waits for its session's place. */
  const parkedAt = new Map<Connection, Set<Connection>>();
  const refused = options.refused ?? (() => {});

  function open(socket: Socket): Connection {
    const { journal } = options;
    const closed = (gone: Connection) => {
      connections.delete(gone);
      parkedAt.get(gone)?.delete(gone);
      parkedAt.delete(gone);
      strangers.delete(gone);
    };
    const routes = { find, route, refused, closed };
    const connection = msrpConnection(socket, { limits, clock, journal, ...routes });
    connections.add(connection);
    return connection;
  }

  function find(uri: string, connection: Connection): MsrpSession | undefined {
    const place = table.find(uri);
    return place?.kind === 'bound' && place.connection === connection ? place.session : undefined;
  }

  function route(uri: string, connection: Connection): MsrpSession | 'wait' | 481 | 506 {
    const place = table.find(uri);
    switch (place?.kind) {
      case undefined:
        return 481;
      case 'bound':
        return 506;
      case 'reserved':
        place.parked.add(connection);
        parkedAt.set(connection, place.parked);
        return 'wait';
      case 'waiting':
        strangers.delete(connection);
        return place.bind(connection);
      default:
        return place satisfies never;
    }
  }

  /**
   * Why a connection from `host` is refused. When all places are taken, the oldest that has named
   * no session goes: who says nothing must not keep those out that were called.
   */
  function lackOfRoom(host: string): string | undefined {
    let same = 0;
    for (const each of strangers.values()) if (each === host) same++;
    if (same >= limits.unboundPerAddressMax) return 'too many unbound connections from one address';
    if (strangers.size < limits.unboundConnectionsMax) return undefined;
    for (const connection of strangers.keys()) {
      if (parkedAt.has(connection)) continue;
      strangers.delete(connection);
      connection.destroy('too many unbound connections');
      return undefined;
    }
    return 'too many unbound connections';
  }

  function incoming(socket: Socket): void {
    const connection = open(socket);
    const host = socket.remoteAddress ?? '';
    const reason = lackOfRoom(host);
    if (reason !== undefined) {
      refused({ reason, section: '', remote: connection.remote });
      connection.destroy(reason);
      return;
    }
    strangers.set(connection, host);
    const cancel = clock.timer(limits.bindMs, () => {
      if (connection.size === 0) connection.destroy('no session named in time');
    });
    socket.once('close', cancel);
  }

  function session<Sink extends MessageSink>(
    request: SessionRequest<Sink>,
    role: 'active' | 'passive',
  ): EndpointSession {
    const { sessionId } = parseMsrpUri(request.localUri) ?? {};
    if (sessionId === undefined) throw new TypeError('localUri needs a session-id');
    let connection: Connection | undefined;
    let hangUp = (): void => {};

    const made = endpointSession<Sink>({
      request,
      clock,
      bindMs: limits.bindMs,
      connection: () => connection,
      ended() {
        sessions.delete(made);
        hangUp();
        table.remove(sessionId, place);
      },
      make: (link) => msrpSession({ ...request, role, clock, random, limits, ...link }),
    });
    sessions.add(made);
    const use = (to: Connection): MsrpSession => {
      connection = to;
      place = { kind: 'bound', session: made.session, connection: to };
      table.put(sessionId, place);
      to.attach(made);
      return made.session;
    };
    let place: Place =
      role === 'active' ? { kind: 'bound', session: made.session } : { kind: 'waiting', bind: use };
    table.put(sessionId, place);
    if (role === 'active') hangUp = dial(request.remotePath, made, use);
    return made;
  }

  function dial(
    remotePath: readonly string[],
    made: EndpointSession,
    use: (connection: Connection) => MsrpSession,
  ): () => void {
    const peer = parseMsrpUri(remotePath[0] ?? '');
    if (peer?.scheme !== 'msrp' || peer.transport.toLowerCase() !== 'tcp') {
      queueMicrotask(() => made.session.disconnected('the peer has no msrp URI over tcp'));
      return () => {};
    }
    if (!isIpAddress(peer.host)) {
      // A look-up that hangs holds one of the few threads that also flush the log.
      const reason = `the peer's path names ${peer.host}: only IP addresses are connected to`;
      queueMicrotask(() => made.session.disconnected(reason));
      return () => {};
    }
    // RFC 4975 §6: without a port, 2855.
    const socket = connect({ host: peer.host, port: peer.port ?? 2855 });
    const failed = (error: Error) => made.session.disconnected(`cannot connect: ${error.message}`);
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      use(open(socket)).connected();
    });
    // A session that ends before its connection stands needs none any more.
    return () => {
      if (socket.connecting) socket.destroy();
    };
  }

  const server = createServer(incoming);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...options.listen }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = server.address();
  const at = typeof bound === 'object' && bound !== null ? bound : { address: '', port: 0 };

  return {
    host: at.address,
    port: at.port,
    reserve(sessionId) {
      const place: Place = { kind: 'reserved', parked: new Set() };
      table.put(sessionId, place);
      return () => table.remove(sessionId, place);
    },
    connectSession: (request) => session(request, 'active'),
    acceptSession: (request) => session(request, 'passive'),
    async close() {
      const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
      await Promise.all([...sessions].map((each) => each.close()));
      for (const connection of [...connections]) {
        if (connection.size === 0) connection.finish();
      }
      await stopped;
    },
  };
}

const POOL_OCTETS = 4096;

/** Asks for random octets seldom and many: a call for each transaction id is a large part of it. */
function pooled(random: (octets: number) => Uint8Array): (octets: number) => Uint8Array {
  let pool = new Uint8Array(0);
  let used = 0;
  return (octets) => {
    if (used + octets > pool.length) {
      pool = Uint8Array.from(random(Math.max(POOL_OCTETS, octets)));
      used = 0;
    }
    used += octets;
    return pool.subarray(used - octets, used);
  };
}
