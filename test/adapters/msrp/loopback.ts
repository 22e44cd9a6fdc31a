import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import {
  type EndpointOptions,
  type MsrpEndpoint,
  openMsrpEndpoint,
} from '../../../src/adapters/msrp/endpoint.ts';
import type { Clock } from '../../../src/engine/ports.ts';

const clock: Clock = {
  now: () => Date.now(),
  timer(delayMs, callback) {
    const timeout = setTimeout(callback, delayMs);
    return () => clearTimeout(timeout);
  },
};
const open: MsrpEndpoint[] = [];

/** An endpoint on loopback that `closeEndpoints` closes again. */
export async function endpoint(options: Partial<EndpointOptions> = {}): Promise<MsrpEndpoint> {
  const made = await openMsrpEndpoint({
    listen: { host: '127.0.0.1', port: 0 },
    clock,
    random: (octets) => randomBytes(octets),
    ...options,
  });
  open.push(made);
  return made;
}

export async function closeEndpoints(): Promise<void> {
  await Promise.all(open.splice(0).map((each) => each.close()));
}

export function uri(of: MsrpEndpoint, id: string): string {
  const host = of.host.includes(':') ? `[${of.host}]` : of.host;
  return `msrp://${host}:${of.port}/${id};tcp`;
}

export function text(octets: Uint8Array): string {
  return Buffer.from(octets).toString('latin1');
}

/** Waits, turn by turn of the event loop, for what other sockets must bring about. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** Speaks raw octets to an endpoint and collects what comes back until it closes. */
export async function raw(server: MsrpEndpoint, octets: string): Promise<string> {
  const socket = connect(server.port, '127.0.0.1');
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk.toString('latin1');
  });
  socket.write(octets);
  await new Promise((resolve) => socket.once('close', resolve));
  return heard;
}

/** A SEND without a body, as it binds a session (RFC 4975 §5.4). */
export function bind(to: string, more = '-------abcd$\r\n'): string {
  return `MSRP abcd SEND\r\nTo-Path: ${to}\r\nFrom-Path: msrp://a.example:1/x;tcp\r\nMessage-ID: m123\r\n${more}`;
}
