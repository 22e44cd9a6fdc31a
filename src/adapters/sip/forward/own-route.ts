import { defaultPort, type Hop, type SipTransport } from '../../../wire/sip/hop.ts';
import { parseUri } from '../../../wire/sip/uri.ts';

const TRANSPORTS: readonly SipTransport[] = ['udp', 'tcp', 'tls', 'ws', 'wss'];

/** Which Route values name this server (RFC 3261 §16.4). */
export interface OwnRoute {
  isOwn(uri: string): boolean;
  /** Whether what is sent there comes back to ourselves. */
  leadsHere(hop: Hop): boolean;
}

/** `listening`: our own ends as peers are told them, `host:port`. */
export function ownRoute(listening: () => readonly string[]): OwnRoute {
  function endOf(text: string): string | undefined {
    const uri = parseUri(text);
    if (uri === undefined || uri.host === '') return undefined;
    const said = uri.params.get('transport')?.toLowerCase();
    const transport = TRANSPORTS.find((one) => one === said);
    const usual = transport ?? (uri.scheme === 'sips' ? 'tls' : 'udp');
    return `${uri.host}:${uri.port ?? defaultPort(usual)}`;
  }

  return {
    isOwn(uri) {
      const end = endOf(uri);
      return end !== undefined && listening().includes(end);
    },
    leadsHere({ host, port }) {
      return listening().includes(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);
    },
  };
}
