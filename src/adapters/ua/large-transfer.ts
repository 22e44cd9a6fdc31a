import type { Socket } from 'node:net';
import { TRANSACTION_MS } from '../../wire/msrp/limits.ts';
import { msrpSession, type OutgoingMessage, type PushOutcome } from '../../wire/msrp/session.ts';
import { sessionSocket } from './session-socket.ts';

/** What became of one message, `ms` after it was given to the session. */
export type LargeOutcome = PushOutcome & { readonly messageId: string; readonly ms: number };

export interface LargeTransferOptions {
  readonly localUri: string;
  /** `a=path` of the server, leftmost first. */
  readonly remotePath: readonly string[];
  /** `active`: we connect. */
  readonly role: 'active' | 'passive';
  readonly chunkBytes?: number;
  readonly successReport?: boolean;
}

export interface LargeTransfer {
  /** Takes the connection that the server opened. */
  attach(socket: Socket): void;
  /** Opens the connection to the server. */
  connect(): void;
  /** Sends the messages, at most once; resolves when each has its outcome. */
  send(messages: readonly Omit<OutgoingMessage, 'key'>[]): Promise<void>;
  /** In the order of the messages; a failure REPORT can still take an acknowledgement back. */
  outcomes(): readonly LargeOutcome[];
  /** Gives up what is under way and closes the connection. */
  close(reason: string): void;
}

/** The sender's half of one session: a socket, the framing and the session of `wire`. */
export function largeTransfer(options: LargeTransferOptions): LargeTransfer {
  const { remotePath } = options;
  /** Both by key, which is the place of the message: the same Message-ID may be sent twice. */
  const outcomes: LargeOutcome[] = [];
  let messageIds: readonly string[] = [];
  const socket = sessionSocket();
  let startedMs = 0;
  let left = 0;
  let finished = () => {};

  const put = (key: string, outcome: PushOutcome) => {
    const place = Number(key);
    const messageId = messageIds[place] ?? '';
    outcomes[place] = { messageId, ...outcome, ms: performance.now() - startedMs };
  };
  const session = msrpSession({
    ...options,
    ...socket.link,
    emit(event) {
      if (event.kind === 'bound') clearTimeout(unbound);
      else if (event.kind === 'outcome') {
        put(event.key, event.outcome);
        left -= 1;
        if (left === 0) finished();
      } else if (event.kind === 'takenBack') {
        put(event.key, { outcome: 'failed', status: event.status, sent: true });
      } else if (event.kind === 'lost') {
        clearTimeout(unbound);
        socket.drop();
      }
    },
  });
  // Neither the system's own time to connect nor a peer that never does is waited for.
  const unbound = setTimeout(() => {
    session.disconnected(`no connection within ${TRANSACTION_MS} ms`);
  }, TRANSACTION_MS);

  return {
    attach: (connection) => socket.attach(connection, session),
    connect() {
      if (socket.connect(remotePath, session)) return;
      session.disconnected('the path has no port to connect to');
    },
    send(messages) {
      startedMs = performance.now();
      messageIds = messages.map(({ messageId }) => messageId);
      left = messages.length;
      return new Promise((resolve) => {
        finished = resolve;
        for (const [place, message] of messages.entries()) {
          session.send({ key: String(place), ...message });
        }
        if (messages.length === 0) resolve();
      });
    },
    outcomes: () => outcomes,
    close(reason) {
      session.abort(reason);
      socket.drop();
    },
  };
}
