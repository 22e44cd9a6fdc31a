/** SIP over WebSocket against clients that do and do not keep RFC 7118. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import WebSocket, { type ClientOptions } from 'ws';
import { renderResponse } from '../../../src/wire/sip/response.ts';
import { type Certificates, certificates, withoutOpenssl } from '../../controls/certificates.ts';
import { simulatedClock } from '../../controls/simulated-clock.ts';
import { requestOctets } from '../../controls/transaction-stage.ts';
import { transportStage, until } from '../../controls/transport-stage.ts';

type Stage = Awaited<ReturnType<typeof transportStage>>;
const LISTEN = ['ws://127.0.0.1:0'];
const octets = requestOctets('MESSAGE', 'z9hG4bKa');
const text = new TextDecoder().decode(octets);
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function open(...args: Parameters<typeof transportStage>): Promise<Stage> {
  const stage = await transportStage(...args);
  closing.push(() => stage.transports.close());
  return stage;
}

interface Client {
  readonly socket: WebSocket;
  /** Messages that came, text as it is, others as octets. */
  readonly received: (string | Buffer)[];
  pings: number;
  /** Code of the close, once there is one. */
  code: number | undefined;
  /** HTTP status of a handshake that was refused. */
  refused: number | undefined;
}

async function client(
  stage: Stage,
  options: ClientOptions & { readonly servername?: string } = {},
  subprotocols: string | string[] = 'sip',
): Promise<Client> {
  const { transport, port } = stage.transports.listening[0] ?? {};
  const socket = new WebSocket(`${transport}://127.0.0.1:${port}/any`, subprotocols, options);
  closing.push(() => socket.terminate());
  const nothing = { code: undefined, refused: undefined };
  const seen: Client = { socket, received: [], pings: 0, ...nothing };
  socket.on('message', (data: Buffer, isBinary) => {
    seen.received.push(isBinary ? data : data.toString());
  });
  socket.on('ping', () => {
    seen.pings += 1;
  });
  socket.on('error', () => {});
  await new Promise<void>((resolve) => {
    socket.once('open', resolve);
    socket.on('unexpected-response', (request, response) => {
      seen.refused = response.statusCode;
      request.destroy();
      resolve();
    });
    socket.on('close', (code) => {
      seen.code = code;
      resolve();
    });
  });
  return seen;
}

describe('the handshake [RFC 7118 §4.1]', () => {
  test('subprotocol sip, among others too → taken, and chosen', async () => {
    const stage = await open(LISTEN);
    expect((await client(stage)).socket.protocol).toBe('sip');
    expect((await client(stage, {}, ['chat', 'sip'])).socket.protocol).toBe('sip');
    expect((await client(stage)).socket.extensions).toBe('');
  });

  test.each([
    ['none', []],
    ['another', 'chat'],
  ])('%s → 400, and told', async (_, subprotocols) => {
    const stage = await open(LISTEN);
    expect((await client(stage, {}, subprotocols)).refused).toBe(400);
    expect(stage.refusals[0]?.refusal.reason).toBe('no subprotocol sip');
    await until(() => stage.transports.counts().connections === 0);
  });

  test('origins: only those that are listed, programs without one too', async () => {
    const stage = await open(LISTEN, { webSocketOrigins: ['https://chat.example'] });
    expect((await client(stage, { origin: 'https://evil.example' })).refused).toBe(403);
    expect((await client(stage, { origin: 'https://Chat.Example' })).refused).toBeUndefined();
    expect((await client(stage)).refused).toBeUndefined();
  });

  test('a browser that asks for a page → 426; what is no HTTP → closed', async () => {
    const stage = await open(LISTEN);
    const { port } = stage.transports.listening[0] ?? {};
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(426);
    const socket = connect({ port: port ?? 0, host: '127.0.0.1' }).on('error', () => {});
    socket.end(octets);
    await until(() => stage.refusals.length === 2);
    await until(() => stage.transports.counts().connections === 0);
    expect(stage.refusals.map(({ refusal }) => refusal.reason)).toEqual([
      'no WebSocket handshake',
      'no HTTP',
    ]);
  });
});

