/** What passes on loopback, captured by Wireshark's dumpcap: needs the right to capture. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const BEGUN_WITHIN_MS = 10_000;
/** dumpcap hands on what it captured this often; what passed before is in the file then. */
const HANDED_ON_MS = 500;

export interface Capture {
  /** Ends it; resolves with the path of the file. */
  end(): Promise<string>;
  remove(): Promise<void>;
}

/** Whether this user may capture on loopback; says loudly when not. */
export function captureAvailable(): boolean {
  const tried = spawnSync('dumpcap', ['-i', 'lo', '-a', 'duration:0', '-w', '/dev/null']);
  const may = tried.error === undefined && tried.status === 0;
  if (!may) {
    console.warn(
      'SKIPPED: no right to capture on loopback, so nothing was dissected: ' +
        'install tshark and run as root, or join the group wireshark',
    );
  }
  return may;
}

/** Captures what passes at these ports from now on. */
export async function captureLoopback(ports: readonly number[]): Promise<Capture> {
  const folder = await mkdtemp(join(tmpdir(), 'restante-capture-'));
  const file = join(folder, 'loopback.pcapng');
  const filter = ports.map((port) => `port ${port}`).join(' or ');
  const child = spawn('dumpcap', ['-q', '-i', 'lo', '-f', filter, '-w', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  await begun(child).catch(async (error: unknown) => {
    child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
    throw error;
  });
  const end = async (): Promise<string> => {
    await pause(HANDED_ON_MS);
    child.kill('SIGINT');
    await exited;
    return file;
  };
  const remove = async (): Promise<void> => {
    if (child.exitCode === null) child.kill('SIGKILL');
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  return { end, remove };
}

/** It names its file once the socket is open. */
function begun(child: ChildProcess): Promise<void> {
  let said = '';
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error(`dumpcap did not begin: ${said}`)),
      BEGUN_WITHIN_MS,
    );
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (!said.includes('File: ')) return;
      clearTimeout(late);
      resolve();
    });
    child.once('exit', (code) => {
      clearTimeout(late);
      reject(new Error(`dumpcap ended with ${code}: ${said}`));
    });
  });
}
