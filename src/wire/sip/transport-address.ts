import { isIpAddress } from '../ip-address.ts';
import { defaultPort, type SipTransport } from './hop.ts';

/** Where something listens, as people write it: `tls://[::1]:5061`. */
export interface TransportAddress {
  readonly transport: SipTransport;
  /** An IP address without brackets, or a name. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

const ADDRESS = /^(udp|tcp|tls|ws|wss):\/\/(?:\[([^\]]+)\]|([\w.-]+))(?::(\d{1,5}))?\/?$/i;
const TRANSPORTS: readonly SipTransport[] = ['udp', 'tcp', 'tls', 'ws', 'wss'];
const PORT_MAX = 65_535;

/** Reads one; the port is the transport's own when it is left out. `undefined`: it is none. */
export function parseTransportAddress(text: string): TransportAddress | undefined {
  const [, word = '', bracketed, plain, digits] = ADDRESS.exec(text) ?? [];
  const transport = TRANSPORTS.find((one) => one === word.toLowerCase());
  const host = bracketed ?? plain;
  if (transport === undefined || host === undefined) return undefined;
  if (bracketed !== undefined && !(bracketed.includes(':') && isIpAddress(bracketed))) {
    return undefined;
  }
  const port = digits === undefined ? defaultPort(transport) : Number(digits);
  return port > PORT_MAX ? undefined : { transport, host, port };
}
