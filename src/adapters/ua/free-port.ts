import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the ports that systems give to outgoing connections (32768 on Linux, 49152 by RFC 6335 §6),
 * so that nobody takes the port while the program that listens on it is restarted.
 */
const FREE_FIRST = 10_000;
const FREE_LAST = 29_999;
/** With half of these ports taken, all tries fail once in a million times. */
const TRIES_MAX = 20;

/**
 * A port that can be bound right now: `port` itself, or any when it is 0. Rejects with what to do
 * when it is taken. The `sip` package takes no port 0 and ends the process on a port in use.
 */
export async function freePort(
  host: string,
  port: number,
  transport: 'udp' | 'tcp',
): Promise<number> {
  for (let tries = port === 0 ? TRIES_MAX : 1; ; tries -= 1) {
    const candidate = port === 0 ? randomInt(FREE_FIRST, FREE_LAST + 1) : port;
    try {
      await (transport === 'udp' ? bindUdp(host, candidate) : bindTcp(host, candidate));
      return candidate;
    } catch (cause) {
      if (tries > 1) continue;
      const what = `cannot bind ${transport} port ${candidate} on ${host}`;
      throw new Error(`${what}: choose another address or port`, { cause });
    }
  }
}

async function bindUdp(host: string, port: number): Promise<void> {
  const socket = createSocket('udp4');
  socket.bind(port, host);
  await once(socket, 'listening');
  socket.close();
  await once(socket, 'close');
}

async function bindTcp(host: string, port: number): Promise<void> {
  const server = createServer();
  server.listen(port, host);
  await once(server, 'listening');
  server.close();
  await once(server, 'close');
}
