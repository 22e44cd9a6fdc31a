/** Hops that did not take a request of late: they are tried last, so nobody waits for them again. */
import type { Hop } from '../../../wire/sip/hop.ts';
import { hostPort } from '../host-port.ts';

/** RFC 3263 §4.3 names no time; a dead server costs one request in so many a wait. */
export const RETRY_HOP_AFTER_MS = 30_000;
/** Clients come and go at ever new addresses: what is oldest is forgotten. */
const HOPS_MAX = 1_000;

export interface HopMemory {
  /** `forMs`: the Retry-After of a 503 (RFC 3261 §21.5.4). */
  failed(hop: Hop, forMs?: number): void;
  answered(hop: Hop): void;
  isFailing(hop: Hop): boolean;
  /** The same hops, those that failed of late behind the others, else in their order. */
  ordered<Some extends readonly Hop[]>(hops: Some): Some;
}

/** `now`: steady milliseconds. */
export function hopMemory(now: () => number): HopMemory {
  const until = new Map<string, number>();

  function isFailing(hop: Hop): boolean {
    // Nearly always nothing failed, and no key has to be made to know it.
    if (until.size === 0) return false;
    const key = keyOf(hop);
    const untilMs = until.get(key);
    if (untilMs === undefined) return false;
    if (untilMs > now()) return true;
    until.delete(key);
    return false;
  }

  return {
    isFailing,
    failed(hop, forMs = RETRY_HOP_AFTER_MS) {
      const key = keyOf(hop);
      until.delete(key);
      until.set(key, now() + forMs);
      const [oldest] = until.keys();
      if (until.size > HOPS_MAX && oldest !== undefined) until.delete(oldest);
    },
    answered(hop) {
      if (until.size > 0) until.delete(keyOf(hop));
    },
    ordered(hops) {
      if (until.size === 0 || hops.length < 2) return hops;
      const failing = hops.filter(isFailing);
      if (failing.length === 0) return hops;
      // As many as there were: what is not empty stays so.
      return [...hops.filter((hop) => !isFailing(hop)), ...failing] as unknown as typeof hops;
    },
  };
}

function keyOf({ transport, host, port, connection }: Hop): string {
  return `${transport} ${hostPort(host, port)} ${connection ?? ''}`;
}
