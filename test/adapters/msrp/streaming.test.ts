/** Messages of any size over sockets: in bounded memory, and in turns. */
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { MsrpSignal } from '../../../src/adapters/msrp/endpoint.ts';
import type { BodySource } from '../../../src/wire/msrp/body-source.ts';
import { joinSources } from '../../../src/wire/msrp/join-sources.ts';
import { type MemorySink, memorySink } from '../../../src/wire/msrp/message-sink.ts';
import type { IncomingMessage } from '../../../src/wire/msrp/session.ts';
import { simulatedClock } from '../../controls/simulated-clock.ts';
import { closeEndpoints, endpoint, text, until, uri } from './loopback.ts';
import { PEER, type RawPeer, rawPeer, sendHead } from './raw-peer.ts';

const peers: RawPeer[] = [];
afterEach(async () => {
  for (const { socket } of peers.splice(0)) socket.destroy();
  await closeEndpoints();
});

async function peerOf(...of: Parameters<typeof rawPeer>): Promise<RawPeer> {
  const made = await rawPeer(...of);
  peers.push(made);
  return made;
}

const MIB = 1024 * 1024;
const outgoing = (key: string, body: Uint8Array | BodySource) => ({
  ...{ key, messageId: `id-${key}`, contentType: 'text/plain', body },
});
const long = (tid: string, own: string, range: string) =>
  sendHead(own, tid, `Byte-Range: ${range}\r\nContent-Type: a/b\r\n`);

/** Turns of the event loop, for what must not happen. */
async function turns(count = 50): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Zeroes, and how many of them were asked for. */
function zeroes(bytes: number) {
  const block = new Uint8Array(65_536);
  const source = {
    ...{ bytes, read: 0, closed: 0 },
    source: {
      bytes,
      read(at: number, bytesMax: number) {
        source.read = at + Math.min(bytesMax, block.length);
        return block.subarray(0, Math.min(bytesMax, block.length));
      },
      close() {
        source.closed += 1;
      },
    },
  };
  return source;
}

/** Counts what it gets; it works nothing off until it is told to. */
function slowSink() {
  const sink = {
    ...{ bytes: 0, unwrittenBytes: 0, discarded: '', open: false },
    write(_: number, octets: Uint8Array) {
      sink.bytes += octets.length;
      if (!sink.open) sink.unwrittenBytes += octets.length;
    },
    discard(reason: string) {
      sink.discarded = reason;
    },
  };
  return sink;
}

describe('several sessions over one connection', () => {
  it('take turns: small messages are through long before a large one', async () => {
    const server = await endpoint();
    const [large, small] = ['largesession', 'smallsession'].map((id) =>
      server.acceptSession({ localUri: uri(server, id), remotePath: [PEER] }),
    );
    const peer = await peerOf(server);
    for (const id of ['largesession', 'smallsession']) await peer.bind(uri(server, id));
    const first = large?.send(outgoing('large', zeroes(20 * MIB).source));
    const others = Array.from({ length: 20 }, (_, n) =>
      small?.send(outgoing(`s${n}`, Buffer.from('hi'))),
    );
    await Promise.all([first, ...others]);
    const order = peer.frames.flatMap((frame) =>
      frame.kind === 'request' && frame.body ? [frame.messageId === 'id-large' ? 'L' : 's'] : [],
    );
    expect(order.length).toBe(320 + 20);
    expect(order.lastIndexOf('s'), order.join('')).toBeLessThan(30);
  });

  it('an answer is not kept waiting by what is sent', async () => {
    const signals: string[] = [];
    const server = await endpoint({
      journal: ({ octets, direction }) =>
        signals.push(`${direction} ${text(octets.subarray(0, 40))}`),
    });
    const own = uri(server, 'p7k2m4qx9w');
    const session = server.acceptSession({ localUri: own, remotePath: [PEER] });
    const peer = await peerOf(server);
    await peer.bind(own);
    const sent = session.send(outgoing('large', zeroes(8 * MIB).source));
    await until(() => peer.frames.length > 3);
    peer.send(`${sendHead(own, 'urgent01', '').trimEnd()}\r\n-------urgent01$\r\n`);
    await sent;
    const asked = signals.findIndex((signal) => signal.startsWith('in MSRP urgent01 SEND'));
    expect(signals[asked + 1]).toMatch(/^out MSRP urgent01 200/);
  });
});

