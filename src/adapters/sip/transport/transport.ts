import { isIPv6 } from 'node:net';
import type { Clock } from '../../../engine/ports.ts';
import type { Hop, SendResult } from '../../../wire/sip/hop.ts';
import { parseTransportAddress } from '../../../wire/sip/transport-address.ts';
import type { StreamSide, StreamTransport } from './connection.ts';
import { connectionTable } from './connection-table.ts';
import { hostPort, type ListenAddress } from './listen-address.ts';
import { ownEnd } from './own-end.ts';
import { type StreamListener, streamListener } from './stream-listener.ts';
import { streamReader } from './stream-reader.ts';
import { tcpSide } from './tcp.ts';
import { handshakes, tlsSide } from './tls.ts';
import {
  certificateUntilMs,
  certificateWarning,
  readTlsMaterial,
  type TlsFiles,
} from './tls-material.ts';
import {
  TRANSPORT_LIMITS,
  type TransportLimits,
  type TransportReceiver,
} from './transport-contract.ts';
import { openUdp, type UdpSocket } from './udp.ts';
import { webSocketSide } from './web-socket.ts';

export interface SipTransports {
  readonly kind: 'open';
  /** In the order asked for, with the ports that the system chose. */
  readonly listening: readonly ListenAddress[];
  send(octets: Uint8Array, hop: Hop): Promise<SendResult>;
  /** Who came by there proved who it is: bounds for strangers do not count its connection. */
  vouch(source: Hop): void;
  /** Reads the files of TLS anew; when one is bad, all stays as it is. Connections go on. */
  reloadTls(): Promise<{ readonly kind: 'reloaded' } | Failed>;
  counts(): TransportCounts;
  /** No new connections; those that are open, and UDP, go on, so that work can be finished. */
  stopListening(): void;
  /** Cuts everything off; resolves when all sockets are closed. */
  close(): Promise<void>;
}

export interface TransportCounts {
  readonly connections: number;
  readonly connectionsBy: Readonly<Record<StreamTransport, number>>;
  readonly keepAlivesTotal: number;
  /** When our certificate expires, in epoch milliseconds; `undefined`: there is none. */
  readonly certificateUntilMs: number | undefined;
}

export interface TransportOptions {
  /** `udp://127.0.0.1:5060`, `tls://[::1]:5061`; port 0 lets the system choose. */
  readonly listen: readonly string[];
  readonly limits?: Partial<TransportLimits>;
  readonly tls?: TlsFiles;
  /** Web origins whose pages may connect; absent: any. */
  readonly webSocketOrigins?: readonly string[];
}

interface Failed {
  readonly kind: 'failed';
  readonly failures: readonly string[];
}

const SCHEMES = 'udp://<address>:<port>, or tcp, tls, ws or wss in place of udp';

