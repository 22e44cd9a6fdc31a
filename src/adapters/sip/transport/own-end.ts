import type { Hop } from '../../../wire/sip/hop.ts';
import type { ListenAddress } from './listen-address.ts';

const UNSPECIFIED: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.');
}

/**
 * The address that a connection to `hop` is to come from: where requests are taken, since peers tell
 * each other by their addresses. `undefined`: the system chooses, as it must for all addresses at
 * once, and where one end is on loopback and the other is not.
 */
export function ownEnd(listening: readonly ListenAddress[], hop: Hop): string | undefined {
  const isV6 = hop.host.includes(':');
  const own = listening.find(
    ({ transport, host }) => transport === hop.transport && host.includes(':') === isV6,
  );
  if (own === undefined || UNSPECIFIED.has(own.host)) return undefined;
  return isLoopback(own.host) === isLoopback(hop.host) ? own.host : undefined;
}