it('a chunk that we send longer than most is told by its digest, too', async () => {
  const signals: MsrpSignal[] = [];
  const server = await endpoint({ journal: (signal) => signals.push(signal) });
  const own = uri(server, 'p7k2m4qx9w');
  const request = { localUri: own, remotePath: [PEER], chunkBytes: MIB };
  const session = server.acceptSession(request);
  const peer = await peerOf(server);
  await peer.bind(own);
  const body = joinSources([Buffer.from('head'), zeroes(200_000).source]);
  void session.send(outgoing('large', body));
  await until(() => signals.some(({ body }) => body));
  const sha256 = createHash('sha256').update('head').update(new Uint8Array(200_000));
  const signal = signals.find(({ body }) => body);
  expect(signal).toMatchObject({
    direction: 'out',
    body: { bytes: 200_004, sha256: sha256.digest('hex') },
  });
  expect(text(signal?.octets ?? new Uint8Array(0))).toMatch(
    /text\/plain\r\n\r\n-------[a-z2-7]{16}\$\r\n$/,
  );
});

describe('backpressure', () => {
  it('a peer that does not read: the source is not asked on, until it does', async () => {
    const server = await endpoint();
    const own = uri(server, 'p7k2m4qx9w');
    const session = server.acceptSession({ localUri: own, remotePath: [PEER] });
    const peer = await peerOf(server);
    await peer.bind(own);
    peer.socket.pause();
    const body = zeroes(64 * MIB);
    const sent = session.send(outgoing('large', body.source));
    let before = -1;
    while (before !== body.read) {
      before = body.read;
      await turns();
    }
    expect(body.read).toBeLessThan(32 * MIB);
    peer.socket.resume();
    expect(await sent).toEqual({ outcome: 'acknowledged' });
    expect([body.read, body.closed]).toEqual([64 * MIB, 1]);
  });

  it('a sink that works nothing off: the peer is not read, until there is room', async () => {
    const server = await endpoint({ limits: { messageBytesMax: 64 * MIB } });
    const own = uri(server, 'p7k2m4qx9w');
    const sink = slowSink();
    const got: number[] = [];
    const session = server.acceptSession({
      ...{ localUri: own, remotePath: [PEER] },
      on: {
        begin: () => sink,
        message({ bytes }, answer) {
          got.push(bytes);
          answer(200);
        },
      },
    });
    const peer = await peerOf(server);
    peer.send(long('big00001', own, `1-*/${32 * MIB}`));
    for (let count = 0; count < 32; count++) peer.socket.write(new Uint8Array(MIB));
    peer.send('\r\n-------big00001$\r\n');
    await until(() => sink.unwrittenBytes >= MIB);
    await turns();
    expect(sink.bytes).toBeLessThan(MIB + 2 * 65_536);
    expect(peer.socket.writableLength).toBeGreaterThan(0);
    [sink.open, sink.unwrittenBytes] = [true, 0];
    session.room();
    await until(() => peer.statuses().length > 0);
    expect([got, peer.statuses()]).toEqual([[32 * MIB], [200]]);
  });

  it('large messages both ways at once do not hold each other up', async () => {
    const [server, client] = [await endpoint(), await endpoint()];
    const [own, theirs] = [uri(server, 'p7k2m4qx9w'), uri(client, '2s93i9ek2a')];
    const on = {
      begin: () => Object.assign(slowSink(), { open: true }),
      message: (_: unknown, answer: (status: number) => void) => answer(200),
    };
    const two = client.acceptSession({ localUri: theirs, remotePath: [own], on });
    const one = server.connectSession({ localUri: own, remotePath: [theirs], on });
    const outcomes = await Promise.all([
      one.send(outgoing('1', zeroes(10 * MIB).source)),
      two.send(outgoing('2', zeroes(10 * MIB).source)),
    ]);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['acknowledged', 'acknowledged']);
  });
});

