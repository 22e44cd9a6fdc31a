/**
 * The npm package `sip` on a port of its own, with what it lacks: octets in place of binary strings,
 * a look-up of the server through the system, every final answer to a request (a repeated 2xx too,
 * which its caller has to acknowledge), and an end that closes the TCP connections.
 */
import { randomBytes } from 'node:crypto';
import { channel } from 'node:diagnostics_channel';
import { lookup } from 'node:dns/promises';
import type { Socket } from 'node:net';
import { freePort } from './free-port.ts';
import {
  create,
  makeResponse,
  type PackageAddress,
  type PackageRequest,
  type PackageResponse,
} from './sip-package.ts';

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

export interface UaResponse {
  readonly status: number;
  readonly reason: string;
  readonly toTag?: string;
  /** A 2xx that makes a dialog: Record-Route is copied into it (RFC 3261 §12.1.1). */
  readonly establishes?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface SipStackOptions {
  readonly server: ServerAddress;
  /** IPv4 address to bind; port 0 or absent: any. */
  readonly listen: { readonly host: string; readonly port?: number };
  readonly onRequest?: (request: PackageRequest) => void;
}

/** A response as the package read it; it is made up by the package when none came. */
export interface PackageAnswer extends PackageResponse {
  readonly headers: {
    readonly to: PackageAddress;
    readonly contact?: readonly PackageAddress[] | '*';
    /** In the package's own form, to be given back as a route. */
    readonly 'record-route'?: readonly unknown[];
  };
  /** A binary string. */
  readonly content?: string;
}

export interface OutgoingRequest extends UaRequest {
  /** Route set of a dialog; absent or empty: straight to the server, whatever the URI. */
  readonly route?: readonly unknown[];
}

export interface BoundStack {
  readonly host: string;
  readonly port: number;
  /** Sends once; `onFinal` is told every final answer, the package's own 408 and 503 included. */
  send(request: OutgoingRequest, onFinal?: (answer: PackageAnswer) => void): void;
  respond(request: PackageRequest, response: UaResponse): void;
  close(): void;
}

const clientSockets = channel('net.client.socket');
const serverSockets = channel('net.server.socket');

export async function bindStack(options: SipStackOptions): Promise<BoundStack> {
  const { server, listen, onRequest } = options;
  const { transport } = server;
  const { address } = await lookup(server.host, { family: 4 });
  const port = await freePort(listen.host, listen.port ?? 0, transport);
  const sockets = socketsOf(port);
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
  const straight = `<sip:${address}:${server.port};transport=${transport};lr>`;

  return {
    host: listen.host,
    port,
    send({ method, uri, headers, body, route = [] }, onFinal) {
      const routed = { ...binaryValues(headers), route: route.length > 0 ? route : straight };
      const content = body === undefined ? {} : { content: Buffer.from(body).toString('latin1') };
      sockets.during(() =>
        stack.send({ method, uri, headers: routed, ...content }, (response) => {
          // Its type says of a response what all callers need; the rest is there as well.
          if (response.status >= 200) onFinal?.(response as PackageAnswer);
        }),
      );
    },
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
    // The next hop is an address, so the package connects before `send` returns.
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
