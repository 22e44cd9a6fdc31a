/** A SIP client over any transport and family, whose every message a test decides. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { connect as connectTls } from 'node:tls';
import WebSocket from 'ws';
import type { SipTransport } from '../../src/wire/sip/hop.ts';
import { sipLength } from './scripted-peer.ts';

export interface SipLine {
  /** What its Via says. */
  readonly via: string;
  /** Our own end, `host:port`; undefined where clients do not know it. */
  readonly local: string;
  send(message: string): void;
  /** The next message; rejects when none comes within five seconds. */
  next(): Promise<string>;
  close(): void;
}

interface Way {
  readonly transport: SipTransport;
  readonly host: string;
  readonly port: number;
  /** PEM of the root that the server's certificate must come from. */
  readonly ca?: string;
  /** PEM of our own certificate and its key, over TLS. */
  readonly own?: { readonly cert: string; readonly key: string };
}

const NEXT_WITHIN_MS = 5_000;

/** Empty when the machine has ::1; else for the title of what is skipped without it. */
export const withoutIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
)
  ? ''
  : ' (SKIPPED: this machine has no ::1)';

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** Messages in the order they came, for `next`. */
function inbox() {
  const waiting: string[] = [];
  let wake: (() => void) | undefined;
  return {
    put(message: string): void {
      waiting.push(message);
      wake?.();
    },
    async next(): Promise<string> {
      const late = Date.now() + NEXT_WITHIN_MS;
      for (let first = waiting.shift(); ; first = waiting.shift()) {
        if (first !== undefined) return first;
        if (Date.now() > late) throw new Error('no message came');
        await new Promise<void>((resolve) => {
          wake = resolve;
          setTimeout(resolve, 100);
        });
      }
    },
  };
}

/** Opens one; the handshakes are over when it resolves. */
export async function sipLine(way: Way): Promise<SipLine> {
  const { transport, host, port } = way;
  const { put, next } = inbox();
  const line = (local: string, send: SipLine['send'], close: () => void): SipLine => ({
    ...{ via: `SIP/2.0/${transport.toUpperCase()} ${local}`, local, send, next, close },
  });
  if (transport === 'udp') {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.bind(0, host);
    await once(socket, 'listening');
    socket.on('message', (octets) => put(octets.toString()));
    const local = `${bracketed(host)}:${socket.address().port}`;
    return line(
      local,
      (text) => socket.send(text, port, host),
      () => socket.close(),
    );
  }
  if (transport === 'ws' || transport === 'wss') {
    const tls = way.ca === undefined ? {} : { ca: way.ca };
    const socket = new WebSocket(`${transport}://${bracketed(host)}:${port}/`, 'sip', tls);
    socket.on('error', () => {});
    socket.on('message', (data) => put(String(data)));
    await once(socket, 'open');
    // RFC 7118 §5: a page does not know its address.
    return line(
      'df7jal23ls0d.invalid',
      (text) => socket.send(text),
      () => socket.terminate(),
    );
  }
  const socket = transport === 'tcp' ? connectTcp({ host, port }) : secured(way);
  socket.on('error', () => {});
  await once(socket, transport === 'tcp' ? 'connect' : 'secureConnect');
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (let length = sipLength(pending); length > 0; length = sipLength(pending)) {
      put(pending.subarray(0, length).toString());
      pending = pending.subarray(length);
    }
  });
  const local = `${bracketed(host)}:${socket.localPort}`;
  return line(
    local,
    (text) => socket.write(text),
    () => socket.destroy(),
  );
}

function secured({ host, port, ca, own }: Way): Socket {
  return connectTls({ host, port, ...(ca === undefined ? {} : { ca }), ...own });
}
