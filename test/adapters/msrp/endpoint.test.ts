import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { MsrpSignal } from '../../../src/adapters/msrp/endpoint.ts';
import { type MemorySink, memorySink } from '../../../src/wire/msrp/message-sink.ts';
import type { IncomingMessage } from '../../../src/wire/msrp/session.ts';
import { simulatedClock } from '../../controls/simulated-clock.ts';
import { bind, closeEndpoints, endpoint, raw, text, until, uri } from './loopback.ts';

afterEach(closeEndpoints);

const outgoing = (n: number, body: Uint8Array = Buffer.from(`message ${n}`)) => ({
  ...{ key: `${n}`, messageId: `m${n}.id`, contentType: 'text/plain', body },
});

type Incoming = IncomingMessage<MemorySink>;
type Answer = (status: number) => void;

const bodyOf = ({ sink, bytes }: Incoming) => sink.octets(bytes);

/** A server with a push session towards a client that waits for it. */
async function pair(options: { host?: string; answer?: (n: number) => number } = {}) {
  const listen = { host: options.host ?? '127.0.0.1', port: 0 };
  const [server, client] = [await endpoint({ listen }), await endpoint({ listen })];
  const got: Incoming[] = [];
  const paths = { server: uri(server, 'p7k2m4qx9w'), client: uri(client, '2s93i9ek2a') };
  const on = {
    begin: memorySink,
    message(message: Incoming, answer: Answer) {
      got.push(message);
      answer(options.answer?.(got.length) ?? 200);
    },
  };
  return { server, client, got, paths, on };
}

