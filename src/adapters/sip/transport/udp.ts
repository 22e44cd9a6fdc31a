import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Hop, SendResult } from '../../../wire/sip/hop.ts';
import { DATAGRAM_BYTES_MAX } from '../../../wire/sip/limits.ts';
import { parseSip } from '../../../wire/sip/message.ts';
import { hostPort, type ListenAddress, listenFailure } from './listen-address.ts';
import type { TransportReceiver } from './transport-contract.ts';

export interface UdpSocket {
  readonly address: ListenAddress;
  /** Our end as hops name it. */
  readonly local: string;
  send(octets: Uint8Array, hop: Hop): Promise<SendResult>;
  /** Datagrams of empty lines that keep a NAT binding alive. */
  keepAlivesTotal(): number;
  close(): Promise<void>;
}

const SENT: SendResult = { sent: true };
/** RFC 768 and RFC 791: 65,535 less the headers of UDP (8) and IPv4 (20). */
const PAYLOAD_BYTES_MAX = DATAGRAM_BYTES_MAX - 28;
/** What a burst of 10,000 requests of 400 octets needs; the system may grant less. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;

/** Binds one address; the failure says what to do about it. */
export async function openUdp(
  address: ListenAddress,
  receiver: TransportReceiver,
): Promise<UdpSocket | { readonly failure: string }> {
  const type = isIPv6(address.host) ? 'udp6' : 'udp4';
  const socket = createSocket({ type, ipv6Only: type === 'udp6' });
  const error = await bound(socket, address);
  if (error !== undefined) {
    socket.close();
    return { failure: listenFailure(address, error) };
  }
  const { port } = socket.address();
  const local = hostPort({ host: address.host, port });
  const where = `udp://${local}`;
  socket.on('error', (cause) => receiver.onError({ where, what: cause.message }));
  enlargeBuffers(socket, where, receiver);
  let keepAlives = 0;
  let open = true;
  socket.on('message', (datagram, peer) => {
    // A plain array over the same octets: those of a Buffer behave otherwise in part.
    const octets = new Uint8Array(datagram.buffer, datagram.byteOffset, datagram.length);
    if (octets.every(isKeepAliveOctet)) {
      keepAlives += 1;
      return;
    }
    const source: Hop = { transport: 'udp', host: peer.address, port: peer.port, local };
    const parsed = parseSip(octets, 'datagram');
    if (parsed.kind === 'message') receiver.onMessage(parsed.message, source);
    else receiver.onRefusal(parsed, source);
  });
  return {
    address: { ...address, port },
    local,
    send: (octets, hop) => {
      if (!open) return Promise.resolve({ sent: false, reason: `${where} is closed` });
      if (octets.length > PAYLOAD_BYTES_MAX) {
        const reason = `${octets.length} octets do not fit in a datagram (${PAYLOAD_BYTES_MAX})`;
        return Promise.resolve({ sent: false, reason });
      }
      return new Promise((resolve) => {
        const unsent = (cause: Error): void => {
          const reason = `cannot send to udp://${hostPort(hop)}: ${cause.message}`;
          resolve({ sent: false, reason });
        };
        try {
          socket.send(octets, hop.port, hop.host, (cause) =>
            cause ? unsent(cause) : resolve(SENT),
          );
        } catch (cause) {
          // Peers choose where answers and requests go, and port 0 is one that the system throws at.
          unsent(cause as Error);
        }
      });
    },
    keepAlivesTotal: () => keepAlives,
    close() {
      if (!open) return Promise.resolve();
      open = false;
      return new Promise((resolve) => socket.close(() => resolve()));
    },
  };
}

function bound(
  socket: Socket,
  { host, port }: ListenAddress,
): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    socket.once('error', resolve);
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.off('error', resolve);
      resolve(undefined);
    });
  });
}

function enlargeBuffers(socket: Socket, where: string, receiver: TransportReceiver): void {
  try {
    socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
    socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
  } catch (cause) {
    // Some systems refuse what others cut down; the socket works with what it has.
    receiver.onError({ where, what: `socket buffers stay as they are: ${String(cause)}` });
  }
}

/** CR, LF and NUL: what clients send to keep a way through a NAT open. */
function isKeepAliveOctet(octet: number): boolean {
  return octet === 13 || octet === 10 || octet === 0;
}
