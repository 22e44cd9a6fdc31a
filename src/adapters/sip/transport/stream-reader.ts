import type { Socket } from 'node:net';
import { sipFramer } from '../../../wire/sip/framing.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { type Connection, sourceOf } from './connection.ts';
import type { ConnectionTable } from './connection-table.ts';
import type { TransportReceiver } from './transport-contract.ts';

const PONG = Uint8Array.of(13, 10);

/** Begins to read messages off a connection without boundaries of its own: TCP, TLS. */
export type ReadStream = (
  connection: Connection,
  socket: Socket,
  onFirst?: (request: SipMessage) => void,
) => void;

export function streamReader(table: ConnectionTable, receiver: TransportReceiver): ReadStream {
  return (connection, socket, onFirst) => {
    const framer = sipFramer();
    let first = onFirst;

    function read(chunk: Uint8Array): void {
      if (connection.stage === 'deaf') return;
      table.heard(connection);
      const source = sourceOf(connection);
      // A plain array over the same octets: those of a Buffer behave otherwise in part.
      const octets = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
      const found = framer.push(octets);
      for (const item of found) {
        if (item.kind === 'ping') void table.write(connection, PONG);
        else if (item.kind === 'message') {
          if (first !== undefined && item.message.start.kind === 'request') {
            first(item.message);
            first = undefined;
          }
          receiver.onMessage(item.message, source);
        } else {
          receiver.onRefusal(item, source);
          if (item.fatal) table.silence(connection);
        }
      }
      if (framer.pending === 0) connection.partialMs = undefined;
      else if (found.length > 0) connection.partialMs = connection.activeMs;
      else connection.partialMs ??= connection.activeMs;
    }

    socket.on('data', read);
    socket.on('drain', () => socket.resume());
  };
}
