/** SIP over WebSocket, in the clear and over TLS (RFC 7118). Only peers open connections. */
import { isUtf8 } from 'node:buffer';
import { createServer, type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { SIP_LIMITS } from '../../../wire/sip/limits.ts';
import { parseSip, type Refusal } from '../../../wire/sip/message.ts';
import { type Connection, type Link, type StreamSide, sourceOf } from './connection.ts';
import type { ConnectionTable } from './connection-table.ts';
import type { Handshakes } from './tls.ts';
import type { TransportReceiver } from './transport-contract.ts';

/** RFC 7118 §4.1. */
const SUBPROTOCOL = 'sip';
/** Of the HTTP request that opens one; a browser's with cookies stays below. */
const HTTP_HEAD_BYTES_MAX = 16 * 1024;
const PONG = Uint8Array.of(13, 10);
/** RFC 6455 §7.4.1: a policy was violated; no other code says "this is no SIP". */
const NO_SIP = 1008;

interface Upgraded {
  readonly connection: Connection;
  readonly names: readonly string[];
}

export function webSocketSide(
  table: ConnectionTable,
  receiver: TransportReceiver,
  { server, origins }: { readonly server: Handshakes; readonly origins: Origins },
): { readonly ws: StreamSide; readonly wss: StreamSide } {
  const opening = new WeakMap<Duplex, Upgraded>();
  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: SIP_LIMITS.messageBytesMax,
    perMessageDeflate: false,
    handleProtocols: () => SUBPROTOCOL,
  });
  const http = createServer({ maxHeaderSize: HTTP_HEAD_BYTES_MAX });

  function refused(connection: Connection, reason: string, section: string): void {
    const refusal: Refusal = { kind: 'refusal', status: null, reason, section };
    receiver.onRefusal(refusal, sourceOf(connection));
  }

  http.on('request', (request, response) => {
    const { connection } = opening.get(request.socket) ?? {};
    if (connection) refused(connection, 'no WebSocket handshake', 'RFC 6455 §4.2.1');
    response.writeHead(426, { Upgrade: 'websocket', Connection: 'close' }).end();
  });
  http.on('clientError', (_, socket) => {
    const { connection } = opening.get(socket) ?? {};
    if (connection) refused(connection, 'no HTTP', 'RFC 6455 §4.2.1');
    socket.destroy();
  });
  http.on('upgrade', (request, socket, head) => {
    const { connection, names = [] } = opening.get(socket) ?? {};
    if (!connection) return void socket.destroy();
    const refusal = handshakeRefusal(request, origins);
    if (refusal) {
      refused(connection, refusal.reason, refusal.section);
      return answer(socket, refusal.status);
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      table.established(connection, linkOf(webSocket), names);
      socket.on('drain', () => webSocket.resume());
      // Before the library's own listener, so that a message that is complete clears it again.
      socket.prependListener('data', () => {
        table.heard(connection);
        connection.partialMs ??= connection.activeMs;
      });
      converse(connection, webSocket);
    });
  });

  function converse(connection: Connection, webSocket: WebSocket): void {
    const alive = (): void => {
      connection.partialMs = undefined;
      table.heard(connection);
    };
    webSocket.on('ping', alive).on('pong', alive);
    // What the library refuses (RFC 6455 §7.4.1: too large, no UTF-8) it also closes.
    webSocket.on('error', (error: NodeJS.ErrnoException) => {
      refused(connection, `WebSocket: ${error.code ?? 'failed'}`, 'RFC 6455 §7.4.1');
    });
    webSocket.on('message', (data: Buffer) => {
      alive();
      if (connection.stage === 'open') take(connection, data);
    });
  }

  /** One message, whole, text or binary (RFC 7118 §4.2, §5.1). */
  function take(connection: Connection, data: Buffer): void {
    const keepAlive = emptyLines(data);
    if (keepAlive !== undefined) {
      // RFC 7118 §6, RFC 5626 §3.5.1: two empty lines ask, one answers.
      if (keepAlive >= 2) void table.write(connection, PONG);
      return;
    }
    // A copy: the library's octets are a view of all that was read with them.
    const parsed = parseSip(new Uint8Array(data), 'exact');
    const source = sourceOf(connection);
    if (parsed.kind === 'message') receiver.onMessage(parsed.message, source);
    else {
      receiver.onRefusal(parsed, source);
      if (parsed.message === undefined) table.silence(connection);
    }
  }

  const begin = (connection: Connection, socket: Socket, names: readonly string[]): void => {
    opening.set(socket, { connection, names });
    http.emit('connection', socket);
  };
  return {
    ws: {
      accept(socket) {
        const connection = table.accept('ws', socket);
        if (connection) begin(connection, socket, []);
      },
    },
    wss: {
      accept(raw) {
        const connection = table.accept('wss', raw);
        if (!connection) return;
        server.begin(connection, (socket, names) => begin(connection, socket, names));
      },
    },
  };
}

type Origins = readonly string[] | undefined;

/** Whether the handshake may go on (RFC 7118 §4.1, RFC 6455 §4.2.2). */
function handshakeRefusal(request: IncomingMessage, origins: Origins) {
  const { origin, 'sec-websocket-protocol': offered = '' } = request.headers;
  // Only browsers tell an origin, and only they can be misled by a page.
  if (origins && origin !== undefined && !origins.includes(origin.toLowerCase())) {
    return { status: 403, reason: 'origin not allowed', section: 'RFC 6455 §10.2' };
  }
  if (!offered.split(',').some((name) => name.trim() === SUBPROTOCOL)) {
    return { status: 400, reason: 'no subprotocol sip', section: 'RFC 7118 §4.1' };
  }
  return undefined;
}

function answer(socket: Duplex, status: number): void {
  const line = `HTTP/1.1 ${status} ${STATUS_CODES[status]}`;
  socket.end(`${line}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function linkOf(webSocket: WebSocket): Link {
  return {
    get writable() {
      return webSocket.readyState === webSocket.OPEN;
    },
    get writableLength() {
      return webSocket.bufferedAmount;
    },
    // RFC 7118 §4.2: text only when all of it is UTF-8; browsers read text more readily.
    write: (octets, done) => webSocket.send(octets, { binary: !isUtf8(octets) }, done),
    pause: () => webSocket.pause(),
    destroy: () => webSocket.terminate(),
    destroySoon: () => webSocket.close(NO_SIP, 'no SIP message'),
    ping: () => webSocket.ping(),
  };
}

/** How many empty lines the message consists of; `undefined`: there is something else in it. */
function emptyLines(data: Buffer): number | undefined {
  if (data.length === 0 || data[0] !== 13) return data.length === 0 ? 0 : undefined;
  for (let at = 0; at < data.length; at += 1) {
    if (data[at] !== (at % 2 === 0 ? 13 : 10)) return undefined;
  }
  return Math.floor(data.length / 2);
}
