/** MSRP: what the codec and one session over loopback carry, against raw TCP. */
import { randomBytes } from 'node:crypto';
import { connect, createServer } from 'node:net';
import { openMsrpEndpoint } from '../src/adapters/msrp/endpoint.ts';
import type { Clock } from '../src/engine/ports.ts';
import { msrpFramer } from '../src/wire/msrp/frame.ts';
import { type MessageSink, memorySink } from '../src/wire/msrp/message-sink.ts';
import { joinOctets, renderResponse, renderSend } from '../src/wire/msrp/render.ts';

interface Row {
  readonly what: string;
  readonly figure: number;
  readonly unit: string;
  readonly ratio?: number;
  readonly floor?: string;
}

const clock: Clock = {
  now: () => Date.now(),
  timer(delayMs, callback) {
    const timeout = setTimeout(callback, delayMs);
    return () => clearTimeout(timeout);
  },
};
const MIB = 1024 * 1024;
const LARGE_BYTES = 64 * MIB;
const WINDOW = 32;
const ROUNDS = 3;
const SERVER = 'msrp://192.0.2.50:2855/p7k2m4qx9w;tcp';
const CLIENT = 'msrp://192.0.2.17:7394/2s93i9ek2a;tcp';

const median = (figures: readonly number[]): number =>
  figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? 0;

/** Median rate in operations per second of `ROUNDS` rounds, after one to warm up. */
async function rate(operations: number, run: () => unknown): Promise<number> {
  const rates: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const start = performance.now();
    await run();
    if (round > 0) rates.push((operations / (performance.now() - start)) * 1000);
  }
  return median(rates);
}

/** Octets as text has them: the search for an end-line meets letters of its transaction id. */
function prose(bytes: number): Uint8Array {
  const line = 'Item 036: the store keeps every octet that was received, in the order it came.\r\n';
  return Buffer.from(line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes));
}

function sendOctets(bodyBytes: number): Uint8Array {
  return joinOctets(
    renderSend({
      tid: 'd93kswow5e0cf1a7',
      toPath: [CLIENT],
      fromPath: [SERVER],
      messageId: '3f9ac07be1d24c58',
      failureReport: 'yes',
      successReport: 'no',
      byteRange: { start: 1, end: bodyBytes, total: bodyBytes },
      contentType: 'multipart/mixed;boundary="restante-5d1c9e"',
      body: prose(bodyBytes),
      flag: '$',
    }),
  );
}

async function codec(): Promise<readonly Row[]> {
  const frames = 50_000;
  const parse = async (frame: Uint8Array): Promise<number> => {
    // As a socket delivers them: frames one behind the other, cut every 64 KiB.
    const stream = joinOctets(Array.from({ length: 1000 }, () => frame));
    return rate(frames, () => {
      for (let n = 0; n < frames / 1000; n++) {
        const framer = msrpFramer();
        for (let at = 0; at < stream.length; at += 65_536)
          framer.push(stream.subarray(at, at + 65_536));
      }
    });
  };
  const response = { tid: 'd93kswow5e0cf1a7', status: 200, toPath: [SERVER], fromPath: [CLIENT] };
  const small = await parse(sendOctets(1024));
  const chunks = joinOctets(Array.from({ length: 64 }, () => sendOctets(65_536)));
  const large = await rate(640, () => {
    const framer = msrpFramer();
    for (let n = 0; n < 10; n++) {
      for (let at = 0; at < chunks.length; at += 65_536)
        framer.push(chunks.subarray(at, at + 65_536));
    }
  });
  return [
    { what: 'read SENDs of 1 KiB', figure: small, unit: 'frames/s' },
    { what: 'read responses', figure: await parse(renderResponse(response)), unit: 'frames/s' },
    { what: 'read chunks of 64 KiB', figure: (large * 65_536) / 1e6, unit: 'MB/s' },
    {
      what: 'write responses',
      figure: await rate(frames, () => {
        for (let n = 0; n < frames; n++) renderResponse(response);
      }),
      unit: 'frames/s',
    },
  ];
}

