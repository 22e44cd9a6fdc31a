/** Look-ups of names over the host's resolver, remembered for as long as their records allow. */
import { Resolver, lookup as systemLookup } from 'node:dns/promises';
import type { Clock } from '../../../engine/ports.ts';
import type { Found, NameLookup } from '../../../wire/sip/locate.ts';

export interface DnsLookup extends NameLookup {
  /** Ends what is under way. */
  close(): void;
}

/** A dead DNS server must not hold a request for as long as its sender waits (32 s). */
const LOOK_UP_WITHIN_MS = 5_000;
/** Where Node.js tells no TTL (SRV, NAPTR). */
const KEPT_MS = 60_000;
/** RFC 2308 §5 bounds negative answers by the SOA, which Node.js does not show either. */
const NOTHING_KEPT_MS = 30_000;
/** So that a DNS server that is down is not asked for each request. */
const FAILURE_KEPT_MS = 2_000;
/** Longer than a day is longer than anybody means (RFC 8767 §4 caps TTLs too). */
const KEPT_MAX_MS = 86_400_000;
/** RFC 8767 §5: old records are better than none while the DNS is down, for a day at most, … */
const STALE_MAX_MS = 86_400_000;
/** … and it is asked again after so long. */
const STALE_KEPT_MS = 30_000;
/** Contacts of subscribers can name anything: what is oldest is forgotten. */
const NAMES_MAX = 1_000;

/** A domain or a type that is not there: no failure (RFC 2308 §2). */
const NOTHING_THERE: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA', 'NOTFOUND', 'NODATA']);

interface Answer<Record> {
  readonly records: readonly Record[];
  readonly keptMs: number;
}

interface Remembered {
  readonly found: Promise<Found<unknown>>;
  /** `undefined`: still on its way. */
  untilMs: number | undefined;
  /** The last answer that was one, and when it came. */
  good: { readonly found: Found<unknown>; readonly atMs: number } | undefined;
}

/**
 * `servers`: `192.0.2.53` or `[2001:db8::53]:5353`; empty: those of the system, and its hosts file.
 * `clock`: steady.
 */
export function dnsLookup(options: {
  readonly servers: readonly string[];
  readonly clock: Clock;
}): DnsLookup {
  const { servers, clock } = options;
  const resolver = new Resolver({ timeout: LOOK_UP_WITHIN_MS / 2, tries: 2 });
  if (servers.length > 0) resolver.setServers(servers);
  const known = new Map<string, Remembered>();

  /** One question at a time for each name, however many requests wait for its answer. */
  function ask<Record>(
    kind: string,
    name: string,
    question: () => Promise<Answer<Record>>,
  ): Promise<Found<Record>> {
    const key = `${kind} ${name}`;
    const old = known.get(key);
    if (old && (old.untilMs === undefined || old.untilMs > clock.now())) {
      return old.found as Promise<Found<Record>>;
    }
    const good = old?.good;
    const remembered: Remembered = { found: answered(), untilMs: undefined, good };
    known.delete(key);
    known.set(key, remembered);
    const [oldest] = known.keys();
    if (known.size > NAMES_MAX && oldest !== undefined) known.delete(oldest);
    return remembered.found as Promise<Found<Record>>;

    async function answered(): Promise<Found<unknown>> {
      const { found, keptMs } = await within(question);
      const atMs = clock.now();
      const isStale = found.kind === 'failed' && good && good.atMs + STALE_MAX_MS > atMs;
      remembered.untilMs = atMs + (isStale ? STALE_KEPT_MS : Math.min(keptMs, KEPT_MAX_MS));
      if (isStale) return good.found;
      if (found.kind === 'found') remembered.good = { found, atMs };
      return found;
    }
  }

  async function within<Record>(
    question: () => Promise<Answer<Record>>,
  ): Promise<{ readonly found: Found<Record>; readonly keptMs: number }> {
    let stop = (): void => {};
    const late = new Promise<never>((_, reject) => {
      stop = clock.timer(LOOK_UP_WITHIN_MS, () => reject(new Error('ETIMEOUT')));
    });
    try {
      const { records, keptMs } = await Promise.race([question(), late]);
      return { found: { kind: 'found', records }, keptMs };
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (NOTHING_THERE.has(code)) {
        return { found: { kind: 'found', records: [] }, keptMs: NOTHING_KEPT_MS };
      }
      const from = servers.length === 0 ? "the system's DNS servers" : servers.join(', ');
      const reason = `no answer of ${from} (${code ?? message})`;
      return { found: { kind: 'failed', reason }, keptMs: FAILURE_KEPT_MS };
    } finally {
      stop();
    }
  }

  async function addresses(name: string, family: 4 | 6): Promise<Answer<string>> {
    const asked =
      family === 4
        ? resolver.resolve4(name, { ttl: true })
        : resolver.resolve6(name, { ttl: true });
    // The hosts file of the machine, of a container above all, names what no DNS server does.
    const records = await asked.catch(async (cause: NodeJS.ErrnoException) => {
      if (servers.length > 0 || !NOTHING_THERE.has(cause.code)) throw cause;
      const listed = await systemLookup(name, { family, all: true });
      return listed.map(({ address }) => ({ address, ttl: KEPT_MS / 1000 }));
    });
    return {
      records: records.map(({ address }) => address.toLowerCase()),
      keptMs: Math.min(...records.map(({ ttl }) => ttl)) * 1000,
    };
  }

  return {
    naptr: (name) =>
      ask('naptr', name, async () => ({
        records: await resolver.resolveNaptr(name),
        keptMs: KEPT_MS,
      })),
    srv: (name) =>
      ask('srv', name, async () => {
        const records = await resolver.resolveSrv(name);
        return {
          records: records.map(({ name: target, ...rest }) => ({ ...rest, target })),
          keptMs: KEPT_MS,
        };
      }),
    a: (name) => ask('a', name, () => addresses(name, 4)),
    aaaa: (name) => ask('aaaa', name, () => addresses(name, 6)),
    close: () => resolver.cancel(),
  };
}
