/** A process of its own that sends back what it gets, over UDP and TCP: the floor of all servers. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

const tcp = createServer({ noDelay: true }, (socket) => {
  socket.on('data', (chunk) => socket.write(chunk));
  socket.on('error', () => socket.destroy());
}).listen(0, '127.0.0.1');
await once(tcp, 'listening');
const address = tcp.address();
const port = typeof address === 'object' && address ? address.port : 0;
const udp = createSocket('udp4');
udp.on('message', (datagram, peer) => udp.send(datagram, peer.port, peer.address));
udp.bind(port, '127.0.0.1');
await once(udp, 'listening');
process.stdout.write(`${port}\n`);
