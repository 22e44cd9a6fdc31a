/** MSRP over TCP and TLS: listening sockets, and the sessions that connect or are connected to. */
import { createServer, type Socket } from 'node:net';
import type { Clock } from '../../engine/ports.ts';
import { type MessageSink, type MsrpSession, msrpSession } from '../../wire/msrp/session.ts';
import { parseMsrpUri } from '../../wire/msrp/uri.ts';
import { address, type Connection, msrpConnection } from './connection.ts';
import { connectTo, type DialRequest } from './dial.ts';
import { type EndpointSession, endpointSession, type SessionRequest } from './endpoint-session.ts';
import type { MsrpSignal } from './frame-journal.ts';
import { hostAddresses } from './host-address.ts';
import { ENDPOINT_LIMITS, type EndpointLimits } from './limits.ts';
import { listening } from './listening.ts';
import { type Place, sessionTable } from './session-table.ts';
import { type Stranger, strangersAtTheDoor } from './strangers.ts';
import { handshakes, type Security, strangerFault, type TlsMaterial } from './tls.ts';

export type { EndpointSession, MsrpSignal, SessionRequest };

export interface EndpointOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** MSRP over TLS beside it; `material` in PEM is asked for anew at each handshake. */
  readonly tls?: {
    readonly listen: { readonly host: string; readonly port: number };
    material(): TlsMaterial;
  };
  readonly limits?: Partial<EndpointLimits>;
  /** `ADDRESS` or `ADDRESS:PORT`, asked for hosts that paths name; absent: the system's. */
  readonly dnsServers?: readonly string[];
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

/** Rejects only when an address cannot be listened on, or the certificate cannot be used. */
export async function openMsrpEndpoint(options: EndpointOptions): Promise<MsrpEndpoint> {
  const { clock } = options;
  const random = pooled(options.random);
  const limits = { ...ENDPOINT_LIMITS, ...options.limits };
  const table = sessionTable(random(32));
  const connections = new Set<Connection>();
  const sessions = new Set<EndpointSession>();
  /** Among whom a connection waits for its session's place. */
  const parkedAt = new Map<Stranger, Set<Connection>>();
  const strangers = strangersAtTheDoor(limits, (stranger) => parkedAt.has(stranger));
  const handshaking = new Set<Socket>();
  const refused = options.refused ?? (() => {});
  const addressOf = hostAddresses(options.dnsServers);

  function open(socket: Socket, security?: Security): Connection {
    const { journal } = options;
    const closed = (gone: Connection) => {
      connections.delete(gone);
      parkedAt.get(gone)?.delete(gone);
      parkedAt.delete(gone);
      strangers.leave(gone);
    };
    const routes = { find, route, refused, closed };
    const connection = msrpConnection(socket, { limits, clock, security, journal, ...routes });
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
      case 'waiting': {
        const reason = place.fault(connection);
        strangers.leave(connection);
        if (reason === undefined) return place.bind(connection);
        refused({ reason, section: 'RFC 8122 §6.2', remote: connection.remote });
        return 481;
      }
      default:
        return place satisfies never;
    }
  }

  function incoming(socket: Socket, security?: Security): void {
    const connection = open(socket, security);
    if (!admitted(socket, connection)) return;
    const cancel = clock.timer(limits.bindMs, () => {
      if (connection.size === 0) connection.destroy('no session named in time');
    });
    socket.once('close', cancel);
  }

  function admitted(socket: Socket, stranger: Stranger): boolean {
    const reason = strangers.admit(stranger, socket.remoteAddress ?? '');
    if (reason === undefined) return true;
    refused({ reason, section: '', remote: address(socket.remoteAddress, socket.remotePort) });
    stranger.destroy(reason);
    return false;
  }

  /** Who has not shaken hands counts as a stranger like the others. */
  function incomingTls(socket: Socket): void {
    const stranger = { destroy: () => void socket.destroy() };
    socket.on('error', () => {});
    if (tls === undefined || !admitted(socket, stranger)) return;
    const cancel = clock.timer(limits.bindMs, stranger.destroy);
    handshaking.add(socket);
    const over = (): void => {
      cancel();
      handshaking.delete(socket);
      strangers.leave(stranger);
    };
    socket.once('close', over);
    tls.begin(socket, (secure, security) => {
      over();
      incoming(secure, security);
    });
  }

  function session<Sink extends MessageSink>(
    request: SessionRequest<Sink>,
    role: 'active' | 'passive',
  ): EndpointSession {
    const { sessionId, scheme } = parseMsrpUri(request.localUri) ?? {};
    if (sessionId === undefined) throw new TypeError('localUri needs a session-id');
    const wanted = { secure: scheme === 'msrps', fingerprint: request.peerFingerprint };
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
      role === 'active'
        ? { kind: 'bound', session: made.session }
        : { kind: 'waiting', bind: use, fault: ({ security }) => strangerFault(security, wanted) };
    table.put(sessionId, place);
    if (role === 'active') hangUp = dial(request, made, use);
    return made;
  }

  function dial(
    request: DialRequest,
    made: EndpointSession,
    use: (connection: Connection) => MsrpSession,
  ): () => void {
    return connectTo(request, {
      addressOf,
      material: options.tls?.material,
      connected: (socket, security) => use(open(socket, security)).connected(),
      failed: (reason) => made.session.disconnected(reason),
    });
  }

  const tls =
    options.tls &&
    handshakes(options.tls.material, (reason, socket) => {
      const remote = address(socket.remoteAddress, socket.remotePort);
      refused({ reason, section: 'RFC 4975 §14.3', remote });
    });
  const server = createServer((socket) => incoming(socket));
  const at = await listening(server, options.listen);
  const tlsServer = createServer(incomingTls);
  const tlsAt =
    options.tls &&
    (await listening(tlsServer, options.tls.listen).catch((error: unknown) => {
      server.close();
      throw error;
    }));

  return {
    host: at.address,
    port: at.port,
    ...(tls && tlsAt ? { tls: { port: tlsAt.port, fingerprint: tls.fingerprint } } : {}),
    reserve(sessionId) {
      const place: Place = { kind: 'reserved', parked: new Set() };
      table.put(sessionId, place);
      return () => table.remove(sessionId, place);
    },
    connectSession: (request) => session(request, 'active'),
    acceptSession: (request) => session(request, 'passive'),
    async close() {
      const stopped = [server, tlsServer].map(
        (each) => new Promise<void>((resolve) => each.close(() => resolve())),
      );
      for (const socket of handshaking) socket.destroy();
      await Promise.all([...sessions].map((each) => each.close()));
      for (const connection of [...connections]) {
        if (connection.size === 0) connection.finish();
      }
      await Promise.all(stopped);
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
