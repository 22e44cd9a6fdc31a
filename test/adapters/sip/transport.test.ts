import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { openSipTransports } from '../../../src/adapters/sip/transport/transport.ts';
import { responseHop } from '../../../src/wire/sip/hop.ts';
import { renderResponse } from '../../../src/wire/sip/response.ts';
import { freePort } from '../../controls/server.ts';
import { simulatedClock } from '../../controls/simulated-clock.ts';
import { withoutIpv6 } from '../../controls/sip-line.ts';
import { requestOctets } from '../../controls/transaction-stage.ts';
import { hostClock, transportStage, until } from '../../controls/transport-stage.ts';

type Stage = Awaited<ReturnType<typeof transportStage>>;
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function open(...args: Parameters<typeof transportStage>): Promise<Stage> {
  const stage = await transportStage(...args);
  closing.push(() => stage.transports.close());
  return stage;
}

function portOf(stage: Stage, index = 0): number {
  return stage.transports.listening[index]?.port ?? 0;
}

/** A bare TCP client and what it read. */
async function client(
  port: number,
  host = '127.0.0.1',
  localPort?: number,
): Promise<{ socket: Socket; text(): string }> {
  const socket = connect({ port, host, ...(localPort !== undefined && { localPort }) });
  closing.push(() => socket.destroy());
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  return { socket, text: () => text };
}

const octets = requestOctets('MESSAGE', 'z9hG4bKa');
const families = [
  { scheme: 'udp', host: '127.0.0.1', at: '127.0.0.1', without: '' },
  { scheme: 'udp', host: '::1', at: '[::1]', without: withoutIpv6 },
  { scheme: 'tcp', host: '127.0.0.1', at: '127.0.0.1', without: '' },
  { scheme: 'tcp', host: '::1', at: '[::1]', without: withoutIpv6 },
] as const;

describe('a request there and its response back', () => {
  test.for(families)('$scheme on $at$without', async ({ scheme, host, at, without }, { skip }) => {
    skip(without !== '', without);
    const alice = await open([`${scheme}://${at}:0`]);
    const bob = await open([`${scheme}://${at}:0`]);
    const local = `${at}:${portOf(bob)}`;
    alice.onMessage = (message, source) => {
      void alice.transports.send(renderResponse(message, source, { status: 202 }), source);
    };
    const hop = { transport: scheme, host, port: portOf(alice), local };
    expect(await bob.transports.send(octets, hop)).toEqual({ sent: true });
    await until(() => bob.messages.length === 1);
    expect(alice.messages[0]?.message.octets).toEqual(octets);
    expect(alice.messages[0]?.source).toMatchObject({ transport: scheme, host });
    expect(alice.messages[0]?.source.local).toBe(`${at}:${portOf(alice)}`);
    const answer = bob.messages[0]?.message;
    expect(answer?.start).toEqual({ kind: 'response', status: 202, reason: 'Accepted' });
    expect(answer?.first('via')).toContain(`;received=${host}`);
  });

  test('TCP: the next request to the same peer uses the same connection [RFC 3261 §18]', async () => {
    const alice = await open(['tcp://127.0.0.1:0']);
    const bob = await open(['tcp://127.0.0.1:0']);
    const to = { transport: 'tcp', host: '127.0.0.1', port: portOf(alice), local: '' } as const;
    // Both before the connection stands: the second must not open another one.
    await Promise.all([bob.transports.send(octets, to), bob.transports.send(octets, to)]);
    await until(() => alice.messages.length === 2);
    const connections = new Set(alice.messages.map(({ source }) => source.connection));
    expect(connections.size).toBe(1);
    expect(bob.transports.counts().connections).toBe(1);
  });
});

test('TCP: comes from the address that is listened on, by which peers are told apart', async () => {
  const core = await open(['tcp://127.0.0.1:0']);
  const to = { transport: 'tcp', host: '127.0.0.1', port: portOf(core), local: '' } as const;
  const one = await open(['tcp://127.0.0.2:0']);
  const every = await open(['tcp://0.0.0.0:0']);
  await one.transports.send(octets, to);
  await every.transports.send(octets, to);
  await until(() => core.messages.length === 2);
  const from = core.messages.map(({ source }) => source.host);
  expect(from.sort()).toEqual(['127.0.0.1', '127.0.0.2']);
});

