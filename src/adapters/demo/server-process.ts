import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { StoryFailure } from './story-failure.ts';

/** What `restante serve` says of itself when it can be used. */
export interface ReadyAddresses {
  /** URLs such as `udp://127.0.0.1:5060`. */
  readonly sip: readonly string[];
  /** `host:port`. */
  readonly msrp: string;
  readonly http: string;
}

export interface ServerProcess {
  readonly pid: number;
  /** Rejects with a `StoryFailure` when the process ends before it is ready. */
  readonly ready: Promise<ReadyAddresses>;
  /** Resolves with how it ended: `SIGKILL`, `exit code 3`. */
  readonly exited: Promise<string>;
  /** The last lines that it wrote, oldest first. */
  lastLines(): readonly string[];
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
}

/** Enough to see why a server did not start. */
const LINES_KEPT = 20;

/** Reads `ready sip=URL,URL msrp=HOST:PORT http=HOST:PORT`; `undefined`: another line. */
export function parseReadyLine(line: string): ReadyAddresses | undefined {
  const [, sip, msrp, http] = /^ready sip=(\S+) msrp=(\S+) http=(\S+)$/.exec(line.trim()) ?? [];
  if (sip === undefined || msrp === undefined || http === undefined) return undefined;
  return { sip: sip.split(','), msrp, http };
}

/** Settings in the environment would make it another server than the story tells of. */
function environment(): NodeJS.ProcessEnv {
  const foreign = (name: string) => name.startsWith('RESTANTE_');
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign(name)));
}

/** Runs `node <launcher> serve …`; it does not outlive this process. */
export function startServer(launcher: string, args: readonly string[]): ServerProcess {
  const child = spawn(process.execPath, [launcher, 'serve', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(),
  });
  const lines: string[] = [];
  const kill = (signal: 'SIGTERM' | 'SIGKILL') => void child.kill(signal);
  const killAtExit = () => kill('SIGKILL');
  process.once('exit', killAtExit);

  const exited = new Promise<string>((resolve) => {
    // `close` comes when its output was read as well, so no line is missing.
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
    child.once('error', (error) => resolve(error.message));
  });
  void exited.then(() => process.off('exit', killAtExit));

  const ready = new Promise<ReadyAddresses>((resolve, reject) => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', (line) => {
        lines.push(line);
        if (lines.length > LINES_KEPT) lines.shift();
        const addresses = input === child.stdout ? parseReadyLine(line) : undefined;
        if (addresses) resolve(addresses);
      });
    }
    void exited.then((how) => reject(new StoryFailure(`the server ended (${how}), never ready`)));
  });
  // Whoever waits is told; when nobody does any more, it must not end the process.
  ready.catch(() => {});
  return { pid: child.pid ?? 0, ready, exited, lastLines: () => [...lines], kill };
}
