import { createServer, type Server, type Socket } from 'node:net';
import { hostPort, type ListenAddress, listenFailure } from './listen-address.ts';
import type { TransportReceiver } from './transport-contract.ts';

/** A port that takes connections. */
export interface StreamListener {
  readonly address: ListenAddress;
  stop(): void;
  /** Resolves when it and its connections are gone, also when it was stopped before. */
  ended(): Promise<void>;
}

/** Opens it, or says what to do about it. */
export async function streamListener(
  address: ListenAddress,
  receiver: TransportReceiver,
  onSocket: (socket: Socket) => void,
): Promise<StreamListener | { readonly failure: string }> {
  // Each write is a whole message: waiting to fill a segment only delays it.
  const server = createServer({ noDelay: true }, onSocket);
  const error = await listening(server, address);
  if (error !== undefined) return { failure: listenFailure(address, error) };
  const at = server.address();
  const port = at !== null && typeof at === 'object' ? at.port : address.port;
  const where = `${address.transport}://${hostPort({ host: address.host, port })}`;
  server.on('error', (cause) => receiver.onError({ where, what: cause.message }));
  return {
    address: { ...address, port },
    stop: () => void server.close(),
    ended: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function listening(
  server: Server,
  { host, port }: ListenAddress,
): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    server.once('error', resolve);
    server.listen({ host, port, ipv6Only: host.includes(':'), exclusive: true }, () => {
      server.off('error', resolve);
      resolve(undefined);
    });
  });
}