describe('one long chunk', () => {
  async function receiving(options: Parameters<typeof endpoint>[0] = {}) {
    const server = await endpoint(options);
    const own = uri(server, 'p7k2m4qx9w');
    const got: string[] = [];
    const gone: unknown[] = [];
    const session = server.acceptSession({
      ...{ localUri: own, remotePath: [PEER] },
      on: {
        begin: memorySink,
        message(
          { sink, bytes, chunks }: IncomingMessage<MemorySink>,
          answer: (status: number) => void,
        ) {
          got.push(createHash('sha256').update(sink.octets(bytes)).digest('hex'), `${chunks}`);
          answer(200);
        },
        aborted: (message) => gone.push(message),
      },
    });
    return { own, got, gone, session, peer: await peerOf(server) };
  }

  it('comes octet for octet, and is one signal, recorded before anybody hears of it', async () => {
    const signals: MsrpSignal[] = [];
    const { own, got, peer } = await receiving({
      journal(signal) {
        signals.push(signal);
        if (signal.body) got.push(signal.body.sha256);
      },
    });
    const body = new Uint8Array(3 * MIB).map((_, i) => (i * 7919) % 251);
    const head = long('big00001', own, '1-*/*');
    peer.send(head);
    peer.socket.write(body);
    peer.send('\r\n-------big00001$\r\n');
    await until(() => peer.statuses().length > 0);
    const sha256 = createHash('sha256').update(body).digest('hex');
    expect(got).toEqual([sha256, sha256, '1']);
    const [signal] = signals;
    expect(signal?.body).toEqual({ bytes: 3 * MIB, sha256 });
    expect(text(signal?.octets ?? body)).toBe(`${head}-------big00001$\r\n`);
    expect(signals.map(({ direction }) => direction)).toEqual(['in', 'out']);
  });

  it('cut off with its connection is recorded with what came of it', async () => {
    const signals: MsrpSignal[] = [];
    const made = await receiving({ journal: (signal) => signals.push(signal) });
    made.peer.send(long('big00001', made.own, '1-*/*'));
    made.peer.socket.write(new Uint8Array(100_000));
    await turns();
    made.peer.socket.destroy();
    await until(() => made.gone.length > 0);
    expect(made.gone).toMatchObject([{ messageId: 'm123', bytes: 100_000 }]);
    expect(signals[0]?.body).toMatchObject({ bytes: 100_000 });
    expect(text(signals[0]?.octets ?? new Uint8Array(0))).toMatch(/Content-Type: a\/b\r\n\r\n$/);
  });

  it('known to be too long is answered 413 before it has come [RFC 4975 §10.5]', async () => {
    const { own, peer } = await receiving();
    peer.send(long('big00001', own, `1-*/${11 * MIB}`));
    peer.socket.write(new Uint8Array(100_000));
    await until(() => peer.statuses().length > 0);
    peer.send('\r\n-------big00001#\r\n');
    await peer.bind(own);
    expect(peer.statuses()).toEqual([413, 200]);
  });

  it('may take its time as long as it comes on, and not by drips', async () => {
    const clock = simulatedClock();
    const { own, peer, session } = await receiving({ clock });
    await peer.bind(own);
    peer.send(long('big00001', own, '1-*/*'));
    for (let stretch = 0; stretch < 5; stretch++) {
      const before = session.quietSince();
      clock.advance(100_000);
      peer.socket.write(new Uint8Array(70_000));
      await until(() => session.quietSince() > before);
      await turns();
    }
    expect(peer.closed).toBe(false);
    clock.advance(100_000);
    peer.send('x');
    await until(() => session.quietSince() === clock.now());
    clock.advance(100_000);
    peer.send('x');
    await until(() => peer.closed);
  });

  it('of a refused request is not dripped for ever either', async () => {
    const clock = simulatedClock();
    const { own, peer, session } = await receiving({ clock });
    await peer.bind(own);
    peer.send(sendHead(own, 'bad00001', 'Byte-Range: x\r\nContent-Type: a/b\r\n'));
    await until(() => peer.statuses().includes(400));
    for (let drip = 0; drip < 2; drip++) {
      clock.advance(60_001);
      peer.send('x');
      await turns();
    }
    await until(() => peer.closed);
    expect(session.session.state).toBe('ended');
  });

  it('whose To-Path has another host and port, session-id or scheme is refused [RFC 4975 §7.3]', async () => {
    const { own, peer } = await receiving();
    const elsewhere = own.replace(/\/\/[^/]+/, '//192.0.2.99:4000');
    await peer.bind(elsewhere);
    await peer.bind(own);
    peer.send(
      `${sendHead(own.replace('9w', '9x'), 'other001', '').trimEnd()}\r\n-------other001$\r\n`,
    );
    peer.send(
      `${sendHead(own.replace('msrp:', 'msrps:'), 'other002', '').trimEnd()}\r\n-------other002$\r\n`,
    );
    await until(() => peer.statuses().length === 4);
    expect(peer.statuses()).toEqual([481, 200, 481, 481]);
  });
});
