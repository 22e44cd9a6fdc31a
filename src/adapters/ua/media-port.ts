import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** Where the server can open MSRP connections to us. */
export interface MediaPort {
  readonly host: string;
  readonly port: number;
  /**
   * The next connection from now on. To be asked for before our side of a session is sent: the
   * server may be here sooner than its answer.
   */
  arrival(): Promise<Socket>;
  /** Closes the port and what was opened to it. */
  close(): void;
}

export async function openMediaPort(host: string): Promise<MediaPort> {
  const sockets = new Set<Socket>();
  let take: ((socket: Socket) => void) | undefined;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    if (take === undefined) socket.destroy();
    else take(socket);
    take = undefined;
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    host,
    port: (server.address() as AddressInfo).port,
    arrival: () =>
      new Promise((resolve) => {
        take = resolve;
      }),
    close() {
      server.close();
      for (const socket of sockets) socket.destroySoon();
    },
  };
}
