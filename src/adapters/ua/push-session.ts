import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { msrpFramer } from '../../wire/msrp/frame.ts';
import { MSRP_LIMITS } from '../../wire/msrp/limits.ts';
import { type MemorySink, memorySink } from '../../wire/msrp/message-sink.ts';
import { msrpSession } from '../../wire/msrp/session.ts';
import { parseMsrpUri } from '../../wire/msrp/uri.ts';
import type { PushedMessage } from './received-message.ts';

export interface PushSessionOptions {
  readonly localUri: string;
  readonly remotePath: readonly string[];
  /** `active`: we connect to the server. */
  readonly setup: 'active' | 'passive';
  /** Octets of one message, above which it is refused with 413. */
  readonly messageBytesMax?: number;
  /** Where the octets of a message go; default: into memory. */
  readonly begin?: () => MemorySink;
  /** Status to answer a whole message with; `never`: no answer at all. `bytes`: of its body. */
  readonly onMessage: (message: PushedMessage, bytes: number) => number | 'never';
}

export interface PushSession {
  /** Takes the connection that the server opened. */
  attach(socket: Socket): void;
  /** Opens the connection to the server; what fails there ends the session silently. */
  connect(): void;
  /** Writes what is due and closes the connection. */
  drop(): void;
  close(): void;
}

/** The client's half of one push: a socket, the framing and the session of `wire`, nothing kept. */
export function pushSession(options: PushSessionOptions): PushSession {
  const { localUri, remotePath, setup, onMessage, messageBytesMax } = options;
  let socket: Socket | undefined;
  const session = msrpSession<MemorySink>({
    role: setup,
    localUri,
    remotePath,
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
    limits: { ...MSRP_LIMITS, ...(messageBytesMax === undefined ? {} : { messageBytesMax }) },
    begin: options.begin ?? memorySink,
    emit(event) {
      if (event.kind === 'completed') {
        const { messageId, contentType, sink, bytes } = event.message;
        const status = onMessage({ messageId, contentType, body: sink.octets(bytes) }, bytes);
        if (status !== 'never') session.answer(event.tid, status);
      } else if (event.kind === 'lost') socket?.destroySoon();
    },
  });

  function attach(connection: Socket): void {
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
    connection.on('error', () => connection.destroy());
    connection.on('close', () => session.disconnected('the connection was closed'));
  }

  return {
    attach,
    connect() {
      const peer = parseMsrpUri(remotePath[0] ?? '');
      if (peer?.port === undefined) return;
      const connection = connect(peer.port, peer.host, () => session.connected());
      attach(connection);
    },
    drop: () => socket?.destroySoon(),
    close() {
      session.disconnected('the client closed the session');
      socket?.destroy();
    },
  };
}
