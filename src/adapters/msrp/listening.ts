import type { AddressInfo, Server } from 'node:net';

/** Resolves to where it listens; rejects when the address cannot be listened on. */
export function listening(
  server: Server,
  at: { readonly host: string; readonly port: number },
): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...at }, () => {
      server.off('error', reject);
      const bound = server.address();
      if (typeof bound === 'object' && bound !== null) resolve(bound);
      else reject(new Error(`${at.host}:${at.port} is no address of TCP`));
    });
  });
}
