/** SIPp, the load generator of Debian's `sip-tester`: an independent client over real sockets. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const FIXTURES = resolve(import.meta.dirname, '../../../shared/data/sipp');
const SCENARIO = join(FIXTURES, 'message-deposit.xml');
const SUBSCRIBERS = join(FIXTURES, 'subscribers.csv');
/** More than any server takes: then `inFlight` alone bounds the rate. */
const CALLS_PER_SECOND = 50_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

export interface SippLoad {
  readonly transport: 'udp' | 'tcp';
  readonly port: number;
  readonly count: number;
  readonly inFlight: number;
  readonly withinMs: number;
}

export interface SippReport {
  /** Calls that got their 202, and calls that ended otherwise. */
  readonly successful: number;
  readonly failed: number;
  readonly retransmissions: number;
  readonly perSecond: number;
  /** What SIPp wrote about messages that it did not expect. */
  readonly errors: string;
}

/** What is missing for SIPp to run the scenario, for the reason of a skip; `undefined`: nothing. */
export async function sippMissing(): Promise<string | undefined> {
  if (spawnSync('sipp', ['-v']).error) return 'sipp is not installed (apt-get install sip-tester)';
  const scenario = await readFile(SCENARIO).catch(() => undefined);
  return scenario ? undefined : `the design's fixtures are not there: ${SCENARIO}`;
}

/** Runs the deposit scenario; rejects when SIPp does not come to its end in time. */
export async function sipp(load: SippLoad): Promise<SippReport> {
  const { transport, port, count, inFlight, withinMs } = load;
  const folder = await mkdtemp(join(tmpdir(), 'restante-sipp-'));
  const statistics = join(folder, 'statistics.csv');
  const errors = join(folder, 'errors.log');
  try {
    const words = [
      ...['-sf', SCENARIO, '-inf', SUBSCRIBERS, '-t', transport === 'udp' ? 'u1' : 't1'],
      ...['-l', String(inFlight), '-m', String(count), '-r', String(CALLS_PER_SECOND)],
      ...['-i', '127.0.0.1', '-nostdin', '-trace_err', '-error_file', errors],
      ...['-trace_stat', '-stf', statistics, `127.0.0.1:${port}`],
    ];
    // It answers a failed call by its exit code, and the statistics say how many there were.
    const ended = await run('sipp', words, {
      cwd: folder,
      env: { ...process.env, TERM: 'dumb' },
      timeout: withinMs,
      maxBuffer: OUTPUT_BYTES_MAX,
    }).catch((error: Error & { code?: number | string }) => {
      if (error.code !== 1) throw error;
      return undefined;
    });
    const figures = await lastRow(statistics);
    const said = await readFile(errors, 'utf8').catch(() => '');
    const figure = (name: string) => Number(figures.get(name));
    return {
      successful: figure('SuccessfulCall(C)'),
      failed: figure('FailedCall(C)'),
      retransmissions: figure('Retransmissions(C)'),
      perSecond: figure('CallRate(C)'),
      errors: ended ? said : `${said}\nSIPp ended with exit code 1`,
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function lastRow(file: string): Promise<ReadonlyMap<string, string>> {
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  const names = lines[0]?.split(';') ?? [];
  const values = lines.at(-1)?.split(';') ?? [];
  return new Map(names.map((name, column) => [name, values[column] ?? '']));
}
