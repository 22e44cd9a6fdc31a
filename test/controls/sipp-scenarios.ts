/** SIPp as the client of a push: what its scenario says it answers, and how it fared. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from './server.ts';

const SCENARIOS = resolve(import.meta.dirname, '../interop/sipp');
const READY_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 20;

export interface SippClientOptions {
  /** File name without `.xml`. */
  readonly scenario: string;
  readonly transport: 'udp' | 'tcp';
  /** So many calls, and it ends. */
  readonly calls: number;
  /** Values of `[name]` in the scenario. */
  readonly keys?: Readonly<Record<string, string>>;
  /** Text of the scenario, and what stands there instead: SIPp takes no key for a status. */
  readonly replace?: Readonly<Record<string, string>>;
  /** Default: a minute. */
  readonly withinSeconds?: number;
}

export interface SippClient {
  readonly transport: 'udp' | 'tcp';
  readonly port: number;
  /** Resolves with what went wrong, empty when all calls went as the scenario says. */
  ended(): Promise<string>;
  close(): Promise<void>;
}

/** Whether SIPp is installed; says loudly when it is not. */
export function sippAvailable(): boolean {
  const present = spawnSync('sipp', ['-v']).error === undefined;
  if (!present) {
    console.warn('SKIPPED: sipp is not installed, so it played no client: install sip-tester');
  }
  return present;
}

/** Resolves when SIPp listens. */
export async function sippClient(options: SippClientOptions): Promise<SippClient> {
  const { scenario, transport, calls, keys = {}, replace = {}, withinSeconds = 60 } = options;
  const folder = await mkdtemp(join(tmpdir(), 'restante-sipp-'));
  const errors = join(folder, 'errors.log');
  const file = join(folder, `${scenario}.xml`);
  const text = await readFile(join(SCENARIOS, `${scenario}.xml`), 'utf8');
  const changed = Object.entries(replace).reduce((t, [from, to]) => t.replace(from, to), text);
  await writeFile(file, changed);
  const port = await freePort();
  const words = [
    ...['-sf', file, '-t', transport === 'udp' ? 'u1' : 't1'],
    ...['-i', '127.0.0.1', '-p', String(port), '-m', String(calls), '-nostdin'],
    ...['-timeout', String(withinSeconds), '-trace_err', '-error_file', errors],
    ...Object.entries(keys).flatMap(([name, value]) => ['-key', name, value]),
  ];
  const child = spawn('sipp', words, {
    cwd: folder,
    env: { ...process.env, TERM: 'dumb' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  await listening(child, { port, transport });
  return {
    transport,
    port,
    async ended() {
      const [code] = await exited;
      const said = await readFile(errors, 'utf8').catch(() => '');
      return code === 0 ? '' : `SIPp ended with ${code}\n${said}`;
    },
    async close() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * It says nothing when it is ready, and to try its port would take it: the kernel's table tells.
 * An INVITE over TCP must not come before.
 */
async function listening(
  child: ChildProcess,
  { port, transport }: { readonly port: number; readonly transport: 'udp' | 'tcp' },
): Promise<void> {
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  const entry = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  for (let leftMs = READY_WITHIN_MS; ; leftMs -= LOOK_EVERY_MS) {
    if ((await readFile(`/proc/net/${transport}`, 'utf8')).includes(entry)) return;
    if (leftMs <= 0 || child.exitCode !== null) throw new Error(`SIPp did not start: ${said}`);
    await pause(LOOK_EVERY_MS);
  }
}
