import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** Our IPv4 address as the server can reach it: of the interface that the way to it leaves by. */
export async function ownAddress(server: {
  readonly host: string;
  readonly port: number;
}): Promise<string> {
  const socket = createSocket('udp4');
  // Over UDP this sends nothing; it only asks the system for the way.
  socket.connect(server.port, server.host);
  await once(socket, 'connect');
  const { address } = socket.address();
  socket.close();
  return address;
}