describe('messages [RFC 7118 §5]', () => {
  test('text and binary in, the response over the same connection', async () => {
    const stage = await open(LISTEN);
    stage.onMessage = (message, source) => {
      void stage.transports.send(renderResponse(message, source, { status: 202 }), source);
    };
    const { socket, received } = await client(stage);
    socket.send(text);
    socket.send(octets);
    await until(() => received.length === 2);
    expect(stage.messages.map(({ message }) => message.octets)).toEqual([octets, octets]);
    expect(stage.messages[0]?.source).toMatchObject({ transport: 'ws', host: '127.0.0.1' });
    expect(received[0]).toMatch(/^SIP\/2\.0 202 /);
    expect(received[0]).toMatch(/^Via: .*;received=127\.0\.0\.1/m);
  });

  test('a Content-Length is not needed, and a wrong one is told [RFC 7118 §5.1]', async () => {
    const stage = await open(LISTEN);
    const { socket } = await client(stage);
    socket.send(`${text.replace(/Content-Length:.*\r\n/, '')}hello`);
    await until(() => stage.messages.length === 1);
    expect(stage.messages[0]?.message.body).toHaveLength(5);
    // Two messages in one are not taken apart.
    socket.send(text + text);
    await until(() => stage.refusals.length === 1);
    expect(stage.refusals[0]?.refusal).toMatchObject({ status: 400 });
    socket.send(text);
    await until(() => stage.messages.length === 2);
  });

  test('what is UTF-8 leaves as text, what is not as binary [RFC 7118 §4.2]', async () => {
    const stage = await open(LISTEN);
    const { socket, received } = await client(stage);
    socket.send(text);
    await until(() => stage.messages.length === 1);
    const source = stage.messages[0]?.source;
    if (!source) throw new Error('no source');
    await stage.transports.send(new TextEncoder().encode('für alle'), source);
    await stage.transports.send(Uint8Array.of(0x66, 0xfc, 0x72), source);
    await until(() => received.length === 2);
    expect(received).toEqual(['für alle', Buffer.from([0x66, 0xfc, 0x72])]);
  });

  test('a request by address and port goes over the connection that is there, or nowhere', async () => {
    const stage = await open(LISTEN);
    const { socket, received } = await client(stage);
    socket.send(text);
    await until(() => stage.messages.length === 1);
    const { host = '', port = 0, local = '' } = stage.messages[0]?.source ?? {};
    const hop = { transport: 'ws', host, port, local } as const;
    expect(await stage.transports.send(octets, hop)).toEqual({ sent: true });
    await until(() => received.length === 1);
    const secure = await stage.transports.send(octets, { ...hop, transport: 'wss' });
    expect(secure).toMatchObject({ sent: false, reason: expect.stringContaining('is gone') });
    socket.close();
    await until(() => stage.transports.counts().connections === 0);
    expect(await stage.transports.send(octets, hop)).toMatchObject({ sent: false });
  });

  test('a client that does not read is told of, and not read either', async () => {
    const limits = { pauseAboveBytes: 64 * 1024, writeBytesMax: 1024 * 1024 };
    const stage = await open(LISTEN, { limits });
    const { socket } = await client(stage);
    socket.send(text);
    await until(() => stage.messages.length === 1);
    const source = stage.messages[0]?.source;
    if (!source) throw new Error('no source');
    socket.pause();
    let refused = 0;
    // The kernel takes some megabytes before octets wait in the process.
    for (let count = 0; count < 100 && refused === 0; count += 1) {
      void stage.transports.send(new Uint8Array(512 * 1024), source).then(({ sent }) => {
        if (!sent) refused += 1;
      });
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(refused).toBe(1);
    socket.send(text);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stage.messages, 'paused').toHaveLength(1);
    socket.resume();
    await until(() => stage.messages.length === 2);
  });
});

describe('keep-alive [RFC 7118 §6]', () => {
  test('two empty lines → one back; one → nothing [RFC 5626 §3.5.1]', async () => {
    const stage = await open(LISTEN);
    const { socket, received } = await client(stage);
    socket.send('\r\n');
    socket.send('\r\n\r\n');
    await until(() => received.length === 1);
    expect(received).toEqual(['\r\n']);
    expect([stage.messages, stage.refusals]).toEqual([[], []]);
  });

  test('silence is pinged after 45 s; who answers stays, who does not is gone in 10 s', async () => {
    const clock = simulatedClock();
    const stage = await open(LISTEN, { clock });
    const good = await client(stage);
    const dead = await client(stage, { autoPong: false });
    await until(() => stage.transports.counts().connections === 2);
    clock.advance(46_000);
    await until(() => good.pings === 1 && dead.pings === 1);
    // Its pong is on the way back.
    good.socket.send('\r\n\r\n');
    await until(() => good.received.length === 1);
    clock.advance(11_000);
    await until(() => dead.code === 1006);
    expect(stage.transports.counts().connections).toBe(1);
    clock.advance(46_000);
    await until(() => good.pings === 2);
  });
});

