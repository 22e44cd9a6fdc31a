import { isIpAddress } from '../ip-address.ts';
import { splitList } from './headers.ts';
import type { SipMessage } from './message.ts';
import { quotedEnd } from './token.ts';
import { parseVia, type Via } from './via.ts';

/** RFC 3261 §26.2.1 for TLS, RFC 7118 for WebSocket, in the clear and over TLS. */
export type SipTransport = 'udp' | 'tcp' | 'tls' | 'ws' | 'wss';

/** One way to a peer. */
export interface Hop {
  readonly transport: SipTransport;
  /**
   * An IP address in lower case, without brackets; a name only where the transport may resolve it.
   */
  readonly host: string;
  readonly port: number;
  /** Our own end, `host:port`, an IPv6 host in brackets. */
  readonly local: string;
  /** An existing stream connection to prefer; while it is alive, host and port are not looked at. */
  readonly connection?: number;
  /**
   * Over `connection` or not at all: the port was its peer's for as long as it lived. Nobody listens
   * there, and who comes from it later may be somebody else.
   */
  readonly connectionOnly?: true;
  /** Name that the peer's certificate must have (RFC 5922 §7.2), and that is asked for by SNI. */
  readonly serverName?: string;
  /** Of a message that came in: names in the peer's certificate, when it was verified. */
  readonly peerNames?: readonly string[];
}

/** RFC 3261 §19.1.2; RFC 7118 leaves it to RFC 6455 §3. */
export function defaultPort(transport: SipTransport): number {
  switch (transport) {
    case 'udp':
    case 'tcp':
      return 5060;
    case 'tls':
      return 5061;
    case 'ws':
      return 80;
    case 'wss':
      return 443;
  }
}

/** `sent`: handed to the network. What happens to a datagram then, nobody knows. */
export type SendResult =
  | { readonly sent: true }
  | { readonly sent: false; readonly reason: string };

/** Whether the transport delivers or says that it did not, so that nothing is sent twice. */
export function isReliable(hop: Hop): boolean {
  return hop.transport !== 'udp';
}

/** The topmost Via, parsed; `undefined` when it is absent or malformed. */
export function topVia(message: SipMessage): Via | undefined {
  const line = message.first('via');
  return line === undefined ? undefined : parseVia(line)?.[0];
}

/**
 * Where the response to a request goes (RFC 3261 §18.2.2, RFC 3581 §4): back on the connection it
 * came by; on UDP to its source address, at the source port when the client asked with `rport`,
 * else at the port of sent-by. `maddr` counts only as an IP address: a name would let any stranger
 * make us look names up.
 */
export function responseHop(request: SipMessage, source: Hop): Hop {
  return responseHopOf(topVia(request), source);
}

/** `responseHop` for those who have parsed the Via already. */
export function responseHopOf(via: Via | undefined, source: Hop): Hop {
  if (via === undefined) return source;
  const port = via.port ?? defaultPort(source.transport);
  const { transport, local, host, connection } = source;
  if (connection !== undefined) {
    const back = { transport, local, host, port, connection };
    const serverName = source.peerNames?.[0];
    // When it is gone, another one must lead to the same peer (RFC 5922 §7.3).
    return serverName === undefined ? back : { ...back, serverName };
  }
  const maddr = via.params.get('maddr');
  const address = maddr === undefined ? '' : withoutBrackets(maddr);
  if (isIpAddress(address)) return { transport, local, host: address, port };
  // The client's own value of rport is never believed: it would choose where we send to.
  if (transport === 'udp' && via.rport !== undefined) return source;
  return { transport, local, host, port };
}

/**
 * The topmost Via header line as a response must carry it: its first value with `received` when
 * sent-by is not the source address (RFC 3261 §18.2.1), and with `rport` filled in and `received`
 * whenever the client asked for `rport` (RFC 3581 §4). Further values of the line stay as they are.
 */
export function viaLineWithReceived(line: string, source: Hop): string {
  // Nearly always: one value without any of what is stamped, of a client that is named otherwise.
  const plain = !/rport|received|[",]/i.test(line);
  if (plain && !line.toLowerCase().includes(source.host)) {
    return `${line};received=${source.host}`;
  }
  const via = parseVia(line)?.[0];
  if (via === undefined || mirrorsAsItIs(via, source)) return line;
  const [top = '', ...others] = splitList(line);
  return [stamped(top, source), ...others].join(', ');
}

/** Whether nothing has to be written into the top Via. */
function mirrorsAsItIs(via: Via, source: Hop): boolean {
  if (via.rport !== undefined || via.received !== undefined) return false;
  return withoutBrackets(via.host) === source.host;
}

function stamped(value: string, source: Hop): string {
  let text = '';
  for (const part of segments(value)) {
    const name = (part.split('=', 1)[0] ?? '').trim().toLowerCase();
    // A `received` that the client wrote itself says nothing.
    if (name === 'received') continue;
    const mirrored = name === 'rport' ? `rport=${source.port}` : part;
    text += text === '' ? mirrored : `;${mirrored}`;
  }
  return `${text};received=${source.host}`;
}

/** The parts between semicolons; those in quotes do not count. */
function segments(value: string): readonly string[] {
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at < value.length; at += 1) {
    if (value[at] === '"') {
      const end = quotedEnd(value, at);
      if (end < 0) break;
      at = end - 1;
    } else if (value[at] === ';') {
      parts.push(value.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(value.slice(start));
  return parts;
}

function withoutBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}
