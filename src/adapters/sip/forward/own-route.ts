import { defaultPort, type Hop, type SipTransport } from '../../../wire/sip/hop.ts';
import { parseUri } from '../../../wire/sip/uri.ts';

/** Names that turned out to lead here; a peer must not be able to fill memory with them. */
const NAMES_MAX = 1_000;

/** Which Route values name this server (RFC 3261 §16.4). */
export interface OwnRoute {
  isOwn(uri: string): boolean;
  /** Whether what is sent there comes back to ourselves. */
  leadsHere(hop: Hop): boolean;
  /** From now on the URI counts as ours: its name was looked up, and it leads here. */
  learn(uri: string): void;
}

/** `listening`: our own ends as peers are told them, `host:port`. */
export function ownRoute(listening: () => readonly string[]): OwnRoute {
  const learnt = new Set<string>();

  function endOf(text: string): string | undefined {
    const uri = parseUri(text);
    if (uri === undefined || uri.host === '') return undefined;
    const said = uri.params.get('transport')?.toLowerCase();
    const secure = uri.scheme === 'sips' || said === 'tls';
    const known = said === 'ws' || said === 'wss' ? (said satisfies SipTransport) : undefined;
    return `${uri.host}:${uri.port ?? defaultPort(known ?? (secure ? 'tls' : 'udp'))}`;
  }

  return {
    isOwn(uri) {
      const end = endOf(uri);
      return end !== undefined && (learnt.has(end) || listening().includes(end));
    },
    leadsHere({ host, port }) {
      return listening().includes(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);
    },
    learn(uri) {
      const end = endOf(uri);
      if (end !== undefined && learnt.size < NAMES_MAX) learnt.add(end);
    },
  };
}
