/** Locating SIP servers (RFC 3263 §4): from a URI to the addresses that are tried, in their order. */
import { isIpAddress } from '../ip-address.ts';
import { defaultPort, type SipTransport } from './hop.ts';
import { orderSrv, type SrvRecord } from './locate-srv.ts';
import type { Uri } from './uri.ts';

/** One NAPTR record (RFC 3403). */
export interface NaptrRecord {
  readonly order: number;
  readonly preference: number;
  readonly flags: string;
  readonly service: string;
  readonly regexp: string;
  readonly replacement: string;
}

/** `failed`: nobody knows, for now. No records: there are none. */
export type Found<Record> =
  | { readonly kind: 'found'; readonly records: readonly Record[] }
  | { readonly kind: 'failed'; readonly reason: string };

/** Asks the DNS. Names have no dot at their end. */
export interface NameLookup {
  naptr(name: string): Promise<Found<NaptrRecord>>;
  srv(name: string): Promise<Found<SrvRecord>>;
  /** IPv4 addresses. */
  a(name: string): Promise<Found<string>>;
  /** IPv6 addresses, without brackets. */
  aaaa(name: string): Promise<Found<string>>;
}

/** A hop but for our own end. */
export interface Candidate {
  readonly transport: SipTransport;
  /** An IP address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** Over TLS: the domain that was asked for, not where DNS led (RFC 5922 §7.1). */
  readonly serverName?: string;
}

export type Located =
  | { readonly kind: 'located'; readonly candidates: readonly [Candidate, ...Candidate[]] }
  /** `reason` says what to do about it. */
  | { readonly kind: 'nowhere'; readonly reason: string };

export interface LocateOptions {
  readonly lookup: NameLookup;
  /** Whether we have an end that can send so. */
  canSend(transport: SipTransport, family: 4 | 6): boolean;
  /** Numbers from 0 to below 1. */
  random(): number;
}

/** More are never tried for one request; what a domain lists beyond it is passed over. */
const CANDIDATES_MAX = 8;

/** Services of RFC 3263 §4.1; SIP+D2W (RFC 7118) is for clients: nobody can be called by it. */
const SERVICES: ReadonlyMap<string, SipTransport> = new Map([
  ['sip+d2u', 'udp'],
  ['sip+d2t', 'tcp'],
  ['sips+d2t', 'tls'],
]);
const SRV_PREFIX: Readonly<Partial<Record<SipTransport, string>>> = {
  udp: '_sip._udp.',
  tcp: '_sip._tcp.',
  tls: '_sips._tcp.',
};

/** RFC 3263 §4: TARGET, of which `maddr` has the last word; an IPv6 address without brackets. */
function targetOf(uri: Uri): string {
  return (uri.params.get('maddr')?.toLowerCase() || uri.host).replace(/^\[(.*)\]$/, '$1');
}

/** Whether no look-up is needed to know where a URI leads. */
export function isNumeric(uri: Uri): boolean {
  return isIpAddress(targetOf(uri));
}

/** Transports that a URI allows, those to be preferred first; none: it contradicts itself. */
export function transportsOf(uri: Uri): readonly SipTransport[] {
  if (uri.scheme !== 'sip' && uri.scheme !== 'sips') return [];
  const secure = uri.scheme === 'sips';
  switch (uri.params.get('transport')?.toLowerCase()) {
    case undefined:
      if (secure) return ['tls'];
      // RFC 3263 §4.1: where nothing else is said UDP; TLS only where DNS says so.
      return isNumeric(uri) || uri.port !== undefined ? ['udp', 'tcp'] : ['udp', 'tcp', 'tls'];
    case 'udp':
      return secure ? [] : ['udp'];
    case 'tcp':
      return [secure ? 'tls' : 'tcp'];
    case 'tls':
      return ['tls'];
    case 'ws':
      return [secure ? 'wss' : 'ws'];
    case 'wss':
      return ['wss'];
    default:
      return [];
  }
}

/** Where a URI with an IP address leads (RFC 3263 §4.2); `undefined`: it has none, or we no way. */
export function locateAddress(uri: Uri, canSend: LocateOptions['canSend']): Candidate | undefined {
  const host = targetOf(uri);
  if (!isIpAddress(host)) return undefined;
  const transport = transportsOf(uri).find((one) => canSend(one, host.includes(':') ? 6 : 4));
  return transport && candidate(uri, { transport, host, port: uri.port ?? defaultPort(transport) });
}

/** Where to send to, in the order of preference (RFC 3263 §4). */
export async function locate(uri: Uri, options: LocateOptions): Promise<Located> {
  const target = targetOf(uri);
  const { canSend } = options;
  const allowed = transportsOf(uri).filter((one) => canSend(one, 4) || canSend(one, 6));
  const [preferred] = allowed;
  if (preferred === undefined) {
    const wanted = transportsOf(uri).join(' or ') || `${uri.scheme} by its transport`;
    return nowhere(`${target} wants ${wanted}: listen on such an address, or correct the URI`);
  }
  if (isIpAddress(target)) {
    const one = locateAddress(uri, canSend);
    if (one) return { kind: 'located', candidates: [one] };
    return nowhere(`no address of ${target}'s family is listened on by ${allowed.join(' or ')}`);
  }
  const plain = (port: number): readonly Place[] => [{ transport: preferred, name: target, port }];
  if (uri.port !== undefined) return addressesOf(uri, plain(uri.port), options);
  const served = await services(target, allowed, uri, options);
  if (served.kind === 'failed') return nowhere(served.reason);
  if (served.places) return addressesOf(uri, served.places, options);
  return addressesOf(uri, plain(defaultPort(preferred)), options);
}

