import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pcapOf } from './pcap.ts';
import type { Packet } from './scripted-peer.ts';

const run = promisify(execFile);
/** Between the values of one field. */
const AGGREGATOR = '|';
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
/** Least of the expert severities of Wireshark that is a complaint: below it are only chats. */
const NOTE = 0x00400000;
/** The group of what it remarks on the order of packets: who was slow, and is told again. */
const SEQUENCE = 0x02000000;

/** What one packet is made of, outermost protocol first, and what the dissector complains of. */
export interface Dissected {
  readonly protocols: readonly string[];
  readonly complaints: readonly string[];
}

/** Whether `tshark` is installed; says loudly when it is not. */
export function dissectorAvailable(): boolean {
  try {
    execFileSync('tshark', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    console.warn('SKIPPED: tshark is not installed, so nothing was dissected: install tshark');
    return false;
  }
}

/** Has Wireshark dissect them; `ports` says what is spoken where, as `{ 'tcp 5061': 'sip' }`. */
export async function dissect(
  packets: readonly Packet[],
  ports: Readonly<Record<string, 'sip' | 'msrp'>>,
): Promise<readonly Dissected[]> {
  const folder = await mkdtemp(join(tmpdir(), 'restante-pcap-'));
  const file = join(folder, 'flow.pcap');
  try {
    await writeFile(file, pcapOf(packets));
    return await dissectCapture(file, ports);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The same of a capture that is on disk. */
export async function dissectCapture(
  file: string,
  ports: Readonly<Record<string, 'sip' | 'msrp'>>,
): Promise<readonly Dissected[]> {
  const folder = await mkdtemp(join(tmpdir(), 'restante-tshark-'));
  const decodeAs = Object.entries(ports).flatMap(([port, protocol]) => [
    '-d',
    `${port.replace(' ', '.port==')},${protocol}`,
  ]);
  const expert = ['severity', 'group', 'message'].map((name) => `_ws.expert.${name}`);
  const fields = ['frame.protocols', ...expert, '_ws.malformed'];
  const each = fields.flatMap((field) => ['-e', field]);
  const print = ['-T', 'fields', '-E', `aggregator=${AGGREGATOR}`, ...each];
  try {
    // Names are not looked up (-n), and no user's own preferences change what is found.
    const words = ['-n', '-r', file, ...decodeAs, ...print];
    const env = { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder };
    const { stdout } = await run('tshark', words, { maxBuffer: OUTPUT_BYTES_MAX, env });
    return stdout.trimEnd().split('\n').map(dissected);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function dissected(line: string): Dissected {
  const [protocols = '', severities = '', groups = '', messages = '', malformed = ''] =
    line.split('\t');
  const [group, message] = [groups, messages].map((values) => values.split(AGGREGATOR));
  const grave = severities.split(AGGREGATOR).flatMap((severity, index) => {
    const isComplaint = Number(severity) >= NOTE && Number(group?.[index]) !== SEQUENCE;
    return isComplaint ? [message?.[index] ?? ''] : [];
  });
  return {
    protocols: protocols.split(':'),
    complaints: [...grave, ...(malformed === '' ? [] : [malformed])],
  };
}
