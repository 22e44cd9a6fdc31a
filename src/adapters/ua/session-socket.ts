/** The one connection of a client's MSRP session: what `wire` needs of a socket, and nothing kept. */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { msrpFramer } from '../../wire/msrp/frame.ts';
import type { MsrpSession, SessionOptions } from '../../wire/msrp/session.ts';
import { parseMsrpUri } from '../../wire/msrp/uri.ts';

export interface SessionSocket {
  /** For the session that is to use it. */
  readonly link: Pick<SessionOptions, 'clock' | 'random' | 'write'>;
  /** Takes a connection for the session; a second one is refused. */
  attach(socket: Socket, session: MsrpSession): void;
  /** Connects to the first URI of a path; `false`: it has no port. */
  connect(path: readonly string[], session: MsrpSession): boolean;
  /** Writes what is due and closes the connection. */
  drop(): void;
  /** Cuts it. */
  destroy(): void;
}

export function sessionSocket(): SessionSocket {
  let socket: Socket | undefined;

  function attach(connection: Socket, session: MsrpSession): void {
    if (socket !== undefined) {
      connection.destroy();
      return;
    }
    socket = connection;
    const framer = msrpFramer();
    connection.setNoDelay(true);
    connection.on('data', ({ buffer, byteOffset, length }) => {
      const octets = new Uint8Array(buffer, byteOffset, length);
      for (const event of framer.push(octets)) session.receive(event);
    });
    connection.on('drain', () => session.drained());
    connection.on('error', ({ message }) => session.disconnected(message));
    connection.on('close', () => session.disconnected('the connection was closed'));
  }

  return {
    link: {
      clock: {
        now: () => Date.now(),
        timer(delayMs, callback) {
          const timer = setTimeout(callback, delayMs);
          return () => clearTimeout(timer);
        },
      },
      random: (octets) => randomBytes(octets),
      write(parts) {
        socket?.cork();
        for (const part of parts) socket?.write(part);
        socket?.uncork();
        return socket?.writableNeedDrain !== true;
      },
    },
    attach,
    connect(path, session) {
      const peer = parseMsrpUri(path[0] ?? '');
      if (peer?.port === undefined) return false;
      attach(
        connect(peer.port, peer.host, () => session.connected()),
        session,
      );
      return true;
    },
    drop: () => socket?.destroySoon(),
    destroy: () => socket?.destroy(),
  };
}
