/** A server under strace: what it asked of the system, told when it has ended. */
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Server, startServer } from './server.ts';
import { parseTrace, type SystemCall } from './strace-trace.ts';

export interface TracedServer {
  readonly server: Server;
  /** Ends the server, and gives its calls. */
  ended(): Promise<readonly SystemCall[]>;
  remove(): Promise<void>;
}

export async function tracedServer(options: {
  readonly launcher: string;
  /** Names of system calls, as strace takes them. */
  readonly calls: string;
  /** Octets of each text that are kept. */
  readonly textMax: number;
  readonly args?: readonly string[];
}): Promise<TracedServer> {
  const { launcher, calls, textMax, args = [] } = options;
  const path = join(launcher, '..', `trace-${process.pid}`);
  const strace = ['strace', '-f', '-tt', '-s', `${textMax}`, '-o', path, '-e', `trace=${calls}`];
  const server = await startServer({ launcher, args, wrapper: strace });
  return {
    server,
    async ended() {
      // The server itself: strace follows when the last line is written.
      const [pid] = (await readFile(path, 'latin1')).split(' ', 1);
      const ended = once(server.process, 'exit');
      process.kill(Number(pid), 'SIGTERM');
      await ended;
      return parseTrace(await readFile(path, 'latin1'));
    },
    async remove() {
      await server.remove();
      await rm(path, { force: true });
    },
  };
}
