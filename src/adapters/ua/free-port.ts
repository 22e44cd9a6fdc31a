import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/**
 * A port that can be bound right now: `port` itself, or any when it is 0. Rejects with what to do
 * when it is taken. The `sip` package takes no port 0 and ends the process on a port in use.
 */
export async function freePort(
  host: string,
  port: number,
  transport: 'udp' | 'tcp',
): Promise<number> {
  try {
    return transport === 'udp' ? await freeUdpPort(host, port) : await freeTcpPort(host, port);
  } catch (cause) {
    const what = `cannot bind ${transport} port ${port} on ${host}: choose another address or port`;
    throw new Error(what, { cause });
  }
}

async function freeUdpPort(host: string, port: number): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(port, host);
  await once(socket, 'listening');
  const bound = socket.address().port;
  socket.close();
  await once(socket, 'close');
  return bound;
}

async function freeTcpPort(host: string, port: number): Promise<number> {
  const server = createServer();
  server.listen(port, host);
  await once(server, 'listening');
  const { port: bound } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return bound;
}
