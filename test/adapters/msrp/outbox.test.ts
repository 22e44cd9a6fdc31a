import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { type Outbox, outbox } from '../../../src/adapters/msrp/outbox.ts';
import { until } from './loopback.ts';

const open: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.destroy();
});

/** A socket and the far end of it, which reads nothing yet. */
async function pair(): Promise<{ socket: Socket; far: Socket }> {
  const server = createServer({ pauseOnConnect: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [Socket];
  server.close();
  open.push(socket, far);
  return { socket, far };
}

const QUEUED_BYTES_MAX = 32 * 1024;

/** Writes chunks whenever it may. */
function writer(out: Outbox, name: string, options: { chunkBytes: number; chunks: number }) {
  const chunk = Buffer.alloc(options.chunkBytes, name);
  const made = {
    left: options.chunks,
    drained() {
      while (made.left > 0 && out.ready(made)) {
        made.left -= 1;
        if (!out.write([chunk], made)) return;
      }
    },
  };
  made.drained();
  return made;
}

/** Who comes after whom, and how many octets of each in a row. */
function runs(octets: Buffer): readonly string[] {
  const found: string[] = [];
  for (let at = 0; at < octets.length; ) {
    const name = String.fromCharCode(octets[at] ?? 0);
    const from = at;
    while (at < octets.length && octets[at] === octets[from]) at += 1;
    found.push(`${name}${at - from}`);
  }
  return found;
}

it('what is urgent waits behind at most one chunk and what may be queued', async () => {
  const { socket } = await pair();
  const out = outbox(socket, QUEUED_BYTES_MAX);
  const endless = writer(out, 'L', { chunkBytes: 65_536, chunks: 10_000 });
  let before = -1;
  while (before !== endless.left) {
    before = endless.left;
    for (let turn = 0; turn < 20; turn += 1) await new Promise((next) => setImmediate(next));
  }
  expect(endless.left).toBeGreaterThan(0);
  expect(socket.writableLength).toBeLessThanOrEqual(65_536 + QUEUED_BYTES_MAX);
});

it('writers go on in turns, chunk by chunk, and one that left is not told', async () => {
  const { socket, far } = await pair();
  const out = outbox(socket, QUEUED_BYTES_MAX);
  const heard: Buffer[] = [];
  far.on('data', (octets) => heard.push(octets));
  const [one, two, three] = ['1', '2', '3'].map((name) =>
    writer(out, name, { chunkBytes: 65_536, chunks: 4 }),
  );
  if (three) out.leave(three);
  const small = writer(out, 's', { chunkBytes: 100, chunks: 5 });
  far.resume();
  await until(() => Buffer.concat(heard).length === 8 * 65_536 + 500);
  expect([one?.left, two?.left, three?.left, small.left]).toEqual([0, 0, 4, 0]);
  // The first had found it full before the others came.
  expect(runs(Buffer.concat(heard))).toEqual([
    '1131072',
    '265536',
    's500',
    '165536',
    '265536',
    '165536',
    '2131072',
  ]);
});
