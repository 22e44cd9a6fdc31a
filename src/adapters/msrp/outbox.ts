/** What leaves a connection: corked writes, and turns for the sessions that share it. */
import type { Socket } from 'node:net';
import type { MsrpSession } from '../../wire/msrp/session.ts';

export interface Outbox {
  /** `false`: it is full; the session is told `drained` when it is its turn. */
  write(parts: readonly Uint8Array[], session: MsrpSession | undefined): boolean;
  /** Whether the session may write a chunk now; if not, it is told `drained`. */
  ready(session: MsrpSession): boolean;
  /** It writes no more. */
  leave(session: MsrpSession): void;
}

/**
 * An answer is written at once and waits behind at most `queuedBytesMax` octets and one chunk. Who
 * found the outbox full waits in a row and goes to its end with the next chunk, so that a session
 * with much to send leaves room to the others.
 */
export function outbox(socket: Socket, queuedBytesMax: number): Outbox {
  // Below its own mark a socket would not say when it is empty again.
  const most = Math.max(queuedBytesMax, socket.writableHighWaterMark);
  const waiting = new Set<MsrpSession>();
  let corked = false;
  let full = false;

  function uncork(): void {
    corked = false;
    socket.uncork();
  }

  socket.on('drain', () => {
    full = false;
    for (let [next] = waiting; next !== undefined && !full; [next] = waiting) {
      waiting.delete(next);
      next.drained();
    }
  });

  return {
    write(parts, session) {
      if (socket.destroyed || socket.writableEnded) return false;
      if (!corked) {
        // What one turn of the event loop has to say goes out in one write.
        corked = true;
        socket.cork();
        setImmediate(uncork);
      }
      for (const part of parts) socket.write(part);
      full = socket.writableLength >= most;
      if (full && session !== undefined) waiting.add(session);
      return !full;
    },
    ready(session) {
      if (full) waiting.add(session);
      return !full;
    },
    leave(session) {
      waiting.delete(session);
    },
  };
}