describe('two endpoints over loopback', () => {
  it.each(['127.0.0.1', '::1'])('%s: the server connects and pushes 100 messages', async (host) => {
    const { server, client, got, paths, on } = await pair({ host });
    client.acceptSession({ localUri: paths.client, remotePath: [paths.server], on });
    const push = server.connectSession({ localUri: paths.server, remotePath: [paths.client] });
    const remote = `${host.includes(':') ? `[${host}]` : host}:${client.port}`;
    expect(await push.bound).toMatchObject({ bound: true, remote });
    const sent = Array.from({ length: 100 }, (_, n) => outgoing(n));
    const outcomes = await Promise.all(sent.map((each) => push.send(each)));
    expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['acknowledged']));
    expect(got.map((each) => text(bodyOf(each)))).toEqual(sent.map(({ body }) => text(body)));
  });

  it('the client connects, and the server pushes over that connection', async () => {
    const { server, client, got, paths, on } = await pair();
    const push = server.acceptSession({ localUri: paths.server, remotePath: [paths.client] });
    const first = push.send(outgoing(1));
    client.connectSession({ localUri: paths.client, remotePath: [paths.server], on });
    expect((await push.bound).bound).toBe(true);
    expect(await first).toEqual({ outcome: 'acknowledged' });
    expect(got).toHaveLength(1);
  });

  it('a message of 1 MiB arrives whole', async () => {
    const { server, client, got, paths, on } = await pair();
    client.acceptSession({ localUri: paths.client, remotePath: [paths.server], on });
    const push = server.connectSession({ localUri: paths.server, remotePath: [paths.client] });
    const body = new Uint8Array(1024 * 1024).map((_, i) => (i * 7919) % 251);
    expect(await push.send(outgoing(1, body))).toEqual({ outcome: 'acknowledged' });
    expect(got.map((each) => Buffer.compare(bodyOf(each), body))).toEqual([0]);
    expect(got[0]?.chunks).toBe(16);
  });

  it('a refused message fails, the others pass', async () => {
    const { server, client, paths, on } = await pair({ answer: (n) => (n === 2 ? 403 : 200) });
    client.acceptSession({ localUri: paths.client, remotePath: [paths.server], on });
    const push = server.connectSession({ localUri: paths.server, remotePath: [paths.client] });
    const outcomes = await Promise.all([1, 2, 3].map((n) => push.send(outgoing(n))));
    expect(outcomes.map(({ outcome }) => outcome)).toEqual([
      'acknowledged',
      'failed',
      'acknowledged',
    ]);
  });

  it('a peer that connects before its answer is known waits until it is', async () => {
    const { server, client, got, paths, on } = await pair();
    server.reserve('p7k2m4qx9w');
    client.connectSession({ localUri: paths.client, remotePath: [paths.server], on });
    const parked = until(() => got.length === 1);
    const push = server.acceptSession({ localUri: paths.server, remotePath: [paths.client] });
    expect(await push.send(outgoing(1))).toEqual({ outcome: 'acknowledged' });
    await parked;
  });

  it('closing waits for the answers that are still owed', async () => {
    const { server, client, paths } = await pair();
    const arrived: ((status: number) => void)[] = [];
    const on = {
      begin: memorySink,
      message: (_: Incoming, answer: Answer) => arrived.push(answer),
    };
    const receiver = client.acceptSession({
      ...{ localUri: paths.client, remotePath: [paths.server], on },
    });
    const push = server.connectSession({ localUri: paths.server, remotePath: [paths.client] });
    const outcome = push.send(outgoing(1));
    await until(() => arrived.length === 1);
    const closed = receiver.close();
    arrived[0]?.(200);
    await closed;
    expect(await outcome).toEqual({ outcome: 'acknowledged' });
  });

  it('an endpoint that closes flushes the answers it has given', async () => {
    const { server, client, paths } = await pair();
    let closed: Promise<void> | undefined;
    const on = {
      begin: memorySink,
      message(_: Incoming, answer: Answer) {
        answer(200);
        closed ??= client.close();
      },
    };
    client.acceptSession({ localUri: paths.client, remotePath: [paths.server], on });
    const push = server.connectSession({ localUri: paths.server, remotePath: [paths.client] });
    expect(await push.send(outgoing(1))).toEqual({ outcome: 'acknowledged' });
    await closed;
  });

  it('every frame is journaled as it is on the wire', async () => {
    const signals: MsrpSignal[] = [];
    const journal = (signal: MsrpSignal) => signals.push(signal);
    const [server, client] = [await endpoint({ journal }), await endpoint()];
    const paths = { server: uri(server, 'p7k2m4qx9w'), client: uri(client, '2s93i9ek2a') };
    const on = {
      begin: memorySink,
      message: (_: Incoming, answer: Answer) => answer(200),
    };
    client.acceptSession({ localUri: paths.client, remotePath: [paths.server], on });
    const push = server.connectSession({ localUri: paths.server, remotePath: [paths.client] });
    await push.send(outgoing(1));
    expect(signals.map(({ direction, octets }) => [direction, text(octets).slice(22, 29)])).toEqual(
      [
        ['out', 'SEND\r\nT'],
        ['in', '200 OK\r'],
      ],
    );
    expect(signals[1]?.remote).toBe(`127.0.0.1:${client.port}`);
  });
});

