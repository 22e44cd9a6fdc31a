/**
 * The SIP stack of the user agent: the npm package `sip`, so that the server is met by a parser,
 * transactions and timers that are not its own. What the package lacks is made up for here: it knows
 * octets only as binary strings, resolves no name through the system, takes requests to its own
 * address for flow tokens, waits for ever after a 1xx, and leaves TCP connections open at its end.
 */

import { randomBytes } from 'node:crypto';
import { channel } from 'node:diagnostics_channel';
import { lookup } from 'node:dns/promises';
import type { Socket } from 'node:net';
import { freePort } from './free-port.ts';
import { create, makeResponse, type PackageRequest } from './sip-package.ts';

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp';
}

/** Header names in lower case; values are text. */
export interface UaRequest {
  readonly method: string;
  readonly uri: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface UaAnswer {
  readonly status: number;
  readonly reason: string;
  /** From asking to the final answer, in milliseconds. */
  readonly ms: number;
}

export interface UaResponse {
  readonly status: number;
  readonly reason: string;
  readonly toTag?: string;
  /** A 2xx that makes a dialog: Record-Route is copied into it (RFC 3261 §12.1.1). */
  readonly establishes?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface SipStack {
  readonly host: string;
  readonly port: number;
  /**
   * Sends a request to the server and resolves with its final answer; 408 when there is none, 503
   * when the server cannot be reached or the stack was closed.
   */
  request(request: UaRequest): Promise<UaAnswer>;
  respond(request: PackageRequest, response: UaResponse): void;
  close(): void;
}

export interface SipStackOptions {
  readonly server: ServerAddress;
  /** IPv4 address to bind; port 0 or absent: any. */
  readonly listen: { readonly host: string; readonly port?: number };
  readonly onRequest?: (request: PackageRequest) => void;
}

/** RFC 3261 §17.1.2.2: Timer F is 64*T1 = 32 s; the package forgets it after a 1xx. */
const ANSWER_MS = 33_000;
/** A UDP datagram of IPv4 holds 65,507 octets; the head needs some of them. */
const UDP_BODY_BYTES_MAX = 60_000;

const clientSockets = channel('net.client.socket');
const serverSockets = channel('net.server.socket');

/** Opens the stack on its own port; requests go to `server`, whatever their URI. */
export async function openSipStack(options: SipStackOptions): Promise<SipStack> {
  const { server, listen, onRequest } = options;
  const { transport } = server;
  const { address } = await lookup(server.host, { family: 4 });
  const port = await freePort(listen.host, listen.port ?? 0, transport);
  const sockets = socketsOf(port);
  const pending = new Set<(status: number, reason: string) => void>();
  const stack = create(
    {
      address: listen.host,
      port,
      udp: transport === 'udp',
      tcp: transport === 'tcp',
      // A name, and nobody's: the package takes a request to its own address for a flow token.
      publicAddress: `${randomBytes(6).toString('hex')}.invalid`,
      // What cannot be sent ends as 408 or 503, which is how the caller learns of it.
      logger: { error: () => {} },
    },
    (request) => onRequest?.(request),
  );

  function request({ method, uri, headers, body }: UaRequest): Promise<UaAnswer> {
    if (transport === 'udp' && (body?.length ?? 0) > UDP_BODY_BYTES_MAX) {
      const limit = `${UDP_BODY_BYTES_MAX} octets do not fit a datagram: use tcp`;
      return Promise.reject(new Error(`bodies of more than ${limit}`));
    }
    return new Promise((resolve) => {
      const startedMs = performance.now();
      const settle = (status: number, reason: string) => {
        clearTimeout(guard);
        pending.delete(settle);
        resolve({ status, reason, ms: performance.now() - startedMs });
      };
      const guard = setTimeout(() => settle(408, 'no answer'), ANSWER_MS);
      pending.add(settle);
      const route = `<sip:${address}:${server.port};transport=${transport};lr>`;
      const message = { method, uri, headers: { ...binaryValues(headers), route } };
      const content = body === undefined ? {} : { content: Buffer.from(body).toString('latin1') };
      sockets.during(() =>
        stack.send({ ...message, ...content }, ({ status, reason }) => {
          if (status >= 200) settle(status, reason);
        }),
      );
    });
  }

  return {
    host: listen.host,
    port,
    request,
    respond(incoming, { status, reason, toTag, establishes, headers = {}, body }) {
      const { to } = incoming.headers;
      const tagged = toTag === undefined ? to : { ...to, params: { ...to.params, tag: toTag } };
      const extension = {
        headers: {
          to: tagged,
          ...(establishes === true ? { 'record-route': incoming.headers['record-route'] } : {}),
          ...binaryValues(headers),
        },
        ...(body === undefined ? {} : { content: Buffer.from(body).toString('latin1') }),
      };
      stack.send(makeResponse(incoming, status, reason, extension));
    },
    close() {
      for (const settle of pending) settle(503, 'the user agent was closed');
      stack.destroy();
      sockets.destroy();
    },
  };
}

function binaryValues(headers: Readonly<Record<string, string>>): Record<string, string> {
  const binary = ([name, value]: [string, string]) => [name, Buffer.from(value).toString('latin1')];
  return Object.fromEntries(Object.entries(headers).map(binary));
}

/**
 * The TCP sockets that the package opens or accepts: it hands them to nobody and closes none, so
 * they would keep the process alive for two minutes.
 */
function socketsOf(port: number): { during(send: () => void): void; destroy(): void } {
  const sockets = new Set<Socket>();
  const keep = (message: unknown) => {
    const { socket } = message as { socket: Socket };
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  };
  const keepAccepted = (message: unknown) => {
    if ((message as { socket: Socket }).socket.localPort === port) keep(message);
  };
  serverSockets.subscribe(keepAccepted);
  return {
    // The server's address needs no look-up, so the package connects before `send` returns.
    during(send) {
      clientSockets.subscribe(keep);
      send();
      clientSockets.unsubscribe(keep);
    },
    destroy() {
      serverSockets.unsubscribe(keepAccepted);
      for (const socket of sockets) socket.destroy();
    },
  };
}
