import { connect } from 'node:net';
import type { StreamSide } from './connection.ts';
import type { ConnectionTable } from './connection-table.ts';
import type { ReadStream } from './stream-reader.ts';

/** SIP over TCP as it is (RFC 3261 §18). */
export function tcpSide(table: ConnectionTable, read: ReadStream): StreamSide {
  return {
    accept(socket) {
      const connection = table.accept('tcp', socket);
      if (connection === undefined) return;
      table.established(connection, socket);
      read(connection, socket);
    },
    connect(hop, localAddress) {
      const { host, port } = hop;
      const socket = connect({
        host,
        port,
        noDelay: true,
        ...(localAddress === undefined ? {} : { localAddress }),
      });
      // Octets may be written at once: the system keeps them until the connection stands.
      const connection = table.connect('tcp', hop, { socket, hold: false });
      socket.once('connect', () => table.established(connection, socket));
      read(connection, socket);
      return connection;
    },
  };
}