/** Round trips per second of `octets` echoed with `WINDOW` in flight, over one raw socket. */
async function echoRate(octets: Uint8Array, trips: number): Promise<number> {
  const server = createServer((socket) => socket.setNoDelay(true).pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const socket = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1');
  await new Promise((resolve) => socket.setNoDelay(true).once('connect', resolve));
  const figure = await rate(trips, async () => {
    let sent = 0;
    let heard = 0;
    await new Promise<void>((resolve) => {
      const fill = (): void => {
        while (sent < trips && sent - Math.floor(heard / octets.length) < WINDOW) {
          socket.write(octets);
          sent++;
        }
      };
      const data = (chunk: Uint8Array): void => {
        heard += chunk.length;
        if (heard >= trips * octets.length) {
          socket.off('data', data);
          resolve();
        } else fill();
      };
      socket.on('data', data);
      fill();
    });
  });
  socket.destroy();
  server.close();
  return figure;
}

/** Octets per second that one raw socket carries one way, in writes of 64 KiB. */
async function streamRate(bytes: number): Promise<number> {
  let got = 0;
  let through = (): void => {};
  const server = createServer((socket) =>
    socket.on('data', ({ length }) => {
      got += length;
      if (got >= bytes) through();
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const socket = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const block = new Uint8Array(65_536);
  const figure = await rate(bytes, async () => {
    let sent = 0;
    got = 0;
    const fill = (): void => {
      while (sent < bytes) {
        sent += block.length;
        if (!socket.write(block)) return;
      }
    };
    socket.on('drain', fill);
    await new Promise<void>((resolve) => {
      through = resolve;
      fill();
    });
    socket.off('drain', fill);
  });
  socket.destroy();
  server.close();
  return figure;
}

/** Two endpoints with a session between them. */
async function pair<Sink extends MessageSink>(begin: () => Sink) {
  const listen = { host: '127.0.0.1', port: 0 };
  const random = (octets: number) => randomBytes(octets);
  const limits = { messageBytesMax: LARGE_BYTES };
  const [server, client] = [
    await openMsrpEndpoint({ listen, clock, random }),
    await openMsrpEndpoint({ listen, clock, random, limits }),
  ];
  const [own, peer] = [
    `msrp://127.0.0.1:${server.port}/p7k2m4qx9w;tcp`,
    `msrp://127.0.0.1:${client.port}/2s93i9ek2a;tcp`,
  ];
  const message = (_: unknown, answer: (status: number) => void) => answer(200);
  client.acceptSession<Sink>({ localUri: peer, remotePath: [own], on: { begin, message } });
  const push = server.connectSession({ localUri: own, remotePath: [peer], windowMessages: WINDOW });
  await push.bound;
  return { push, close: () => Promise.all([server.close(), client.close()]) };
}

async function pushRate(bodyBytes: number, messages: number): Promise<number> {
  const { push, close } = await pair(memorySink);
  const body = prose(bodyBytes);
  let serial = 0;
  const figure = await rate(messages, () =>
    Promise.all(
      Array.from({ length: messages }, () => {
        const key = `m${serial++}.push`;
        return push.send({ key, messageId: key, contentType: 'text/plain', body });
      }),
    ),
  );
  await close();
  return figure;
}

/** One message from a source into a sink that keeps nothing: octets per second, and what it took. */
async function streamed(): Promise<{ readonly rate: number; readonly grewBytes: number }> {
  const sink = { bytes: 0, unwrittenBytes: 0, write: countInto, discard() {} };
  function countInto(_: number, octets: Uint8Array): void {
    sink.bytes += octets.length;
  }
  const { push, close } = await pair(() => sink);
  const block = prose(65_536);
  let serial = 0;
  let peakBytes = 0;
  const once = async (): Promise<void> => {
    const key = `m${serial++}.stream`;
    const body = {
      bytes: LARGE_BYTES,
      read(at: number, bytesMax: number) {
        if (at % (LARGE_BYTES / 16) === 0)
          peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
        return block.subarray(0, bytesMax);
      },
      close() {},
    };
    await push.send({ key, messageId: key, contentType: 'text/plain', body });
  };
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  const figure = await rate(LARGE_BYTES, once);
  await close();
  return { rate: figure, grewBytes: peakBytes - before };
}

async function push(): Promise<readonly Row[]> {
  // First: what the others leave behind would hide what it takes.
  const stream = await streamed();
  const frame = sendOctets(1024);
  const echo = await echoRate(frame, 20_000);
  const pairs = await pushRate(1024, 20_000);
  const raw = await streamRate(256 * MIB);
  const large = await pushRate(10 * MIB, 10);
  const floor = 'raw TCP one way, 64 KiB a write';
  return [
    { what: 'raw TCP echo, 1 KiB SEND', figure: echo, unit: 'round trips/s' },
    {
      what: 'SEND → 200, 1 KiB, window 32',
      figure: pairs,
      unit: 'pairs/s',
      ratio: pairs / echo,
      floor: `raw TCP echo of the same octets, ${WINDOW} in flight`,
    },
    { what: 'raw TCP one way', figure: raw / 1e6, unit: 'MB/s' },
    {
      what: 'messages of 10 MiB',
      figure: (large * 10 * MIB) / 1e6,
      unit: 'MB/s',
      ratio: (large * 10 * MIB) / raw,
      floor,
    },
    {
      what: '64 MiB from source to sink',
      figure: stream.rate / 1e6,
      unit: 'MB/s',
      ratio: stream.rate / raw,
      floor,
    },
    { what: 'memory that it takes at most', figure: stream.grewBytes / MIB, unit: 'MiB' },
  ];
}

export const benches = [
  { name: 'msrp-codec', run: codec },
  { name: 'msrp-push', run: push },
] as const;