describe('what cannot be sent', () => {
  test('a datagram that is too large → said, not swallowed', async () => {
    const { transports } = await open(['udp://127.0.0.1:0']);
    const hop = { transport: 'udp', host: '127.0.0.1', port: 9, local: '' } as const;
    const result = await transports.send(new Uint8Array(70_000), hop);
    expect(result).toMatchObject({ sent: false, reason: expect.stringContaining('70000 octets') });
  });

  test('nobody listens on TCP → refused, with the peer named', async () => {
    const port = await freePort();
    const { transports } = await open(['tcp://127.0.0.1:0']);
    const hop = { transport: 'tcp', host: '127.0.0.1', port, local: '' } as const;
    expect(await transports.send(octets, hop)).toMatchObject({
      sent: false,
      reason: expect.stringMatching(`tcp://127.0.0.1:${port}: .*ECONNREFUSED`),
    });
    await until(() => transports.counts().connections === 0);
  });

  test('no socket for the transport or the family → said', async () => {
    const { transports } = await open(['udp://127.0.0.1:0']);
    const v6 = { transport: 'udp', host: '::1', port: 9, local: '' } as const;
    const tls = { transport: 'tls', host: '127.0.0.1', port: 9, local: '' } as const;
    expect(await transports.send(octets, v6)).toMatchObject({ sent: false });
    expect(await transports.send(octets, tls)).toMatchObject({ sent: false });
  });

  test('the peer does not read → not read either, and told beyond the bound', async () => {
    const limits = { pauseAboveBytes: 64 * 1024, writeBytesMax: 1024 * 1024 };
    const stage = await open(['tcp://127.0.0.1:0'], { limits });
    const { socket } = await client(portOf(stage));
    socket.pause();
    socket.write(octets);
    await until(() => stage.messages.length === 1);
    const source = stage.messages[0]?.source;
    if (source === undefined) throw new Error('no source');
    const big = new Uint8Array(512 * 1024);
    let refused = 0;
    // The kernel takes some megabytes before octets wait in the process.
    for (let count = 0; count < 100 && refused === 0; count += 1) {
      void stage.transports.send(big, source).then((result) => {
        if (!result.sent) refused += 1;
      });
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(refused).toBe(1);
    socket.write(octets);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stage.messages, 'paused').toHaveLength(1);
    socket.resume();
    await until(() => stage.messages.length === 2);
  });
});

