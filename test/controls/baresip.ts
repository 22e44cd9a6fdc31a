/** baresip, an independent client, steered over its control port. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from './server.ts';

const HOST = '127.0.0.1';
const SEEN_WITHIN_MS = 8_000;
const LOOK_EVERY_MS = 50;

export interface BaresipOptions {
  /** `sip:alice@example.org` */
  readonly aor: string;
  /** Where everything is sent, `sip:127.0.0.1:5060;transport=udp`. */
  readonly outbound: string;
  /** Whom `message` writes to. */
  readonly peer: string;
  /**
   * Further parameters of its Contact. baresip has no setting for them; they ride on that for `q`.
   */
  readonly features?: string;
  readonly password?: string;
}

export interface Baresip {
  /** Resolves when it printed this, and with all that it printed. */
  printed(text: string | RegExp): Promise<string>;
  /** Sends a MESSAGE to the peer. */
  message(text: string): Promise<void>;
  close(): Promise<void>;
}

/** Whether baresip is installed; says loudly when it is not. */
export function baresipAvailable(): boolean {
  const present = spawnSync('baresip', ['-h']).error === undefined;
  if (!present) {
    console.warn('SKIPPED: baresip is not installed, so it was no client: install baresip-core');
  }
  return present;
}

/** Starts it and waits for nothing: `printed` tells how it fares. */
export async function startBaresip(options: BaresipOptions): Promise<Baresip> {
  const { aor, outbound, peer, features, password = 'none' } = options;
  const folder = await mkdtemp(join(tmpdir(), 'restante-baresip-'));
  const [sipPort, controlPort] = [await freePort(), await freePort()];
  const modules = ['account', 'contact', 'menu', 'ctrl_tcp'];
  const config = [
    `sip_listen ${HOST}:${sipPort}`,
    `ctrl_tcp_listen ${HOST}:${controlPort}`,
    'module_path /usr/lib/baresip/modules',
    ...modules.map((name) => `module_app ${name}.so`),
  ];
  const quality = features === undefined ? '' : `;regq="1.0;${features}"`;
  const account = `<${aor}>;auth_pass=${password};outbound="${outbound}";regint=600${quality}`;
  await Promise.all([
    writeFile(join(folder, 'config'), `${config.join('\n')}\n`),
    writeFile(join(folder, 'accounts'), `${account}\n`),
    writeFile(join(folder, 'contacts'), `"Peer" <${peer}>\n`),
    writeFile(join(folder, 'current_contact'), peer),
  ]);
  const child = spawn('baresip', ['-f', folder, '-s', '-v'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  const exited = once(child, 'exit');

  async function printed(text: string | RegExp): Promise<string> {
    for (let leftMs = SEEN_WITHIN_MS; leftMs > 0; leftMs -= LOOK_EVERY_MS) {
      if (typeof text === 'string' ? said.includes(text) : text.test(said)) return said;
      await pause(LOOK_EVERY_MS);
    }
    throw new Error(`baresip did not say ${text}, but:\n${said}`);
  }

  async function control(): Promise<Socket> {
    const socket = connect(controlPort, HOST);
    await once(socket, 'connect');
    return socket;
  }

  return {
    printed,
    async message(text) {
      const socket = await control();
      const command = JSON.stringify({ command: 'message', params: text, token: 'test' });
      // Each command is a netstring.
      socket.write(`${Buffer.byteLength(command)}:${command},`);
      await once(socket, 'data');
      socket.destroy();
    },
    async close() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
