/** The built server as a process of its own, on loopback and free ports, in a temporary folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort as freePortOf } from '../../src/adapters/ua/free-port.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const LAUNCHER = join(ROOT, 'bin', 'restante');
const READY_WITHIN_MS = 30_000;

export interface ServerOptions {
  /** Kept by the caller; absent: a temporary folder, removed by `remove`. */
  readonly data?: string;
  readonly sipPort?: number;
  readonly msrpPort?: number;
  readonly httpPort?: number;
  /** More addresses for SIP than UDP and TCP of `sipPort`: `tls://127.0.0.1:5061`. */
  readonly sipListen?: readonly string[];
  readonly args?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Runs the server under another program, as `strace -f …`. */
  readonly wrapper?: readonly string[];
  /** A build other than `dist`, for injected defects. */
  readonly launcher?: string;
}

export interface Server {
  readonly process: ChildProcess;
  readonly data: string;
  /** UDP and TCP. */
  readonly sipPort: number;
  readonly msrpPort: number;
  readonly httpPort: number;
  /** What it wrote to standard error so far. */
  log(): string;
  /** Sends the signal and resolves to the exit code, `null` when the signal ended it. */
  kill(signal?: NodeJS.Signals): Promise<number | null>;
  /** Kills what still runs and removes the temporary folder. */
  remove(): Promise<void>;
}

/** A port of loopback that is free for UDP and TCP, and stays so while a server is restarted. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = await freePortOf('127.0.0.1', 0, 'udp');
    const both = await freePortOf('127.0.0.1', port, 'tcp').catch(() => undefined);
    if (both !== undefined) return both;
  }
}

/** Resolves when the server is ready; rejects with its log when it is not. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const data = options.data ?? (await mkdtemp(join(tmpdir(), 'restante-')));
  const sipPort = options.sipPort ?? (await freePort());
  const msrpPort = options.msrpPort ?? (await freePort());
  const httpPort = options.httpPort ?? (await freePort());
  const own = ['udp', 'tcp'].map((transport) => `${transport}://127.0.0.1:${sipPort}`);
  const sip = [...own, ...(options.sipListen ?? [])].join(',');
  const [program = process.execPath, ...words] = [
    ...(options.wrapper ?? []),
    process.execPath,
    options.launcher ?? LAUNCHER,
    'serve',
    ...['--data', data, '--sip-listen', sip],
    ...['--msrp-listen', `127.0.0.1:${msrpPort}`, '--http-listen', `127.0.0.1:${httpPort}`],
    ...(options.args ?? []),
  ];
  const child = spawn(program, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.environment },
  });
  let log = '';
  let out = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const ready = new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`not ready in time:\n${log}`)), READY_WITHIN_MS);
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      if (/^ready /m.test(out)) resolve();
    });
    void exited.then((code) =>
      reject(new Error(`ended with ${code} before it was ready:\n${log}`)),
    );
    void exited.finally(() => clearTimeout(late));
  });
  const kill = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return exited;
  };
  const remove = async (): Promise<void> => {
    await kill('SIGKILL');
    if (options.data === undefined) await rm(data, { recursive: true, force: true });
  };
  await ready.catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  return { process: child, data, sipPort, msrpPort, httpPort, log: () => log, kill, remove };
}
