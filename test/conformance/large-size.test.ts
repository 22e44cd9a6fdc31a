/**
 * Messages of any size, in and out, octet for octet, while the server's memory stays as it was. The
 * client is a process of its own; what it took is a file, compared with what was sent.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, readFile, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { LargeReport } from '../controls/load-large.ts';
import { loadReport } from '../controls/load-process.ts';
import type { PushReport } from '../controls/load-pushes.ts';
import { type Server, startServer } from '../controls/server.ts';

const MIB = 1024 * 1024;
/** Anonymous memory that a server may have grown by: buffers and window, whatever the size. */
const GROWTH_BYTES_MAX = 128 * MIB;
const SAMPLE_MS = 20;
const TIMEOUT_MS = 600_000;
/** The body as sent, as kept, as pushed, and as taken. */
const COPIES = 4;

let server: Server | undefined;
let folder = '';

afterEach(async () => {
  await server?.remove();
  await rm(folder, { recursive: true, force: true });
});

/** Writes random octets; resolves to their digest. */
async function randomFile(path: string, bytes: number): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, 'w');
  for (let left = bytes; left > 0; left -= MIB) {
    const block = randomBytes(Math.min(left, MIB));
    hash.update(block);
    await file.write(block);
  }
  await file.close();
  return hash.digest('hex');
}

async function digestOf(path: string, start: number, bytes: number): Promise<string> {
  const hash = createHash('sha256');
  for await (const block of createReadStream(path, { start, end: start + bytes - 1 })) {
    hash.update(block as Buffer);
  }
  return hash.digest('hex');
}

/** Where the body of the SEND within a pushed message begins. */
async function innerBodyAt(path: string): Promise<number> {
  const file = await open(path, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(16_384), 0, 16_384, 0);
  await file.close();
  const head = buffer.subarray(0, bytesRead);
  const send = head.indexOf('\r\n\r\nMSRP ') + 4;
  return head.indexOf('\r\n\r\n', send) + 4;
}

async function anonymousBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Runs it and tells by how much the anonymous memory of the process grew at most. */
async function grown<Result>(pid: number, run: () => Promise<Result>) {
  const before = await anonymousBytes(pid);
  let peak = before;
  const timer = setInterval(() => {
    anonymousBytes(pid).then(
      (bytes) => {
        peak = Math.max(peak, bytes);
      },
      () => {},
    );
  }, SAMPLE_MS);
  const result = await run().finally(() => clearInterval(timer));
  return { result, growth: peak - before };
}

async function inAndOut(bytes: number): Promise<string> {
  folder = await mkdtemp(join(tmpdir(), 'restante-large-'));
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  expect(free, `${folder} has no room for ${COPIES} × ${bytes} octets`).toBeGreaterThan(
    COPIES * bytes,
  );
  server = await startServer({ args: ['--log-level', 'error', '--large-bytes', `${bytes}`] });
  const { sipPort } = server;
  const pid = server.process.pid ?? 0;
  const [sent, taken] = [join(folder, 'sent'), join(folder, 'taken')];
  const sha256 = await randomFile(sent, bytes);
  // The first session of a process compiles the code: its memory is nobody's message.
  const small = join(folder, 'small');
  await randomFile(small, 200_000);
  const warm = { sipPort, user: 'warm', file: small, count: 3 };
  await loadReport<LargeReport>('test/controls/load-large.ts', warm);
  await loadReport<PushReport>('test/controls/load-pushes.ts', { sipPort, user: 'warm' });

  const load = { sipPort, user: 'alice', file: sent, count: 1 };
  const deposit = await grown(pid, () =>
    loadReport<LargeReport>('test/controls/load-large.ts', load),
  );
  expect(deposit.result.outcomes).toEqual(['acknowledged']);
  const client = { sipPort, user: 'alice', bodyFile: taken };
  const push = await grown(pid, () =>
    loadReport<PushReport>('test/controls/load-pushes.ts', client),
  );
  expect(push.result.messages).toBe(1);
  expect(await digestOf(taken, await innerBodyAt(taken), bytes)).toBe(sha256);
  expect(deposit.growth).toBeLessThan(GROWTH_BYTES_MAX);
  expect(push.growth).toBeLessThan(GROWTH_BYTES_MAX);
  const mib = (octets: number) => `${(octets / MIB).toFixed(0)} MiB`;
  const rate = (ms: number) => `${(bytes / 1000 / ms).toFixed(0)} MB/s`;
  const [inMs = 0] = deposit.result.ms;
  return (
    `${mib(bytes)} in at ${rate(inMs)}, out at ${rate(push.result.ms)}; ` +
    `RssAnon grew by ${mib(deposit.growth)} and ${mib(push.growth)}`
  );
}

it(
  '10 MiB come in and go out whole, in bounded memory [IM-11.3.2.5-3]',
  async ({ task }) => {
    Object.assign(task.meta, { measured: await inAndOut(10 * MIB) });
  },
  TIMEOUT_MS,
);

it.runIf(process.env.RESTANTE_VERIFY)(
  '1 GiB comes in and goes out whole, in bounded memory [IM-11.3.2.5-3]',
  async ({ task }) => {
    Object.assign(task.meta, { measured: await inAndOut(1024 * MIB) });
  },
  TIMEOUT_MS,
);
