import { isIPv6 } from 'node:net';
import type { Clock } from '../../../engine/ports.ts';
import type { Hop, SendResult } from '../../../wire/sip/hop.ts';
import { type ListenAddress, parseListenAddress } from './listen-address.ts';
import { type TcpConnections, tcpConnections } from './tcp.ts';
import {
  TRANSPORT_LIMITS,
  type TransportLimits,
  type TransportReceiver,
} from './transport-contract.ts';
import { openUdp, type UdpSocket } from './udp.ts';

export interface SipTransports {
  readonly kind: 'open';
  /** In the order asked for, with the ports that the system chose. */
  readonly listening: readonly ListenAddress[];
  send(octets: Uint8Array, hop: Hop): Promise<SendResult>;
  counts(): { readonly connections: number; readonly keepAlivesTotal: number };
  /** No new connections; those that are open, and UDP, go on, so that work can be finished. */
  stopListening(): void;
  /** Cuts everything off; resolves when all sockets are closed. */
  close(): Promise<void>;
}

/**
 * Opens the addresses, `udp://127.0.0.1:5060` or `tcp://[::1]:5060`; port 0 lets the system
 * choose. All or none: `failed` says for each address that cannot be had what to do about it.
 */
export async function openSipTransports(
  options: TransportReceiver & {
    readonly listen: readonly string[];
    readonly clock: Clock;
    readonly limits?: Partial<TransportLimits>;
  },
): Promise<SipTransports | { readonly kind: 'failed'; readonly failures: readonly string[] }> {
  const limits = { ...TRANSPORT_LIMITS, ...options.limits };
  const tcp = tcpConnections(options, limits, options.clock);
  const udp: UdpSocket[] = [];
  const listening: ListenAddress[] = [];
  const failures: string[] = [];
  for (const text of options.listen) {
    const opened = await open(text, options, tcp);
    if ('failure' in opened) failures.push(opened.failure);
    else if ('send' in opened) {
      udp.push(opened);
      listening.push(opened.address);
    } else listening.push(opened);
  }
  const close = async (): Promise<void> => {
    await Promise.all([tcp.close(), ...udp.map((socket) => socket.close())]);
  };
  if (failures.length > 0) {
    await close();
    return { kind: 'failed', failures };
  }
  return {
    kind: 'open',
    listening,
    send(octets, hop) {
      if (hop.transport === 'tcp') return tcp.send(octets, hop);
      const socket = hop.transport === 'udp' ? socketFor(udp, hop) : undefined;
      if (socket !== undefined) return socket.send(octets, hop);
      const reason = `no ${hop.transport} address is open that can send to ${hop.host}`;
      return Promise.resolve({ sent: false, reason });
    },
    counts: () => ({
      connections: tcp.count(),
      keepAlivesTotal: udp.reduce((sum, socket) => sum + socket.keepAlivesTotal(), 0),
    }),
    stopListening: tcp.stopListening,
    close,
  };
}

async function open(
  text: string,
  receiver: TransportReceiver,
  tcp: TcpConnections,
): Promise<UdpSocket | ListenAddress | { readonly failure: string }> {
  const address = parseListenAddress(text);
  if (address === undefined) {
    const failure = `cannot listen on ${text}: write udp://<address>:<port> or tcp://<address>:<port>`;
    return { failure };
  }
  return address.transport === 'udp' ? openUdp(address, receiver) : tcp.listen(address);
}

/** The socket of the hop's own end, or else one of the same family. */
function socketFor(sockets: readonly UdpSocket[], hop: Hop): UdpSocket | undefined {
  const exact = sockets.find((socket) => socket.local === hop.local);
  if (exact !== undefined) return exact;
  const v6 = isIPv6(hop.host);
  return sockets.find((socket) => isIPv6(socket.address.host) === v6);
}