interface Place {
  readonly transport: SipTransport;
  readonly name: string;
  readonly port: number;
}

type Served =
  /** `places` undefined: the domain lists no services at all. */
  | { readonly kind: 'known'; readonly places?: readonly Place[] }
  | { readonly kind: 'failed'; readonly reason: string };

/** Servers by NAPTR and SRV (RFC 3263 §§4.1, 4.2). */
async function services(
  target: string,
  allowed: readonly SipTransport[],
  uri: Uri,
  options: LocateOptions,
): Promise<Served> {
  const { lookup } = options;
  if (!uri.params.has('transport')) {
    // Some servers fail at this type alone, and SRV records lead to the same servers.
    const found = await lookup.naptr(target);
    const rules = found.kind === 'found' ? usable(found.records, allowed) : [];
    if (rules.length > 0) return places(rules, options);
  }
  const guesses = allowed.flatMap((transport) => {
    const prefix = SRV_PREFIX[transport];
    return prefix === undefined ? [] : [{ transport, name: prefix + target }];
  });
  const served = await places(guesses, options);
  // One transport is enough: by the next one the same servers would be tried again.
  const first = served.kind === 'known' ? served.places?.[0]?.transport : undefined;
  if (served.kind === 'failed' || first === undefined) return served;
  return { ...served, places: served.places?.filter(({ transport }) => transport === first) ?? [] };
}

interface Rule {
  readonly transport: SipTransport;
  /** Of the SRV records. */
  readonly name: string;
}

/**
 * The rules of the lowest order that has any for us, by preference. Those of a higher order are not
 * even a second choice (RFC 3403 §4.1): a domain that puts TLS first is not asked by UDP.
 */
function usable(
  records: readonly NaptrRecord[],
  allowed: readonly SipTransport[],
): readonly Rule[] {
  const fit = records.flatMap(({ order, preference, flags, service, regexp, replacement }) => {
    const transport = SERVICES.get(service.toLowerCase());
    const isSrv = flags.toLowerCase() === 's' && regexp === '' && replacement !== '';
    if (!transport || !isSrv || !allowed.includes(transport)) return [];
    return [{ order, preference, transport, name: replacement.replace(/\.$/, '') }];
  });
  const order = Math.min(...fit.map((rule) => rule.order));
  return fit.filter((rule) => rule.order === order).sort((a, b) => a.preference - b.preference);
}

/** The servers of all rules, one rule after the other; `known` without places: there are none. */
async function places(rules: readonly Rule[], options: LocateOptions): Promise<Served> {
  const all = await Promise.all(rules.map(({ name }) => options.lookup.srv(name)));
  const listed: Place[] = [];
  let anything = false;
  let failure: string | undefined;
  all.forEach((found, at) => {
    const { transport = 'udp', name = '' } = rules[at] ?? {};
    if (found.kind === 'failed') {
      failure ??= `SRV of ${name}: ${found.reason}`;
      return;
    }
    anything ||= found.records.length > 0;
    for (const { target, port } of orderSrv(found.records, options.random)) {
      const host = target.replace(/\.$/, '');
      // RFC 2782: "." says that the service is decidedly not available at this domain.
      if (host !== '' && port !== 0) listed.push({ transport, name: host, port });
    }
  });
  if (listed.length > 0) return { kind: 'known', places: listed };
  // The plain address of a domain may be another machine altogether: it is no second choice.
  if (failure !== undefined) return { kind: 'failed', reason: failure };
  return anything ? { kind: 'known', places: [] } : { kind: 'known' };
}

async function addressesOf(
  uri: Uri,
  listed: readonly Place[],
  { lookup, canSend }: LocateOptions,
): Promise<Located> {
  if (listed.length === 0) return nowhere(`${uri.host} says that it has no SIP server (SRV ".")`);
  const failures: string[] = [];
  const found = await Promise.all(
    listed.slice(0, CANDIDATES_MAX).map(async ({ transport, name, port }) => {
      // RFC 6724 §2.1: IPv6 comes first where both are to be had.
      const answers = await Promise.all([
        canSend(transport, 6) ? lookup.aaaa(name) : NOTHING,
        canSend(transport, 4) ? lookup.a(name) : NOTHING,
      ]);
      return answers.flatMap((answer) => {
        if (answer.kind === 'failed') failures.push(`${name}: ${answer.reason}`);
        const hosts = answer.kind === 'found' ? answer.records : [];
        return hosts.map((host) => candidate(uri, { transport, host, port }));
      });
    }),
  );
  const [first, ...others] = found.flat();
  if (first) {
    return { kind: 'located', candidates: [first, ...others.slice(0, CANDIDATES_MAX - 1)] };
  }
  const why = failures[0] ?? `the DNS has no address for ${listed[0]?.name ?? uri.host}`;
  return nowhere(`${why}; correct the DNS, or name an IP address`);
}

const NOTHING: Found<string> = { kind: 'found', records: [] };

function candidate(uri: Uri, at: Candidate): Candidate {
  const secured = at.transport === 'tls' || at.transport === 'wss';
  return secured && !isIpAddress(uri.host) && !uri.host.startsWith('[')
    ? { ...at, serverName: uri.host }
    : at;
}

function nowhere(reason: string): Located {
  return { kind: 'nowhere', reason };
}
