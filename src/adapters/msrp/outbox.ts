/** What leaves a connection: corked writes, and turns for the sessions that share it. */
import type { Socket } from 'node:net';

/** Who writes: a session. */
export interface Writer {
  /** It is its turn. */
  drained(): void;
}

export interface Outbox {
  /** `false`: it is full; the writer is told `drained` when it is its turn. */
  write(parts: readonly Uint8Array[], writer: Writer | undefined): boolean;
  /** Whether it may write a chunk now; if not, it is told `drained`. */
  ready(writer: Writer): boolean;
  /** It writes no more. */
  leave(writer: Writer): void;
}

/**
 * An answer is written at once and waits behind at most `queuedBytesMax` octets and one chunk. Who
 * found the outbox full waits in a row and goes to its end with the next chunk, so that a session
 * with much to send leaves room to the others.
 */
export function outbox(socket: Socket, queuedBytesMax: number): Outbox {
  // Below its own mark a socket would not say when it is empty again.
  const most = Math.max(queuedBytesMax, socket.writableHighWaterMark);
  const waiting = new Set<Writer>();
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
    write(parts, writer) {
      if (socket.destroyed || socket.writableEnded) return false;
      if (!corked) {
        // What one turn of the event loop has to say goes out in one write.
        corked = true;
        socket.cork();
        setImmediate(uncork);
      }
      for (const part of parts) socket.write(part);
      full = socket.writableLength >= most;
      if (full && writer !== undefined) waiting.add(writer);
      return !full;
    },
    ready(writer) {
      if (full) waiting.add(writer);
      return !full;
    },
    leave(writer) {
      waiting.delete(writer);
    },
  };
}