describe('what goes wrong', () => {
  it('a peer that never answers: timeout after 30 s, the rest is lost', async () => {
    const clock = simulatedClock();
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => sockets.add(socket.resume()));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const server = await endpoint({ clock });
    const push = server.connectSession({
      localUri: uri(server, 'p7k2m4qx9w'),
      remotePath: [`msrp://127.0.0.1:${port}/2s93i9ek2a;tcp`],
      windowMessages: 1,
    });
    await push.bound;
    const outcomes = [push.send(outgoing(1)), push.send(outgoing(2))];
    clock.advance(30_000);
    expect(await Promise.all(outcomes)).toMatchObject([
      { outcome: 'sessionLost', sent: true },
      { outcome: 'sessionLost', sent: false },
    ]);
    clock.advance(2_000);
    silent.close();
    for (const socket of sockets) socket.destroy();
  });

  it('a cut connection loses what is not acknowledged', async () => {
    const { server, client, paths } = await pair();
    let count = 0;
    const on = {
      begin: memorySink,
      message(_: Incoming, answer: Answer) {
        if (++count <= 2) answer(200);
        else receiver.session.disconnected('cut');
      },
    };
    const receiver = client.acceptSession({
      ...{ localUri: paths.client, remotePath: [paths.server], on },
    });
    const push = server.connectSession({ localUri: paths.server, remotePath: [paths.client] });
    const outcomes = await Promise.all([1, 2, 3, 4].map((n) => push.send(outgoing(n))));
    expect(outcomes.map(({ outcome }) => outcome)).toEqual([
      'acknowledged',
      'acknowledged',
      'sessionLost',
      'sessionLost',
    ]);
  });

  it('nobody listens: not bound, with the reason', async () => {
    const [server, gone] = [await endpoint(), await endpoint()];
    const remotePath = [uri(gone, 'abcdefgh')];
    await gone.close();
    const push = server.connectSession({ localUri: uri(server, 'p7k2m4qx9w'), remotePath });
    const lost = push.send(outgoing(1));
    expect(await push.bound).toMatchObject({ bound: false });
    expect(await lost).toMatchObject({ outcome: 'sessionLost', sent: false });
  });

  it.each(['im.example.org', '999.1.1.1'])(
    'the peer names %s, which has no address: said',
    async (host) => {
      // Nobody answers there.
      const server = await endpoint({ dnsServers: ['127.0.0.1:1'] });
      const remotePath = [`msrp://${host}:2855/abcdefgh;tcp`];
      const push = server.connectSession({ localUri: uri(server, 'p7k2m4qx9w'), remotePath });
      const reason = `${host} has no address`;
      expect(await push.bound).toEqual({ bound: false, reason });
    },
  );

  it('nobody connects: not bound after 30 s', async () => {
    const clock = simulatedClock();
    const server = await endpoint({ clock });
    const push = server.acceptSession({
      localUri: uri(server, 'p7k2m4qx9w'),
      remotePath: ['msrp://192.0.2.1:9/abcdefgh;tcp'],
    });
    clock.advance(30_000);
    expect(await push.bound).toMatchObject({ bound: false });
  });
});

describe('strangers', () => {
  it('an unknown session → 481 and the connection is closed [RFC 4975 §10.8]', async () => {
    const refused: string[] = [];
    const server = await endpoint({ refused: ({ reason }) => refused.push(reason) });
    expect(await raw(server, bind(uri(server, 'unknown1')))).toContain('MSRP abcd 481 ');
    expect(refused).toEqual(['no such session']);
  });

  it('a stranger’s body is not waited for', async () => {
    const server = await endpoint();
    const open = 'Content-Type: a/b\r\n\r\nthe end-line never comes';
    expect(await raw(server, bind(uri(server, 'unknown1'), open))).toContain(' 481 ');
  });

  it('a session that has its connection → 506 on another [RFC 4975 §10.10]', async () => {
    const { server, client, paths, on } = await pair();
    client.acceptSession({ localUri: paths.client, remotePath: [paths.server], on });
    const push = server.connectSession({ localUri: paths.server, remotePath: [paths.client] });
    await push.send(outgoing(1));
    expect(await raw(client, bind(paths.client))).toContain('MSRP abcd 506 ');
    expect(await push.send(outgoing(2))).toEqual({ outcome: 'acknowledged' });
  });

  it('no MSRP at all: closed without a word', async () => {
    const refused: string[] = [];
    const server = await endpoint({ refused: ({ reason }) => refused.push(reason) });
    expect(await raw(server, 'GET / HTTP/1.1\r\n\r\n')).toBe('');
    expect(refused).toEqual(['not a start line of MSRP: GET / HTTP/1.1']);
  });

  it('who says nothing is closed after 30 s, and only so many may wait', async () => {
    const clock = simulatedClock();
    const server = await endpoint({ clock, limits: { unboundPerAddressMax: 1 } });
    const quiet = raw(server, 'MSRP ');
    await until(() => clock.pending() === 1);
    expect(await raw(server, '')).toBe('');
    clock.advance(30_000);
    expect(await quiet).toBe('');
  });

  it('who drips octets into a frame is cut off', async () => {
    const clock = simulatedClock();
    const server = await endpoint({ clock });
    const own = uri(server, 'p7k2m4qx9w');
    server.acceptSession({ localUri: own, remotePath: ['msrp://a.example:1/x;tcp'] });
    const socket = connect(server.port, '127.0.0.1');
    let heard = '';
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
    });
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(`${bind(own)}MSRP abce SEND\r\n`);
    await until(() => heard.includes('MSRP abcd 200'));
    clock.advance(120_001);
    socket.write('T');
    await closed;
  });
});
