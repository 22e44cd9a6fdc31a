/** Connections that came in and are bound to no session yet. */
import type { EndpointLimits } from './limits.ts';

export interface Stranger {
  destroy(reason: string): void;
}

export interface Strangers {
  /** Takes it in, or says why there is no room for it. */
  admit(stranger: Stranger, host: string): string | undefined;
  leave(stranger: Stranger): void;
}

/**
 * When all places are taken, the oldest goes that does not stay by right, as who has named a
 * session: who says nothing must not keep those out that were called.
 */
export function strangersAtTheDoor(
  limits: Pick<EndpointLimits, 'unboundConnectionsMax' | 'unboundPerAddressMax'>,
  stays: (stranger: Stranger) => boolean,
): Strangers {
  /** Oldest first, with the address of the peer. */
  const hosts = new Map<Stranger, string>();

  function lackOfRoom(host: string): string | undefined {
    let same = 0;
    for (const each of hosts.values()) if (each === host) same++;
    if (same >= limits.unboundPerAddressMax) return 'too many unbound connections from one address';
    if (hosts.size < limits.unboundConnectionsMax) return undefined;
    for (const stranger of hosts.keys()) {
      if (stays(stranger)) continue;
      hosts.delete(stranger);
      stranger.destroy('too many unbound connections');
      return undefined;
    }
    return 'too many unbound connections';
  }

  return {
    admit(stranger, host) {
      const reason = lackOfRoom(host);
      if (reason === undefined) hosts.set(stranger, host);
      return reason;
    },
    leave(stranger) {
      hosts.delete(stranger);
    },
  };
}