/** All or none: `failed` says for each address or file that cannot be had what to do about it. */
export async function openSipTransports(
  options: TransportReceiver & TransportOptions & { readonly clock: Clock },
): Promise<SipTransports | Failed> {
  const { clock, tls: files = {}, webSocketOrigins } = options;
  const limits = { ...TRANSPORT_LIMITS, ...options.limits };
  const read = await readTlsMaterial(files);
  if (read.kind === 'failed') return read;
  let material = read;
  const warn = (): void => {
    const what = certificateWarning(material, Date.now());
    if (what !== undefined) options.onError({ where: files.certificate ?? '', what });
  };
  warn();
  const table = connectionTable(options, limits, clock);
  const readStream = streamReader(table, options);
  const server = handshakes(material, options);
  const webSockets = webSocketSide(table, options, { server, origins: webSocketOrigins });
  const sides: Readonly<Record<StreamTransport, StreamSide>> = {
    tcp: tcpSide(table, readStream),
    tls: tlsSide(table, readStream, { server, material: () => material }),
    ...webSockets,
  };
  const udp: UdpSocket[] = [];
  const listeners: StreamListener[] = [];
  const listening: ListenAddress[] = [];
  const failures: string[] = [];
  let closed = false;

  async function open(text: string): Promise<ListenAddress | { readonly failure: string }> {
    const address = parseTransportAddress(text);
    if (address === undefined) return { failure: `cannot listen on ${text}: write ${SCHEMES}` };
    const { transport } = address;
    if (transport === 'udp') {
      const socket = await openUdp(address, options);
      if ('failure' in socket) return socket;
      udp.push(socket);
      return socket.address;
    }
    if ((transport === 'tls' || transport === 'wss') && material.certificate === undefined) {
      const todo = 'name its files with tls-certificate and tls-key';
      return { failure: `cannot listen on ${text}: there is no certificate; ${todo}` };
    }
    const listener = await streamListener(address, options, sides[transport].accept);
    if ('failure' in listener) return listener;
    listeners.push(listener);
    return listener.address;
  }

  for (const text of options.listen) {
    const opened = await open(text);
    if ('failure' in opened) failures.push(opened.failure);
    else listening.push(opened);
  }
  const stopListening = (): void => {
    for (const listener of listeners) listener.stop();
  };
  const close = async (): Promise<void> => {
    closed = true;
    stopListening();
    await table.close();
    await Promise.all([
      ...listeners.map((listener) => listener.ended()),
      ...udp.map((socket) => socket.close()),
    ]);
  };
  if (failures.length > 0) {
    await close();
    return { kind: 'failed', failures };
  }

  const unsent = (reason: string): Promise<SendResult> => Promise.resolve({ sent: false, reason });

  /** WebSockets apart: RFC 7118 §5.3, a browser cannot be connected to. */
  function onlyComesBack({ host, connection, connectionOnly, serverName }: Hop): boolean {
    if (connectionOnly === true) return true;
    // RFC 3261 §18.2.2 has answers go to the port in Via, which is for anybody to choose: a stranger
    // who hangs up would have us open connection after connection.
    const trusted = serverName !== undefined || (options.trusted?.(host) ?? true);
    return connection !== undefined && !trusted;
  }

  function sendOnStream(octets: Uint8Array, hop: Hop, side: StreamSide): Promise<SendResult> {
    if (closed) return unsent('the transports are closed');
    const existing = table.find(hop);
    if (existing !== undefined) return table.write(existing, octets);
    if (side.connect === undefined || onlyComesBack(hop)) {
      const { transport, host, port } = hop;
      const peer = `${transport}://${hostPort({ host, port })}`;
      return unsent(`the connection of ${peer} is gone, and only the peer can come back`);
    }
    if (table.total() >= limits.connectionsMax) {
      return unsent(`no new connection: there are ${limits.connectionsMax} already`);
    }
    return table.write(side.connect(hop, ownEnd(listening, hop)), octets);
  }

  return {
    kind: 'open',
    listening,
    send(octets, hop) {
      const { transport } = hop;
      if (transport !== 'udp') return sendOnStream(octets, hop, sides[transport]);
      const socket = socketFor(udp, hop);
      if (socket !== undefined) return socket.send(octets, hop);
      return unsent(`no udp address is open that can send to ${hop.host}`);
    },
    vouch({ connection }) {
      if (connection !== undefined) table.vouch(connection);
    },
    async reloadTls() {
      const anew = await readTlsMaterial(files);
      if (anew.kind === 'failed') return anew;
      material = anew;
      server.renew(anew);
      warn();
      return { kind: 'reloaded' };
    },
    counts: () => ({
      connections: table.total(),
      connectionsBy: table.counts(),
      certificateUntilMs: certificateUntilMs(material),
      keepAlivesTotal: udp.reduce((sum, socket) => sum + socket.keepAlivesTotal(), 0),
    }),
    stopListening,
    close,
  };
}

/** The socket of the hop's own end, or else one of the same family. */
function socketFor(sockets: readonly UdpSocket[], hop: Hop): UdpSocket | undefined {
  const exact = sockets.find((socket) => socket.local === hop.local);
  if (exact !== undefined) return exact;
  const v6 = isIPv6(hop.host);
  return sockets.find((socket) => isIPv6(socket.address.host) === v6);
}
