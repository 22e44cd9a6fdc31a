/**
 * The connections of all stream transports, those that came in and those that were opened: one
 * table, one sweep for the bounds in time, one admission, one back-pressure.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../../engine/ports.ts';
import type { Hop, SendResult } from '../../../wire/sip/hop.ts';
import { admission } from './admission.ts';
import {
  type Connection,
  type Held,
  type Link,
  peerKey,
  type StreamTransport,
  sourceOf,
} from './connection.ts';
import { hostPort } from './listen-address.ts';
import type { TransportLimits, TransportReceiver } from './transport-contract.ts';

export interface ConnectionTable {
  /** Takes a connection that came in, `opening`; `undefined`: the bounds did not allow it. */
  accept(transport: StreamTransport, socket: Socket): Connection | undefined;
  /**
   * Keeps a connection of ours, which is on its way. With `hold`, what is written waits until it
   * is `established`.
   */
  connect(transport: StreamTransport, hop: Hop, made: Made): Connection;
  established(connection: Connection, link: Link, peerNames?: readonly string[]): void;
  /** That connection, else, unless none but it will do, one that reaches the same peer. */
  find(hop: Hop): Connection | undefined;
  write(connection: Connection, octets: Uint8Array): Promise<SendResult>;
  /** From now on hops with this key are reached over this connection. */
  alias(connection: Connection, key: string): void;
  /** Something was heard. */
  heard(connection: Connection): void;
  /** The octets make no sense any more: leave time for an answer, then close. */
  silence(connection: Connection): void;
  /** It is no stranger's: the bounds for strangers do not count it any more. */
  vouch(id: number): void;
  total(): number;
  counts(): Readonly<Record<StreamTransport, number>>;
  close(): Promise<void>;
}

interface Made {
  readonly socket: Socket;
  readonly hold: boolean;
}

const SENT: SendResult = { sent: true };
/** How often the bounds in time are looked at: one timer for all connections. */
const SWEEP_MS = 1_000;
/** Refused connections are told at most so often: who opens them must not fill the log. */
const REFUSALS_TOLD_MS = 10_000;

