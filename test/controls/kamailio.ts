/** Kamailio as the SIP/IP core, on loopback and free ports, with the configuration that ships. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { CertificateFiles } from './certificates.ts';
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
  readonly transport?: 'udp' | 'tcp' | 'tls';
  /** Needed for TLS: what the core shows, and the roots of what it is shown. */
  readonly tls?: CertificateFiles & { readonly ca: string };
  /** Further definitions, as `CLIENT_MS=1000`. */
  readonly define?: readonly string[];
}

export interface KamailioPorts {
  readonly clientPort: number;
  readonly serverPort: number;
  readonly serverTlsPort: number;
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

/** Whether Kamailio can speak TLS; says loudly when it cannot. */
export function kamailioTlsAvailable(): boolean {
  if (!kamailioAvailable()) return false;
  const ports = { clientPort: 5060, serverPort: 5070, serverTlsPort: 5071 };
  const words = ['-c', '-f', KAMAILIO_CONFIGURATION, '-A', 'WITH_TLS'];
  const { status } = spawnSync('kamailio', [...words, ...definitions(ports, tmpdir())]);
  if (status !== 0) {
    console.warn('SKIPPED: Kamailio without TLS: install kamailio-tls-modules');
  }
  return status === 0;
}

function definitions(ports: KamailioPorts, folder: string) {
  const { clientPort, serverPort, serverTlsPort } = ports;
  const texts = [
    `CORE_IP=${HOST}`,
    `CLIENT_PORT=${clientPort}`,
    `SERVER_PORT=${serverPort}`,
    `SERVER_TLS_PORT=${serverTlsPort}`,
    `TLS_CONFIG="${join(folder, 'tls.cfg')}"`,
    `DISPATCHER_LIST="${join(folder, 'dispatcher.list')}"`,
    `CONTROL_SOCKET="unix:${join(folder, 'ctl')}"`,
  ];
  return texts.flatMap((text) => ['-A', text]);
}

/** Has Kamailio read a configuration; resolves with its complaint, empty when there is none. */
export async function checkConfiguration(file: string): Promise<string> {
  const words = definitions({ clientPort: 5060, serverPort: 5070, serverTlsPort: 5071 }, tmpdir());
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
  const { stores, transport = 'tcp', define = [], tls } = options;
  const bound = ports ?? (await kamailioPorts());
  const { serverPort, serverTlsPort } = bound;
  const folder = await mkdtemp(join(tmpdir(), 'restante-kamailio-'));
  const set = stores.map((port) => `1 sip:${HOST}:${port};transport=${transport} 0 0\n`);
  await writeFile(join(folder, 'dispatcher.list'), set.join(''));
  if (tls) await writeFile(join(folder, 'tls.cfg'), await tlsConfiguration(tls));
  const words = [...definitions(bound, folder), ...(tls ? ['-A', 'WITH_TLS'] : [])];
  words.push(...define.flatMap((text) => ['-A', text]));
  // The stream port is bound last, so all the others are too.
  const running = await runKamailio({
    ...{ file: KAMAILIO_CONFIGURATION, folder, words, port: serverPort },
  });
  return {
    ...bound,
    nextHop: `sip:${HOST}:${transport === 'tls' ? serverTlsPort : serverPort};transport=${transport}`,
    async command(...words) {
      const { stdout } = await run('kamcmd', ['-s', `unix:${join(folder, 'ctl')}`, ...words]);
      return stdout;
    },
    ...running,
  };
}

/**
 * Runs Kamailio until it is closed, and removes its folder then. Resolves when it takes TCP at
 * `port`; rejects with its log when it never does.
 */
export async function runKamailio(options: {
  readonly file: string;
  /** Of this run alone. */
  readonly folder: string;
  readonly words?: readonly string[];
  readonly port: number;
}): Promise<Pick<Kamailio, 'log' | 'close'>> {
  const { file, folder, words = [], port } = options;
  const child = spawn(
    'kamailio',
    ['-f', file, '-DD', '-E', '-m', '32', '-M', '4', '-Y', folder, ...words],
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

  for (let leftMs = BOUND_WITHIN_MS; !(await takes(port)); leftMs -= LOOK_EVERY_MS) {
    if (leftMs <= 0 || child.exitCode !== null) {
      await close();
      throw new Error(`kamailio did not come up:\n${log}`);
    }
    await pause(LOOK_EVERY_MS);
  }
  return { log: () => log, close };
}

/** Ports for `startKamailio`, when a store has to know them before it starts. */
export async function kamailioPorts(): Promise<KamailioPorts> {
  const [clientPort, serverPort] = [await freePort(), await freePort()];
  return { clientPort, serverPort, serverTlsPort: await freePort() };
}

/** The file that ships, with other paths in it. */
async function tlsConfiguration(tls: CertificateFiles & { readonly ca: string }): Promise<string> {
  const text = await readFile(join(dirname(KAMAILIO_CONFIGURATION), 'tls.cfg'), 'utf8');
  return text
    .replaceAll('/etc/kamailio/core.pem', tls.certificate)
    .replaceAll('/etc/kamailio/core.key', tls.key)
    .replaceAll('/etc/kamailio/roots.pem', tls.ca);
}

async function takes(port: number): Promise<boolean> {
  const socket = connect(port, HOST);
  const taken = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return taken;
}
