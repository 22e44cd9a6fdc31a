/**
 * A peer whose every octet a test decides: it reads whole messages off its sockets with framing of
 * its own, not the server's, and keeps what went either way for a packet dissector.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { freePort } from '../../src/adapters/ua/free-port.ts';

const HOST = '127.0.0.1';
const NEXT_WITHIN_MS = 10_000;

export interface End {
  readonly host: string;
  readonly port: number;
}

/** One datagram, or one whole message of a connection: dissectors look for it at the start. */
export interface Packet {
  readonly transport: 'udp' | 'tcp';
  readonly from: End;
  readonly to: End;
  readonly octets: Buffer;
}

/** One connection, or one UDP socket, of the peer. */
export interface Line {
  /** Our own end. */
  readonly local: End;
  send(text: string | Uint8Array): void;
  /** The next whole message; rejects when none comes within ten seconds. */
  next(): Promise<Buffer>;
  /** Every whole message so far, also those that `next` gave. */
  readonly received: readonly Buffer[];
  /** The other side closed. */
  readonly closed: boolean;
  close(): void;
}

/** Length of the first whole message in the octets, 0 when there is none yet. */
type Framing = (octets: Buffer) => number;

/** RFC 3261 §18.3: a head, an empty line, as many octets as Content-Length says. */
export function sipLength(octets: Buffer): number {
  const end = octets.indexOf('\r\n\r\n');
  if (end < 0) return 0;
  const head = octets.subarray(0, end).toString('latin1');
  const body = Number(/^(?:content-length|l)[ \t]*:[ \t]*(\d+)/im.exec(head)?.[1] ?? 0);
  const length = end + 4 + body;
  return octets.length < length ? 0 : length;
}

/** RFC 4975 §7.1: up to the end-line of its own transaction id. */
export function msrpLength(octets: Buffer): number {
  const tid = /^MSRP (\S+) /.exec(octets.subarray(0, 64).toString('latin1'))?.[1];
  if (tid === undefined) return 0;
  const at = octets.indexOf(`\r\n-------${tid}`);
  const length = at + tid.length + 12;
  return at < 0 || octets.length < length ? 0 : length;
}

interface Inbox {
  readonly received: Buffer[];
  put(message: Buffer): void;
  next(): Promise<Buffer>;
}

function inbox(what: () => string): Inbox {
  const received: Buffer[] = [];
  const waiting: ((message: Buffer) => void)[] = [];
  let taken = 0;
  return {
    received,
    put(message) {
      received.push(message);
      const resolve = waiting.shift();
      if (resolve === undefined) return;
      taken += 1;
      resolve(message);
    },
    next() {
      const message = received[taken];
      if (message !== undefined) {
        taken += 1;
        return Promise.resolve(message);
      }
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`nothing came ${what()}`)), NEXT_WITHIN_MS);
        late.unref();
        waiting.push((arrived) => {
          clearTimeout(late);
          resolve(arrived);
        });
      });
    },
  };
}

export interface ScriptedPeer {
  /** Everything that went either way, in order. */
  readonly packets: readonly Packet[];
  /** A connection to the server. */
  connect(port: number, framing?: Framing): Promise<Line>;
  /** Where the server connects to; `accepted` resolves to its connections one after another. */
  listen(framing?: Framing): Promise<{ readonly port: number; accepted(): Promise<Line> }>;
  /** A UDP socket that talks to one port of the server. */
  datagrams(to: number, local?: Partial<End>): Promise<Line>;
  close(): void;
}

export function scriptedPeer(): ScriptedPeer {
  const packets: Packet[] = [];
  const closing: (() => void)[] = [];

  function lineOf(socket: Socket, framing: Framing): Line {
    const local = { host: HOST, port: socket.localPort ?? 0 };
    const remote = { host: HOST, port: socket.remotePort ?? 0 };
    const messages = inbox(() => `from port ${remote.port}`);
    let pending = Buffer.alloc(0);
    let closed = false;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      for (let length = framing(pending); length > 0; length = framing(pending)) {
        const octets = pending.subarray(0, length);
        packets.push({ transport: 'tcp', from: remote, to: local, octets });
        messages.put(octets);
        pending = pending.subarray(length);
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      closed = true;
    });
    closing.push(() => socket.destroy());
    return {
      local,
      send(text) {
        const octets = Buffer.from(text as string);
        packets.push({ transport: 'tcp', from: local, to: remote, octets });
        socket.write(octets);
      },
      next: messages.next,
      received: messages.received,
      get closed() {
        return closed;
      },
      close: () => socket.destroy(),
    };
  }

  return {
    packets,
    async connect(port, framing = sipLength) {
      const socket = connect({ port, host: HOST });
      await once(socket, 'connect');
      return lineOf(socket, framing);
    },
    async listen(framing = sipLength) {
      const lines: Promise<Line>[] = [];
      const give: ((line: Line) => void)[] = [];
      const slot = () => lines.push(new Promise((resolve) => give.push(resolve)));
      let arrived = 0;
      let taken = 0;
      // When it is closed nobody else gets its port, nor a connection that is to be refused there.
      const port = await freePort(HOST, 0, 'tcp');
      const server = createServer((socket) => {
        if (arrived === lines.length) slot();
        give[arrived++]?.(lineOf(socket, framing));
      }).listen(port, HOST);
      await once(server, 'listening');
      closing.push(() => server.close());
      return {
        port,
        accepted() {
          if (taken === lines.length) slot();
          return lines[taken++] as Promise<Line>;
        },
      };
    },
    async datagrams(to, { host = HOST, port = 0 } = {}) {
      const socket: UdpSocket = createSocket('udp4');
      socket.bind(port, host);
      await once(socket, 'listening');
      const local = { host, port: socket.address().port };
      const remote = { host: HOST, port: to };
      const messages = inbox(() => `from udp port ${to}`);
      socket.on('message', (octets, from) => {
        const source = { host: from.address, port: from.port };
        packets.push({ transport: 'udp', from: source, to: local, octets });
        messages.put(octets);
      });
      closing.push(() => socket.close());
      return {
        local,
        send(text) {
          const octets = Buffer.from(text as string);
          packets.push({ transport: 'udp', from: local, to: remote, octets });
          socket.send(octets, to, HOST);
        },
        next: messages.next,
        received: messages.received,
        closed: false,
        close: () => {},
      };
    },
    close() {
      for (const close of closing.splice(0)) close();
    },
  };
}