export function connectionTable(
  receiver: TransportReceiver,
  limits: TransportLimits,
  clock: Clock,
): ConnectionTable {
  const byId = new Map<number, Connection>();
  const byPeer = { tcp: peers(), tls: peers(), ws: peers(), wss: peers() };
  const counts = { tcp: 0, tls: 0, ws: 0, wss: 0 };
  const { admit } = admission(limits, receiver.trusted);
  let toldMs = Number.NEGATIVE_INFINITY;
  let untold = 0;
  // What a registration says of its connection is still read after a restart: no id comes again,
  // unless more than 1,000 a millisecond were opened before.
  let lastId = Date.now() * 1_000;
  let vouched = 0;
  let stopSweep: (() => void) | undefined;

  function add(transport: StreamTransport, socket: Socket, facts: Facts): Connection {
    lastId += 1;
    const { peer, incoming, hold, leave } = facts;
    const connection: Connection = {
      ...{ id: lastId, transport, socket, incoming, leave },
      peer: `${transport}://${peer}`,
      link: socket,
      stage: 'opening',
      vouched: false,
      source: undefined,
      activeMs: clock.now(),
      partialMs: undefined,
      pingedMs: undefined,
      held: hold ? [] : undefined,
      heldBytes: 0,
      keys: [],
    };
    byId.set(lastId, connection);
    counts[transport] += 1;
    stopSweep ??= clock.timer(SWEEP_MS, sweep);
    // What failed is told to those whose octets were not sent; a reset peer is no news.
    socket.on('error', () => {});
    socket.once('close', () => gone(connection));
    return connection;
  }

  function gone(connection: Connection): void {
    const { id, transport, keys, held, link } = connection;
    if (!byId.delete(id)) return;
    counts[transport] -= 1;
    for (const key of keys) {
      if (byPeer[transport].get(key) === connection) byPeer[transport].delete(key);
    }
    connection.leave();
    if (connection.vouched) vouched -= 1;
    connection.held = undefined;
    const cause = link.errored?.message ?? 'the connection was closed';
    for (const { resolve } of held ?? []) resolve(unsent(connection, cause));
  }

  function alias(connection: Connection, key: string): void {
    // What is gone would keep its place for ever.
    if (!byId.has(connection.id)) return;
    connection.keys.push(key);
    byPeer[connection.transport].set(key, connection);
  }

  /**
   * Where a peer came from, without proof (RFC 3261 §18): over TLS an address alone is nobody's, and
   * who has the place of another connection came by way of another listener of ours.
   */
  function aliasSource(connection: Connection, source: Hop): void {
    const { transport } = connection;
    if (transport === 'tls' || transport === 'wss') return;
    const key = peerKey(source, undefined);
    if (byPeer[transport].get(key)?.link.writable !== true) alias(connection, key);
  }

  function vouch(id: number): void {
    const connection = byId.get(id);
    if (connection === undefined || connection.vouched || vouched >= limits.vouchedMax) return;
    vouched += 1;
    connection.vouched = true;
    connection.leave();
  }

  function drop(connection: Connection, why: string): void {
    receiver.onError({ where: connection.peer, what: `connection closed: ${why}` });
    connection.link.destroy(new Error(why));
  }

  /** Opening takes too long: of our own connections the sender hears it, of others the metrics. */
  function giveUp(connection: Connection): void {
    if (!connection.incoming) {
      drop(connection, `no answer within ${limits.connectWithinMs} ms`);
      return;
    }
    const section = 'RFC 3261 §26.1.5';
    const reason = 'handshake not finished in time';
    receiver.onRefusal({ kind: 'refusal', status: null, reason, section }, sourceOf(connection));
    connection.link.destroy();
  }

  function sweep(): void {
    const nowMs = clock.now();
    for (const connection of byId.values()) {
      const { activeMs, partialMs, pingedMs, stage, link, socket } = connection;
      if (socket.destroyed) continue;
      if (stage === 'opening') {
        if (nowMs - activeMs >= limits.connectWithinMs) giveUp(connection);
      } else if (partialMs !== undefined && nowMs - partialMs >= limits.messageWithinMs) {
        drop(connection, `a message was not complete within ${limits.messageWithinMs} ms`);
      } else if (nowMs - activeMs >= limits.idleMs) {
        // Not once all is written: who does not read would stay for ever.
        link.destroy();
      } else if (pingedMs !== undefined && nowMs - pingedMs >= limits.pongWithinMs) {
        link.destroy();
      } else if (link.ping && pingedMs === undefined && nowMs - activeMs >= limits.pingQuietMs) {
        connection.pingedMs = nowMs;
        link.ping();
      }
    }
    stopSweep = byId.size === 0 ? undefined : clock.timer(SWEEP_MS, sweep);
  }

  function refuse(transport: StreamTransport, socket: Socket, why: string): void {
    const { remoteAddress: host = '', remotePort: port = 0 } = socket;
    socket.on('error', () => {});
    socket.destroy();
    if (clock.now() - toldMs < REFUSALS_TOLD_MS) {
      untold += 1;
      return;
    }
    const more = untold === 0 ? '' : ` (and ${untold} more since this was last said)`;
    toldMs = clock.now();
    untold = 0;
    const where = `${transport}://${hostPort({ host, port })}`;
    receiver.onError({ where, what: `connection refused: ${why}${more}` });
  }

  function hold(connection: Connection, octets: Uint8Array, held: Held[]): Promise<SendResult> {
    connection.heldBytes += octets.length;
    if (connection.heldBytes > limits.writeBytesMax) {
      return Promise.resolve(unsent(connection, 'too much waits for its handshake'));
    }
    return new Promise((resolve) => held.push({ octets, resolve }));
  }

  function write(connection: Connection, octets: Uint8Array): Promise<SendResult> {
    const { link, held } = connection;
    if (held !== undefined) return hold(connection, octets, held);
    if (link.writableLength > limits.writeBytesMax) {
      const reason = `${connection.peer} does not read: ${link.writableLength} octets wait for it`;
      return Promise.resolve({ sent: false, reason });
    }
    return new Promise((resolve) => {
      link.write(octets, (error) => {
        if (!error) {
          connection.activeMs = clock.now();
          resolve(SENT);
        } else resolve(unsent(connection, (link.errored ?? error).message));
      });
      // Who does not read our answers is not read either.
      if (link.writableLength > limits.pauseAboveBytes) link.pause();
    });
  }

  return {
    accept(transport, socket) {
      const { remoteAddress: host = '', remotePort: port = 0 } = socket;
      const verdict = admit(host, byId.size);
      if ('why' in verdict) {
        refuse(transport, socket, verdict.why);
        return undefined;
      }
      const facts = { incoming: true, hold: false, leave: verdict.leave };
      return add(transport, socket, { peer: hostPort({ host, port }), ...facts });
    },
    connect(transport, hop, { socket, hold }) {
      const facts = { incoming: false, hold, leave() {} };
      const connection = add(transport, socket, { peer: hostPort(hop), ...facts });
      // At once: a second request must not open another one meanwhile.
      alias(connection, peerKey(hop, hop.serverName));
      return connection;
    },
    established(connection, link, peerNames) {
      const { held } = connection;
      // It was given up meanwhile.
      if (!byId.has(connection.id)) return void link.destroy();
      connection.link = link;
      connection.stage = 'open';
      connection.activeMs = clock.now();
      const source = sourceOf(connection);
      if (peerNames?.length) {
        connection.source = { ...source, peerNames };
        vouch(connection.id);
      }
      if (connection.incoming) aliasSource(connection, source);
      connection.held = undefined;
      for (const { octets, resolve } of held ?? []) void write(connection, octets).then(resolve);
    },
    find(hop) {
      if (hop.transport === 'udp') return undefined;
      const own = hop.connection === undefined ? undefined : byId.get(hop.connection);
      if (own?.link.writable === true && own.transport === hop.transport) return own;
      if (hop.connectionOnly) return undefined;
      const other = byPeer[hop.transport].get(peerKey(hop, hop.serverName));
      return other?.link.writable === true ? other : undefined;
    },
    write,
    alias,
    heard(connection) {
      connection.activeMs = clock.now();
      connection.pingedMs = undefined;
    },
    silence(connection) {
      connection.stage = 'deaf';
      clock.timer(limits.lingerMs, () => connection.link.destroySoon());
    },
    vouch,
    total: () => byId.size,
    counts: () => ({ ...counts }),
    async close() {
      stopSweep?.();
      const all = [...byId.values()];
      const ended = all.map(
        ({ socket }) => new Promise((resolve) => socket.once('close', resolve)),
      );
      for (const { link } of all) link.destroy();
      await Promise.all(ended);
    },
  };
}

interface Facts {
  readonly peer: string;
  readonly incoming: boolean;
  readonly hold: boolean;
  leave(): void;
}

function peers(): Map<string, Connection> {
  return new Map();
}

function unsent({ peer }: Connection, cause: string): SendResult {
  return { sent: false, reason: `cannot send to ${peer}: ${cause}` };
}
