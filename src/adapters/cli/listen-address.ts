import { isIPv6 } from 'node:net';
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
/** RFC 3261 §19.1.2: the port of a SIP URI without one. */
const SIP_PORT = 5060;

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

/** Reads `sip:HOST:PORT;transport=udp`: a next hop; without a transport udp (RFC 3263 §4.1). */
export function parseNextHop(text: string): SipAddress | undefined {
  const uri = parseUri(text);
  if (uri?.scheme !== 'sip' || uri.user !== undefined || uri.host === '') return undefined;
  const transport = (uri.params.get('transport') ?? 'udp').toLowerCase();
  if (transport !== 'udp' && transport !== 'tcp') return undefined;
  const host = uri.host.replace(/^\[(.*)\]$/, '$1');
  return { transport, host, port: uri.port ?? SIP_PORT };
}

/** `HOST:PORT`, an IPv6 host in brackets. */
export function hostPortText({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
