import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Packet } from './scripted-peer.ts';

export interface Relay {
  readonly port: number;
  /** What passed, as if client and server had talked directly. */
  readonly packets: readonly Packet[];
  close(): void;
}

/**
 * Stands between one UDP client and the server: what comes from the server's port goes to the
 * client, who is known by what it sent last, and all else to the server.
 */
export async function udpRelay(serverPort: number, packets: Packet[]): Promise<Relay> {
  const host = '127.0.0.1';
  const server = { host, port: serverPort };
  let client = { host, port: 0 };
  const socket = createSocket('udp4');
  socket.bind(0, host);
  await once(socket, 'listening');
  socket.on('message', (octets, { port }) => {
    const down = port === serverPort;
    if (!down) client = { host, port };
    const [from, to] = down ? [server, client] : [client, server];
    packets.push({ transport: 'udp', from, to, octets });
    if (to.port !== 0) socket.send(octets, to.port, to.host);
  });
  return { port: socket.address().port, packets, close: () => socket.close() };
}
