/** How many requests a second one source may send: so many at once, so many a second on average. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export interface TokenBuckets {
  /** Takes tokens of this key, or none when there are not enough: false. */
  take(key: string, tokens?: number): boolean;
  /** Takes them even when there are not enough: what follows has to wait for longer. */
  fine(key: string, tokens: number): void;
  size(): number;
}

interface Bucket {
  tokens: number;
  /** When they were counted. */
  atMs: number;
}

/**
 * A bucket of tokens for each key, filled up when it is looked at: no timers. Of the keys that were
 * used longest ago the oldest is forgotten, as if it had never come.
 */
export function tokenBuckets(options: {
  readonly rate: Rate;
  readonly keysMax: number;
  /** Steady milliseconds. */
  now(): number;
}): TokenBuckets {
  const { rate, keysMax, now } = options;
  const { perSecond, burst } = rate;
  const buckets = new Map<string, Bucket>();

  function filled(key: string): Bucket {
    const atMs = now();
    const known = buckets.get(key);
    if (known) {
      const gained = ((atMs - known.atMs) * perSecond) / 1000;
      known.tokens = Math.min(burst, known.tokens + Math.max(gained, 0));
      known.atMs = atMs;
      // A map remembers in which order keys came: the one just used goes to the end.
      buckets.delete(key);
      buckets.set(key, known);
      return known;
    }
    const [oldest] = buckets.keys();
    if (buckets.size >= keysMax && oldest !== undefined) buckets.delete(oldest);
    const made = { tokens: burst, atMs };
    buckets.set(key, made);
    return made;
  }

  return {
    take(key, tokens = 1) {
      const bucket = filled(key);
      if (bucket.tokens < tokens) return false;
      bucket.tokens -= tokens;
      return true;
    },
    fine(key, tokens) {
      const bucket = filled(key);
      // Nobody owes more than one burst: an end of it stays in sight.
      bucket.tokens = Math.max(bucket.tokens - tokens, -burst);
    },
    size: () => buckets.size,
  };
}

/** RFC 6177: a site has at least a /64 of IPv6, so its addresses count as one source. */
const SITE_GROUPS = 4;
const GROUPS = 8;

/** The source that an address counts for; a zone (`%eth0`) belongs to it. */
export function sourceOf(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address;
  const [left = '', right] = address.split('::');
  const before = left === '' ? [] : left.split(':');
  const after = right === undefined || right === '' ? [] : right.split(':');
  const missing = right === undefined ? 0 : GROUPS - before.length - after.length;
  const groups = [...before, ...Array<string>(Math.max(missing, 0)).fill('0'), ...after];
  return groups.slice(0, SITE_GROUPS).join(':');
}
