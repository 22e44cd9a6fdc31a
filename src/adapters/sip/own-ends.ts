/** Where this server is: what it listens on, as peers are told it. */
import type { Hop, SipTransport } from '../../wire/sip/hop.ts';
import { hostPort } from './host-port.ts';
import type { OwnIdentity } from './own-identity.ts';
import type { ListenAddress } from './transport/listen-address.ts';

export interface OwnEnds {
  /** The source with an end of ours at which others reach us, too: that of the listener. */
  reachable(source: Hop): Hop;
  /** Our end towards a peer, `host:port` as it is told; `undefined`: there is none of its kind. */
  localFor(transport: SipTransport, host: string): string | undefined;
  /** Every end, as it is listened on and as peers are told it. */
  names(): readonly string[];
}

export function ownEnds(
  listening: readonly ListenAddress[],
  { advertised }: Pick<OwnIdentity, 'advertised'>,
): OwnEnds {
  const isV6 = (host: string): boolean => host.includes(':');

  return {
    reachable(source) {
      const own = listening.filter(({ transport }) => transport === source.transport);
      const at = source.local.lastIndexOf(':');
      const first = own.find(({ host }) => isV6(host) === source.local.startsWith('['));
      const isListener = own.some(({ port }) => port === Number(source.local.slice(at + 1)));
      // A connection that we opened ends at a port of the system's choice.
      if (isListener || !first) return source;
      return { ...source, local: `${source.local.slice(0, at)}:${first.port}` };
    },
    localFor(transport, host) {
      const own = listening.find(
        (at) => at.transport === transport && isV6(at.host) === isV6(host),
      );
      return own && advertised(hostPort(own.host, own.port));
    },
    names: () =>
      listening.flatMap(({ host, port }) => {
        const local = hostPort(host, port);
        return [local, advertised(local)];
      }),
  };
}
