/** Kamailio as the SIP/IP core, on loopback and free ports, with the configuration that ships. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from './server.ts';

const run = promisify(execFile);
/** What ships: tests change addresses, ports and paths of it, and nothing else. */
export const KAMAILIO_CONFIGURATION = resolve(
  import.meta.dirname,
  '../../examples/kamailio/kamailio.cfg',
);
const HOST = '127.0.0.1';
const BOUND_WITHIN_MS = 15_000;
const LOOK_EVERY_MS = 50;

export interface KamailioOptions {
  /** Ports of loopback at which the stores take SIP, in the order of the dispatcher's set. */
  readonly stores: readonly number[];
  /** Towards the stores. */
  readonly transport?: 'udp' | 'tcp';
  /** Further definitions, as `CLIENT_MS=1000`. */
  readonly define?: readonly string[];
}

export interface KamailioPorts {
  readonly clientPort: number;
  readonly serverPort: number;
}

export interface Kamailio extends KamailioPorts {
  /** What `restante serve --next-hop` is given. */
  readonly nextHop: string;
  /** Runs `kamcmd`; resolves with what it printed. */
  command(...words: readonly string[]): Promise<string>;
  log(): string;
  close(): Promise<void>;
}

/** Whether Kamailio is installed; says loudly when it is not. */
export function kamailioAvailable(): boolean {
  const present = spawnSync('kamailio', ['-v']).error === undefined;
  if (!present) {
    console.warn('SKIPPED: kamailio is not installed, so no core stood in front: install kamailio');
  }
  return present;
}

function definitions({ clientPort, serverPort }: KamailioPorts, folder: string) {
  const texts = [
    `CORE_IP=${HOST}`,
    `CLIENT_PORT=${clientPort}`,
    `SERVER_PORT=${serverPort}`,
    `DISPATCHER_LIST="${join(folder, 'dispatcher.list')}"`,
    `CONTROL_SOCKET="unix:${join(folder, 'ctl')}"`,
  ];
  return texts.flatMap((text) => ['-A', text]);
}

/** Has Kamailio read a configuration; resolves with its complaint, empty when there is none. */
export async function checkConfiguration(file: string): Promise<string> {
  const words = definitions({ clientPort: 5060, serverPort: 5070 }, tmpdir());
  const checked = run('kamailio', ['-c', '-f', file, ...words]);
  return checked.then(
    () => '',
    (error: Error & { stderr?: string }) => error.stderr || error.message,
  );
}

/** Resolves when its ports are bound; rejects with its log when they are not. */
export async function startKamailio(
  options: KamailioOptions,
  ports?: KamailioPorts,
): Promise<Kamailio> {
  const { stores, transport = 'tcp', define = [] } = options;
  const { clientPort, serverPort } = ports ?? (await kamailioPorts());
  const folder = await mkdtemp(join(tmpdir(), 'restante-kamailio-'));
  const set = stores.map((port) => `1 sip:${HOST}:${port};transport=${transport} 0 0\n`);
  await writeFile(join(folder, 'dispatcher.list'), set.join(''));
  const child = spawn(
    'kamailio',
    [
      ...['-f', KAMAILIO_CONFIGURATION, '-DD', '-E', '-m', '32', '-M', '4', '-Y', folder],
      ...definitions({ clientPort, serverPort }, folder),
      ...define.flatMap((text) => ['-A', text]),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  const exited = once(child, 'exit').catch(() => undefined);

  async function close(): Promise<void> {
    // Its children are its own to end, and it waits for them.
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await exited;
    await rm(folder, { recursive: true, force: true });
  }

  for (let leftMs = BOUND_WITHIN_MS; !(await takes(serverPort)); leftMs -= LOOK_EVERY_MS) {
    if (leftMs <= 0 || child.exitCode !== null) {
      await close();
      throw new Error(`kamailio did not come up:\n${log}`);
    }
    await pause(LOOK_EVERY_MS);
  }
  return {
    clientPort,
    serverPort,
    nextHop: `sip:${HOST}:${serverPort};transport=${transport}`,
    async command(...words) {
      const { stdout } = await run('kamcmd', ['-s', `unix:${join(folder, 'ctl')}`, ...words]);
      return stdout;
    },
    log: () => log,
    close,
  };
}

/** Ports for `startKamailio`, when a store has to know them before it starts. */
export async function kamailioPorts(): Promise<KamailioPorts> {
  return { clientPort: await freePort(), serverPort: await freePort() };
}

/** The stream port is bound last, so all the others are too. */
async function takes(port: number): Promise<boolean> {
  const socket = connect(port, HOST);
  const taken = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return taken;
}