describe('a connection that is gone', () => {
  /** Who takes its place at its port, by listening there and by coming from there. */
  async function gone(trusted: boolean) {
    const stage = await open(['tcp://127.0.0.1:0', 'tcp://127.0.0.1:0'], {
      trusted: () => trusted,
    });
    // Not one that the system gives to others meanwhile.
    const port = await freePort();
    const { socket } = await client(portOf(stage), '127.0.0.1', port);
    const Via = `SIP/2.0/TCP 127.0.0.1:${port};branch=z9hG4bKgone`;
    socket.write(requestOctets('MESSAGE', 'z9hG4bKgone', { Via }));
    await until(() => stage.messages.length === 1);
    // Reset, so that the port is free at once.
    socket.resetAndDestroy();
    await until(() => stage.transports.counts().connections === 0);
    const heir = await open([`tcp://127.0.0.1:${port}`]);
    const { message, source } = stage.messages[0] ?? {};
    if (!message || !source) throw new Error('no request');
    return { stage, heir, message, source };
  }

  test('what is for it alone goes nowhere, whoever has its port now [RFC 5626 §5.3]', async () => {
    const { stage, heir, source } = await gone(true);
    const sent = await stage.transports.send(octets, { ...source, connectionOnly: true });
    expect(sent).toMatchObject({ sent: false, reason: expect.stringContaining('is gone') });
    expect(heir.transports.counts().connections).toBe(0);
  });

  test('an answer: a new one for a trusted peer, none for a stranger [RFC 3261 §18.2.2]', async () => {
    for (const trusted of [true, false]) {
      const { stage, heir, message, source } = await gone(trusted);
      const answer = renderResponse(message, source, { status: 200 });
      const { sent } = await stage.transports.send(answer, responseHop(message, source));
      expect(sent).toBe(trusted);
      expect(heir.transports.counts().connections).toBe(trusted ? 1 : 0);
    }
  });

  test('another one from the same place took none of its traffic, and leaves it its place', async () => {
    const stage = await open(['tcp://127.0.0.1:0', 'tcp://127.0.0.1:0']);
    const localPort = await freePort();
    const first = await client(portOf(stage), '127.0.0.1', localPort);
    await until(() => stage.transports.counts().connections === 1);
    // Another listener, so that the system lets it come from the same port.
    const second = connect({ port: portOf(stage, 1), host: '127.0.0.1', localPort });
    closing.push(() => second.destroy());
    let stolen = '';
    second.on('data', (chunk) => {
      stolen += chunk.toString();
    });
    await until(() => stage.transports.counts().connections === 2);
    const hop = { transport: 'tcp', host: '127.0.0.1', port: localPort, local: '' } as const;
    expect(await stage.transports.send(octets, hop)).toEqual({ sent: true });
    await until(() => first.text() !== '');
    second.destroy();
    await until(() => stage.transports.counts().connections === 1);
    expect(await stage.transports.send(octets, hop)).toEqual({ sent: true });
    await until(() => first.text().length === 2 * octets.length);
    expect(stolen).toBe('');
  });
});

describe('what arrives on TCP', () => {
  test('400 messages in one write → all of them, in order', async () => {
    const stage = await open(['tcp://127.0.0.1:0']);
    const { socket } = await client(portOf(stage));
    const many = Array.from({ length: 400 }, (_, index) =>
      requestOctets('MESSAGE', `z9hG4bK${index}`),
    );
    socket.write(Buffer.concat(many));
    await until(() => stage.messages.length === 400);
    expect(stage.messages.map(({ message }) => message.octets)).toEqual(many);
  });

  test('a double CRLF → CRLF back [RFC 5626 §4.4.1]', async () => {
    const stage = await open(['tcp://127.0.0.1:0']);
    const { socket, text } = await client(portOf(stage));
    socket.write('\r\n\r\n');
    await until(() => text() !== '');
    expect(text()).toBe('\r\n');
    expect(stage.messages).toEqual([]);
  });

  test('no SIP at all → told, then the connection is closed', async () => {
    const stage = await open(['tcp://127.0.0.1:0'], { limits: { lingerMs: 10 } });
    const { socket } = await client(portOf(stage));
    socket.write('(this is no SIP)\r\n\r\n');
    await until(() => stage.transports.counts().connections === 0);
    expect(stage.refusals).toHaveLength(1);
  });

  test('a reset in the middle of a message → the others go on', async () => {
    const stage = await open(['tcp://127.0.0.1:0']);
    const { socket } = await client(portOf(stage));
    const other = await client(portOf(stage));
    socket.write(octets.subarray(0, 50));
    await until(() => stage.transports.counts().connections === 2);
    socket.resetAndDestroy();
    await until(() => stage.transports.counts().connections === 1);
    other.socket.write(octets);
    await until(() => stage.messages.length === 1);
  });

  test('more connections than allowed → the last is refused and said', async () => {
    const stage = await open(['tcp://127.0.0.1:0'], { limits: { connectionsMax: 1 } });
    const first = await client(portOf(stage));
    await client(portOf(stage));
    await until(() => stage.errors.length === 1);
    expect(stage.errors[0]?.what).toBe('connection refused: there are 1 already');
    first.socket.write(octets);
    await until(() => stage.messages.length === 1);
  });

  test('stopListening → no new connection, the old one goes on', async () => {
    const stage = await open(['tcp://127.0.0.1:0']);
    const { socket } = await client(portOf(stage));
    await until(() => stage.transports.counts().connections === 1);
    stage.transports.stopListening();
    socket.write(octets);
    await until(() => stage.messages.length === 1);
    const late = connect({ port: portOf(stage), host: '127.0.0.1' });
    const error = await new Promise<NodeJS.ErrnoException>((resolve) =>
      late.once('error', resolve),
    );
    expect(error.code).toBe('ECONNREFUSED');
  });
});

