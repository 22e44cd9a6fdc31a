import { keyedToken } from '../../../engine/identity.ts';
import type { Digest } from '../../../engine/ports.ts';

/** How long a nonce serves. */
export const NONCE_MS = 300_000;
/** Nonces whose counts are remembered. */
const NONCES_MAX = 10_000;
/** How far behind the highest a count may come: requests of one client may overtake each other. */
const WINDOW = 16;
/** RFC 3261 §17.1.2.2: after Timer F, 64*T1, nobody repeats a request. */
const REPEATED_MS = 32_000;
const MAC_OCTETS = 12;
const RADIX = 36;
const NONCE = /^([0-9a-z]{1,11})\.[0-9a-z]{1,11}\.[0-9a-f]{24}$/;

export interface Nonces {
  mint(): string;
  /** Made here, and not too old. */
  isFresh(nonce: string): boolean;
  /**
   * Takes note of a count of a fresh nonce, of an answer that was right. `replayed`: it was there
   * before, or may have been. `repeated`: with this very request, a moment ago.
   */
  count(
    answer: { readonly user: string; readonly nonce: string; readonly nc: number },
    request: string,
  ): 'new' | 'repeated' | 'replayed';
  size(): number;
}

interface Use {
  readonly mintedMs: number;
  highest: number;
  /** Counts within the window, with the request that each came with. */
  readonly seen: Map<number, { readonly request: string; readonly atMs: number }>;
}

/**
 * Nonces that are recognised without having been kept (RFC 7616 §3.3): time, number and a keyed
 * hash of both. Only those of right answers take memory, so strangers can fill nothing. The key
 * lives as long as the counts do: after a restart, an answer from before it is stale.
 */
export function nonces(options: {
  readonly digest: Digest;
  readonly key: Uint8Array;
  /** Steady milliseconds, from 0 on. */
  now(): number;
  readonly noncesMax?: number;
}): Nonces {
  const { digest, key, now, noncesMax = NONCES_MAX } = options;
  const uses = new Map<string, Use>();
  let serial = 0;
  /** Uses of nonces up to this time may have been forgotten. */
  let forgottenMs = -1;

  const signed = (text: string) => `${text}.${keyedToken(digest, key, text, MAC_OCTETS)}`;
  const mintedMs = (nonce: string) => Number.parseInt(nonce, RADIX);

  function isFresh(nonce: string): boolean {
    if (!NONCE.test(nonce)) return false;
    if (signed(nonce.slice(0, nonce.lastIndexOf('.'))) !== nonce) return false;
    return now() - mintedMs(nonce) <= NONCE_MS;
  }

  function makeRoom(): void {
    for (const [name, { mintedMs }] of uses) {
      const isOver = now() - mintedMs > NONCE_MS;
      if (!isOver && uses.size < noncesMax) break;
      uses.delete(name);
      if (!isOver) forgottenMs = Math.max(forgottenMs, mintedMs);
    }
  }

  return {
    mint() {
      serial += 1;
      return signed(`${Math.floor(now()).toString(RADIX)}.${serial.toString(RADIX)}`);
    },
    isFresh,
    count({ user, nonce, nc }, request) {
      const name = `${nonce} ${user}`;
      const known = uses.get(name);
      if (!known && mintedMs(nonce) <= forgottenMs) return 'replayed';
      if (!known) makeRoom();
      const use = known ?? { mintedMs: mintedMs(nonce), highest: 0, seen: new Map() };
      if (!known) uses.set(name, use);
      const before = use.seen.get(nc);
      if (before) {
        const isRepeated = before.request === request && now() - before.atMs <= REPEATED_MS;
        return isRepeated ? 'repeated' : 'replayed';
      }
      if (nc <= use.highest - WINDOW) return 'replayed';
      use.highest = Math.max(use.highest, nc);
      use.seen.set(nc, { request, atMs: now() });
      for (const old of use.seen.keys()) if (old <= use.highest - WINDOW) use.seen.delete(old);
      return 'new';
    },
    size: () => uses.size,
  };
}
