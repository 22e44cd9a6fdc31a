import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { sipFramer } from '../../../src/wire/sip/framing.ts';
import { parseSip, renderSip, type SipMessage } from '../../../src/wire/sip/message.ts';

type Headers = readonly (readonly [string, string])[];

/** A message that reached the peer, and the way back. */
export interface Arrived {
  readonly message: SipMessage;
  answer(status: number, headers?: Headers, body?: Uint8Array): void;
}

/** A SIP server that does only what the test tells it. */
export interface LoopbackPeer {
  readonly host: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp';
  /** The next message that arrives, on whatever connection. */
  next(): Promise<Arrived>;
  send(request: { method: string; uri: string; headers: Headers; body?: Uint8Array }): void;
  close(): Promise<void>;
}

export async function loopbackPeer(transport: 'udp' | 'tcp'): Promise<LoopbackPeer> {
  const inbox = mailbox<Arrived>();
  const wire = await (transport === 'udp' ? udpWire(inbox.put) : tcpWire(inbox.put));
  return {
    host: '127.0.0.1',
    port: wire.port,
    transport,
    next: inbox.take,
    send({ method, uri, headers, body }) {
      const start = { kind: 'request', method, uri } as const;
      const octets = renderSip({ start, headers, ...(body === undefined ? {} : { body }) });
      const [, port] = /:(\d+)(?:;|$)/.exec(uri) ?? [];
      wire.send(octets, Number(port));
    },
    close: wire.close,
  };
}

interface Wire {
  readonly port: number;
  send(octets: Uint8Array, port: number): void;
  close(): Promise<void>;
}

function arrived(message: SipMessage, send: (octets: Uint8Array) => void): Arrived {
  return {
    message,
    answer(status, headers = [], body) {
      const mirrored = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].flatMap((name) =>
        message.all(name.toLowerCase()).map((value) => [name, value] as const),
      );
      const start = { kind: 'response', status, reason: 'Said the peer' } as const;
      send(renderSip({ start, headers: [...mirrored, ...headers], ...(body && { body }) }));
    },
  };
}

async function udpWire(put: (arrived: Arrived) => void): Promise<Wire> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const send = (octets: Uint8Array, port: number) => socket.send(octets, port, '127.0.0.1');
  socket.on('message', (octets, { port }) => {
    const parsed = parseSip(octets, 'datagram');
    if (parsed.kind === 'refusal') throw new Error(parsed.reason);
    put(arrived(parsed.message, (answer) => send(answer, port)));
  });
  return {
    port: socket.address().port,
    send,
    async close() {
      socket.close();
      await once(socket, 'close');
    },
  };
}

async function tcpWire(put: (arrived: Arrived) => void): Promise<Wire> {
  const sockets = new Set<Socket>();
  const attach = (socket: Socket) => {
    sockets.add(socket);
    const framer = sipFramer();
    socket.on('error', () => {});
    socket.on('data', (octets) => {
      for (const framed of framer.push(octets)) {
        if (framed.kind !== 'message') throw new Error(`the peer got a ${framed.kind}`);
        put(arrived(framed.message, (answer) => socket.write(answer)));
      }
    });
  };
  const server = createServer(attach);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  let outgoing: Socket | undefined;
  return {
    port: (server.address() as AddressInfo).port,
    send(octets, port) {
      if (outgoing === undefined) {
        outgoing = connect(port, '127.0.0.1');
        attach(outgoing);
      }
      outgoing.write(octets);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Things in order of arrival, for whoever asks. */
export function mailbox<T>(): { put(item: T): void; take(): Promise<T> } {
  const items: T[] = [];
  const waiting: ((item: T) => void)[] = [];
  return {
    put(item) {
      const next = waiting.shift();
      if (next === undefined) items.push(item);
      else next(item);
    },
    take: () =>
      new Promise((resolve) => {
        if (items.length === 0) waiting.push(resolve);
        else resolve(items.shift() as T);
      }),
  };
}