describe('time bounds', () => {
  test('a message that drips in is given up 32 s after its first octet', async () => {
    const clock = simulatedClock();
    const stage = await open(['tcp://127.0.0.1:0'], { clock });
    const { socket } = await client(portOf(stage));
    // In one piece with a whole message, so that it is known when the first octet arrived.
    socket.write(Buffer.concat([octets, octets.subarray(0, 1)]));
    await until(() => stage.messages.length === 1);
    for (let second = 1; second < 32; second += 1) {
      socket.write(octets.subarray(second, second + 1));
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(1_000);
    }
    expect(stage.transports.counts().connections).toBe(1);
    clock.advance(2_000);
    await until(() => stage.transports.counts().connections === 0);
    expect(stage.errors[0]?.what).toContain('not complete within 32000 ms');
    clock.advance(1_000);
    expect(clock.pending(), 'no timer without connections').toBe(0);
  });

  test('a connection on which nothing moves is closed after idleMs', async () => {
    const clock = simulatedClock();
    const stage = await open(['tcp://127.0.0.1:0'], { clock, limits: { idleMs: 120_000 } });
    const { socket } = await client(portOf(stage));
    await until(() => stage.transports.counts().connections === 1);
    clock.advance(119_000);
    socket.write('\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    clock.advance(119_000);
    expect(stage.transports.counts().connections).toBe(1);
    clock.advance(2_000);
    await until(() => stage.transports.counts().connections === 0);
  });
});

describe('what arrives on UDP', () => {
  test('keep-alives are counted, broken requests told, good ones go on', async () => {
    const stage = await open(['udp://127.0.0.1:0']);
    const bob = await open(['udp://127.0.0.1:0']);
    const hop = { transport: 'udp', host: '127.0.0.1', port: portOf(stage), local: '' } as const;
    const noCseq = requestOctets('MESSAGE', 'z9hG4bKb', { CSeq: '' });
    for (const one of [new TextEncoder().encode('\r\n\r\n'), noCseq, octets]) {
      await bob.transports.send(one, hop);
    }
    await until(() => stage.messages.length === 1 && stage.refusals.length === 1);
    expect(stage.refusals[0]?.refusal.status).toBe(400);
    expect(stage.transports.counts().keepAlivesTotal).toBe(1);
  });
});

describe('opening', () => {
  const quiet = { onMessage() {}, onRefusal() {}, onError() {}, clock: hostClock };

  test.each(['udp', 'tcp'])('%s port in use → says where and what to do', async (scheme) => {
    const stage = await open([`${scheme}://127.0.0.1:0`]);
    const where = `${scheme}://127.0.0.1:${portOf(stage)}`;
    const opened = await openSipTransports({
      ...quiet,
      listen: [`${scheme}://127.0.0.1:0`, where],
    });
    expect(opened).toEqual({
      kind: 'failed',
      failures: [
        `cannot listen on ${where}: the port is in use; stop the program that has it, or choose another port`,
      ],
    });
  });

  test('an address of another machine, and no address → one failure each', async () => {
    const listen = ['tcp://192.0.2.1:0', 'sctp://127.0.0.1:5060', 'udp://127.0.0.1:70000'];
    const opened = await openSipTransports({ ...quiet, listen });
    if (opened.kind === 'open') throw new Error('it must not open');
    expect(opened.failures[0]).toContain('this machine has no such address');
    expect(opened.failures[1]).toContain('write udp://<address>:<port>');
    expect(opened.failures).toHaveLength(3);
  });
});
