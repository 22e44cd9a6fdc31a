import { isIP, isIPv6 } from 'node:net';
import { transportsOf } from '../../wire/sip/locate.ts';
import { parseUri } from '../../wire/sip/uri.ts';

/** Where a socket listens or connects to; an IPv6 host without brackets, port 0: any free one. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface SipAddress extends HostPort {
  readonly transport: 'udp' | 'tcp';
}

const PORT_MAX = 65_535;

/** Whether a host stands for every address of the machine: peers cannot be told it. */
export function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** Reads `HOST:PORT`, an IPv6 host in brackets; `undefined` when it is not that. */
export function parseListen(text: string): HostPort | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([\w.-]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port > PORT_MAX) return undefined;
  return bracketed === undefined || isIPv6(bracketed) ? { host, port } : undefined;
}

/** Reads the URI of a next hop, `sip:core.example.org;transport=tls`: one that can be called. */
export function parseNextHop(text: string): string | undefined {
  const uri = parseUri(text);
  if (!uri || uri.user !== undefined || uri.headers.length > 0 || uri.port === 0) return undefined;
  // Nobody can be called by WebSocket.
  const callable = transportsOf(uri).some((one) => one !== 'ws' && one !== 'wss');
  return callable ? text : undefined;
}

/** Reads `ADDRESS` or `ADDRESS:PORT`, an IPv6 address before a port in brackets. */
export function parseDnsServer(text: string): string | undefined {
  if (isIP(text) !== 0) return text;
  const at = parseListen(text);
  return at && at.port > 0 && isIP(at.host) !== 0 ? text : undefined;
}

/** `HOST:PORT`, an IPv6 host in brackets. */
export function hostPortText({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
