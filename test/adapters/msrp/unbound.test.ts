/** Connections that came in and belong to no session yet. */
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { simulatedClock } from '../../controls/simulated-clock.ts';
import { bind, closeEndpoints, endpoint, raw, until, uri } from './loopback.ts';

const open: Socket[] = [];
afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy();
  await closeEndpoints();
});

/** A connected peer, and what it heard. */
async function peer(port: number, localAddress = '127.0.0.1') {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  open.push(socket);
  const heard = { text: '', closed: false };
  socket.on('data', (chunk) => {
    heard.text += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    heard.closed = true;
  });
  await new Promise((resolve) => socket.once('connect', resolve));
  return { socket, heard };
}

const turns = async () => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

describe('a peer that connects before its answer is here', () => {
  it.each(['end', 'resetAndDestroy'] as const)(
    'and then goes (%s) leaves the session to the connection that lives [RFC 4975 §10.10]',
    async (goes) => {
      const server = await endpoint();
      const own = uri(server, 'p7k2m4qx9w');
      server.reserve('p7k2m4qx9w');
      const dead = await peer(server.port);
      dead.socket.write(bind(own));
      await turns();
      dead.socket[goes]();
      await until(() => dead.heard.closed);
      const living = await peer(server.port);
      living.socket.write(bind(own));
      await turns();
      const session = server.acceptSession({
        localUri: own,
        remotePath: ['msrp://127.0.0.1:1/x;tcp'],
      });
      const remote = `127.0.0.1:${living.socket.localPort}`;
      expect(await session.bound).toMatchObject({ bound: true, remote });
      await until(() => living.heard.text !== '');
      expect(living.heard.text).toContain('MSRP abcd 200 ');
    },
  );

  it('is read no further than its bound', async () => {
    const server = await endpoint({ limits: { parkedBytesMax: 1024, closeMs: 10 } });
    const own = uri(server, 'p7k2m4qx9w');
    server.reserve('p7k2m4qx9w');
    const early = await peer(server.port);
    early.socket.write(bind(own));
    await turns();
    const more = Buffer.alloc(64 * 1024, 'x');
    early.socket.write(`MSRP abce SEND\r\nTo-Path: ${own}\r\nFrom-Path: msrp://a:1/x;tcp\r\n`);
    early.socket.write('Message-ID: m124\r\nContent-Type: a/b\r\n\r\n');
    // The kernel takes some megabytes for a socket that is not read.
    for (let count = 0; count < 500; count += 1) early.socket.write(more);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(early.socket.writableLength).toBeGreaterThan(0);
  });
});

describe('too many that say nothing', () => {
  it('from one address: the next is refused, those of others are not', async () => {
    const refused: string[] = [];
    const server = await endpoint({
      limits: { unboundPerAddressMax: 2 },
      refused: ({ reason }) => refused.push(reason),
    });
    await peer(server.port);
    await peer(server.port);
    expect(await raw(server, '')).toBe('');
    expect(refused).toEqual(['too many unbound connections from one address']);
    const own = uri(server, 'p7k2m4qx9w');
    server.acceptSession({ localUri: own, remotePath: ['msrp://127.0.0.1:1/x;tcp'] });
    const other = await peer(server.port, '127.0.0.2');
    other.socket.write(bind(own));
    await until(() => other.heard.text.includes(' 200 '));
  });

  it('from many: the oldest that has named no session makes room', async () => {
    const server = await endpoint({ limits: { unboundConnectionsMax: 2 } });
    const own = uri(server, 'p7k2m4qx9w');
    server.reserve('p7k2m4qx9w');
    const early = await peer(server.port);
    early.socket.write(bind(own));
    await turns();
    const silent = await peer(server.port);
    await turns();
    const late = await peer(server.port);
    await until(() => silent.heard.closed);
    await turns();
    expect([early.heard.closed, late.heard.closed]).toEqual([false, false]);
  });

  it('one that was bound counts no more', async () => {
    const clock = simulatedClock();
    const server = await endpoint({ clock, limits: { unboundConnectionsMax: 1 } });
    const own = uri(server, 'p7k2m4qx9w');
    server.acceptSession({ localUri: own, remotePath: ['msrp://127.0.0.1:1/x;tcp'] });
    const bound = await peer(server.port);
    bound.socket.write(bind(own));
    await until(() => bound.heard.text.includes(' 200 '));
    const next = await peer(server.port);
    await turns();
    expect([bound.heard.closed, next.heard.closed]).toEqual([false, false]);
  });
});
