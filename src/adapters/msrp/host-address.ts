/** Addresses of hosts that paths name (RFC 4975 §6.2). */
import { Resolver } from 'node:dns/promises';
import { isIpAddress } from '../../wire/ip-address.ts';

/** Of a push that waits for its connection: a dead DNS server must not hold it longer. */
const LOOK_UP_MS = 4_000;
/** RFC 6761 §6.3: this name is never asked of a DNS server. */
const LOCALHOST = /^localhost\.?$/i;

/** Resolves to an address, or to undefined when the name has none. Never rejects. */
export type HostAddress = (host: string) => Promise<string | undefined>;

/**
 * Asks the DNS by itself: the system's own look-up would hold one of the few threads that also flush
 * the log. `servers` as `ADDRESS` or `ADDRESS:PORT`; absent: the system's.
 */
export function hostAddresses(servers: readonly string[] | undefined): HostAddress {
  const resolver = new Resolver({ timeout: LOOK_UP_MS, tries: 1 });
  if (servers) resolver.setServers(servers);
  return async (host) => {
    if (isIpAddress(host)) return host;
    if (LOCALHOST.test(host)) return '127.0.0.1';
    for (const look of [() => resolver.resolve4(host), () => resolver.resolve6(host)]) {
      const [address] = await look().catch(() => []);
      if (address !== undefined) return address;
    }
    return undefined;
  };
}
