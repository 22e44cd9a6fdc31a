/** Child processes that put load on the server, and what the server's process used meanwhile. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { bundle } from './bundle.ts';

const run = promisify(execFile);
/** Linux counts CPU time in ticks of this length for every program (USER_HZ). */
const TICK_MICROS = 10_000;
const REPORT_BYTES_MAX = 1024 * 1024;

/** Runs an entry to its end with one JSON argument; resolves to the JSON that it prints. */
export async function loadReport<Report>(entryTs: string, load: unknown): Promise<Report> {
  const file = await bundle(entryTs);
  const { stdout } = await run(process.execPath, [file, JSON.stringify(load)], {
    maxBuffer: REPORT_BYTES_MAX,
  });
  return JSON.parse(stdout) as Report;
}

/** Starts an entry that prints one line when it is ready, and goes on until it is killed. */
export async function loadPeer(
  entryTs: string,
  load: unknown,
): Promise<{ readonly process: ChildProcess; readonly line: string }> {
  const file = await bundle(entryTs);
  const child = spawn(process.execPath, [file, JSON.stringify(load)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
  return { process: child, line: chunk.toString().trim() };
}

/** CPU time of a process so far, user and system, in microseconds; steps of 10,000 (Linux). */
export async function cpuMicros(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The command may hold spaces and brackets: fields are counted from behind it (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
}
