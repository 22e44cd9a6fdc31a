import type { Socket } from 'node:net';
import { MSRP_LIMITS } from '../../wire/msrp/limits.ts';
import { type MemorySink, memorySink } from '../../wire/msrp/message-sink.ts';
import { msrpSession } from '../../wire/msrp/session.ts';
import type { PushedMessage } from './received-message.ts';
import { sessionSocket } from './session-socket.ts';

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
  const socket = sessionSocket();
  const session = msrpSession<MemorySink>({
    ...socket.link,
    role: setup,
    localUri,
    remotePath,
    limits: { ...MSRP_LIMITS, ...(messageBytesMax === undefined ? {} : { messageBytesMax }) },
    begin: options.begin ?? memorySink,
    emit(event) {
      if (event.kind === 'completed') {
        const { messageId, contentType, sink, bytes } = event.message;
        const status = onMessage({ messageId, contentType, body: sink.octets(bytes) }, bytes);
        if (status !== 'never') session.answer(event.tid, status);
      } else if (event.kind === 'lost') socket.drop();
    },
  });

  return {
    attach: (connection) => socket.attach(connection, session),
    connect: () => void socket.connect(remotePath, session),
    drop: socket.drop,
    close() {
      session.disconnected('the client closed the session');
      socket.destroy();
    },
  };
}