describe('clients that mean no good', () => {
  test('no SIP → told, then closed with 1008', async () => {
    const stage = await open(LISTEN, { limits: { lingerMs: 10 } });
    const bad = await client(stage);
    bad.socket.send('hello');
    bad.socket.send(text);
    await until(() => bad.code !== undefined);
    expect(bad.code).toBe(1008);
    expect(stage.refusals).toHaveLength(1);
    expect(stage.messages).toEqual([]);
  });

  test.each([
    ['larger than a message may be', () => 'x'.repeat(256 * 1024 + 1), 1009],
    ['in many small fragments', 'fragments', 1009],
    ['text that is no UTF-8', 'invalid', 1007],
  ])('%s → closed, the others are served', async (_, what, expected) => {
    const stage = await open(LISTEN);
    const other = await client(stage);
    const bad = await client(stage);
    const { socket } = bad;
    if (what === 'fragments') {
      for (let count = 0; count < 300; count += 1) {
        socket.send('x'.repeat(1024), { fin: false, binary: false });
      }
    } else if (what === 'invalid') socket.send(Buffer.from([0xc3, 0x28]), { binary: false });
    else if (typeof what === 'function') socket.send(what());
    await until(() => bad.code !== undefined);
    expect(bad.code).toBe(expected);
    other.socket.send(text);
    await until(() => stage.messages.length === 1);
    await until(() => stage.transports.counts().connections === 1);
    expect(stage.refusals[0]?.refusal.reason).toMatch(/^WebSocket: WS_ERR_/);
    expect(stage.errors).toEqual([]);
  });

  test('a frame that announces 2^62 octets → closed before they come [RFC 6455 §5.2]', async () => {
    const stage = await open(LISTEN);
    const { port = 0 } = stage.transports.listening[0] ?? {};
    const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {});
    closing.push(() => socket.destroy());
    const head = ['GET / HTTP/1.1', 'Host: x', 'Upgrade: websocket', 'Connection: Upgrade'];
    const keys = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='];
    const all = [...head, ...keys, 'Sec-WebSocket-Protocol: sip', '', ''];
    // FIN and binary, masked, a length of 64 bits, and the mask.
    const frame = [0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4];
    socket.write(Buffer.concat([Buffer.from(all.join('\r\n')), Buffer.from(frame)]));
    await until(() => stage.refusals.length === 1);
    expect(stage.refusals[0]?.refusal.reason).toMatch(/^WebSocket: WS_ERR_/);
    socket.end();
    await until(() => stage.transports.counts().connections === 0);
  });

  test('a message that drips in is given up 32 s after its first octets', async () => {
    const clock = simulatedClock();
    const stage = await open(LISTEN, { clock });
    const { socket } = await client(stage);
    await until(() => stage.transports.counts().connections === 1);
    // Silence before it does not count.
    clock.advance(40_000);
    for (let second = 0; second < 34; second += 1) {
      socket.send('x', { fin: false });
      await new Promise((resolve) => setTimeout(resolve, 2));
      if (second === 30) expect(stage.transports.counts().connections).toBe(1);
      clock.advance(1_000);
    }
    await until(() => stage.transports.counts().connections === 0);
    expect(stage.errors[0]?.what).toContain('not complete within 32000 ms');
  });

  test('a handshake that does not end is closed after 10 s', async () => {
    const clock = simulatedClock();
    const stage = await open(LISTEN, { clock });
    const { port = 0 } = stage.transports.listening[0] ?? {};
    const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {});
    closing.push(() => socket.destroy());
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nX-Drip: ');
    await until(() => stage.transports.counts().connections === 1);
    clock.advance(11_000);
    await until(() => stage.transports.counts().connections === 0);
    expect(stage.refusals[0]?.refusal.reason).toBe('handshake not finished in time');
  });

  test('strangers have few connections, handshakes included', async () => {
    const limits = { untrustedPerAddressMax: 1 };
    const stage = await open(LISTEN, { limits, trusted: () => false });
    const first = await client(stage);
    const second = await client(stage);
    expect(second.socket.readyState).toBe(WebSocket.CLOSED);
    first.socket.send(text);
    await until(() => stage.messages.length === 1);
    first.socket.terminate();
    await until(() => stage.transports.counts().connections === 0);
    expect((await client(stage)).socket.readyState).toBe(WebSocket.OPEN);
  });
});

describe.skipIf(withoutOpenssl !== '')(`over TLS${withoutOpenssl}`, () => {
  let made: Certificates;
  beforeAll(() => {
    made = certificates();
  });
  afterAll(() => made.remove());

  test('wss: the same, with the name of a client that has a certificate', async () => {
    const server = made.issue('server', { san: 'DNS:sip.example.org' });
    const peer = made.issue('peer', { san: 'URI:sip:gateway.example' });
    const stage = await open(['wss://127.0.0.1:0'], { tls: { ...server, ca: made.ca } });
    const { socket, received } = await client(stage, {
      ca: readFileSync(made.ca),
      servername: 'sip.example.org',
      cert: readFileSync(peer.certificate),
      key: readFileSync(peer.key),
    });
    socket.send(text);
    await until(() => stage.messages.length === 1);
    const source = stage.messages[0]?.source;
    expect(source).toMatchObject({ transport: 'wss', peerNames: ['gateway.example'] });
    if (source) await stage.transports.send(octets, source);
    await until(() => received.length === 1);
    expect(stage.transports.counts().connectionsBy).toEqual({ tcp: 0, tls: 0, ws: 0, wss: 1 });
    socket.close();
    await until(() => stage.transports.counts().connections === 0);
  });
});
