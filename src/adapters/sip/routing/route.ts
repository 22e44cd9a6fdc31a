/** Where a request towards a subscriber, within a dialog or on its way through goes. */
import { currentBindings, viaOf } from '../../../deferral/registration.ts';
import type { Views } from '../../../engine/ports.ts';
import type { Binding } from '../../../machines/mailbox/events.ts';
import { type RegistrationRow, registrationView } from '../../../projections/registrations.ts';
import type { Hop, SipTransport } from '../../../wire/sip/hop.ts';
import {
  type Candidate,
  isNumeric,
  type Located,
  type LocateOptions,
  locateAddress,
} from '../../../wire/sip/locate.ts';
import { parseNameAddr } from '../../../wire/sip/name-addr.ts';
import { parseTransportAddress } from '../../../wire/sip/transport-address.ts';
import { parseUri, type Uri } from '../../../wire/sip/uri.ts';

/** In the order of preference (RFC 3263 §4.2). */
export type Hops = readonly [Hop, ...Hop[]];

/** `later`: there is a way, but its name could not be looked up, which was told. */
export type NoWay = 'none' | 'later';

export interface Route {
  readonly hops: Hops;
  /** Route values for an initial request: through the core, when there is one, or the Path. */
  readonly routes: readonly string[];
}

/** A request to pass on, as far as its way depends on it. */
export interface Target {
  /** Route values that are left once our own is gone (RFC 3261 §16.4), as written. */
  readonly routes: readonly string[];
  readonly uri: string;
  /** Of the subscriber whose client it is for, when neither Route nor next hop leads on. */
  readonly account: string;
  readonly at: number;
}

/** How a request is passed on; `routes` are all that it leaves with. */
export interface Way extends Route {
  /** The contact when this server is the one that looks it up (RFC 3261 §16.5), else as it was. */
  readonly requestUri: string;
}

export interface Router {
  /** The way of an initial request for the subscriber. */
  routeTo(account: string, at: number): Promise<Route | NoWay>;
  /** The same, for whom it is one whether there is no way or none for now. */
  toSubscriber(account: string, at: number): Promise<Route | undefined>;
  /**
   * The ways of a request whose next URI is known (RFC 3261 §8.1.2), else those to the subscriber;
   * empty: none is known, which is told.
   */
  toUri(uri: string, account: string, at: number): Promise<readonly Hop[]>;
  /**
   * The way of a request that is passed on: by its first Route, else by the next hop, else to the
   * client that registered last; `undefined`: none is known. What a strict router among the Routes
   * wants (RFC 3261 §16.6 step 6) is the caller's.
   */
  toTarget(target: Target): Promise<Way | undefined>;
}

/** At once where nothing is looked up: most requests go to an address. */
type Eventually = Hops | NoWay | Promise<Hops | NoWay>;

/** `contact`: what the request is retargeted to, when this server is the registrar. */
type ClientRoute = Route & { readonly contact?: string };

export interface RouterOptions {
  readonly views: Views;
  /** URI that every request leaves through: `sip:core.example.org;transport=tls`. */
  readonly nextHop?: string;
  /** Our own end towards a peer: `host:port` of the listener of that transport and family. */
  localFor(transport: SipTransport, host: string): string | undefined;
  /** Those that failed of late last: an ACK, too, is for a server that is there. */
  ordered<Some extends readonly Hop[]>(hops: Some): Some;
  /** Looks names up (RFC 3263 §4). */
  locate(uri: Uri, canSend: LocateOptions['canSend']): Promise<Located>;
  onFault(where: string, fault: unknown): void;
}

export function router(options: RouterOptions): Router {
  const { views, nextHop, localFor, ordered } = options;
  const core = nextHop === undefined ? undefined : coreAt(nextHop);

  /** Nobody can be called by WebSocket: clients come by it, and stay on their connection. */
  function canSend(transport: SipTransport, family: 4 | 6): boolean {
    if (transport === 'ws' || transport === 'wss') return false;
    return localFor(transport, family === 6 ? '::' : '0.0.0.0') !== undefined;
  }

  function hopTo(to: Candidate): Hop | undefined {
    const local = localFor(to.transport, to.host);
    // Port 0 is no place to send to.
    return local === undefined || to.port === 0 ? undefined : { ...to, local };
  }

  /** Addresses at once, names by a look-up. */
  function hopsOf(text: string): Eventually {
    const uri = parseUri(text);
    if (uri?.scheme !== 'sip' && uri?.scheme !== 'sips') return 'none';
    if (!isNumeric(uri)) return lookedUp(uri, text);
    const address = locateAddress(uri, canSend);
    const hop = address && hopTo(address);
    return hop ? [hop] : 'none';
  }

  async function lookedUp(uri: Uri, text: string): Promise<Hops | NoWay> {
    const located = await options.locate(uri, canSend);
    if (located.kind === 'nowhere') {
      options.onFault(`look-up of ${text}`, located.reason);
      return 'later';
    }
    const [first, ...others] = located.candidates.flatMap((to) => hopTo(to) ?? []);
    return first ? [first, ...others] : 'none';
  }

  /** Where a REGISTER came from: `udp 192.0.2.17:5060`, or over a connection of the client's. */
  function hopSeen({ source, connection, contact, path = [] }: Binding): Hop | undefined {
    const at = parseTransportAddress(source?.replace(' ', '://') ?? '');
    const hop = at && hopTo(at);
    // RFC 3261 §26.2.2: what may only be reached by TLS is not, by whatever else it came.
    const isSecret = [contact, ...path.map(uriIn)].some((uri) => parseUri(uri)?.scheme === 'sips');
    if (isSecret && hop?.transport !== 'tls' && hop?.transport !== 'wss') return undefined;
    if (hop === undefined || hop.transport === 'udp') return hop;
    return connection === undefined ? undefined : { ...hop, connection, connectionOnly: true };
  }

  function hopsToClient(binding: Binding, via: Binding['via']): Eventually {
    const { contact, path } = binding;
    const seen = hopSeen(binding);
    const [proxy] = path ?? [];
    // RFC 3327 §5: the Path is the way, whatever the contact says.
    if (proxy !== undefined) return orSeen(hopsOf(uriIn(proxy)), seen);
    const uri = parseUri(contact);
    const isAddress = uri !== undefined && isNumeric(uri);
    if (via === 'direct' && seen) {
      // A client may not be reachable but by the connection that it opened (RFC 5626 §3, RFC 7118).
      if (seen.transport !== 'udp') return seenFirst(seen, isAddress ? hopsOf(contact) : 'none');
      if (isAddress && hostOf(uri) !== seen.host) return [seen];
    }
    return orSeen(hopsOf(contact), seen);
  }

  /** Of an address, which is read once: requests that are passed on go there one and all. */
  const coreHops = core && isNumeric(core.uri) ? hopsOf(core.text) : undefined;

  async function toCore({ text, routes }: Core): Promise<Route | NoWay> {
    const found = coreHops ?? hopsOf(text);
    const hops = found instanceof Promise ? await found : found;
    return typeof hops === 'string' ? hops : { hops: ordered(hops), routes };
  }

  /**
   * Who is heard of from a notifier alone is called where the core is that registered another of the
   * set. The contacts it tells are the clients' own, which the core alone reaches; and nobody else
   * should have what is for a user by telling that he is there.
   */
  async function ofItsSet({ identities = [] }: Binding, at: number): Promise<Binding | undefined> {
    for (const one of identities) {
      const row = await views.get(registrationView, one);
      const core = currentBindings(row, at).findLast((b) => viaOf(b, row) === 'thirdParty');
      if (core) return { ...core, via: 'thirdParty' };
    }
    return undefined;
  }

  async function toClient(account: string, at: number): Promise<ClientRoute | NoWay> {
    const row = await views.get(registrationView, account);
    const own = newest(row, at);
    const chosen = own?.via === 'regEvent' ? await ofItsSet(own, at) : own;
    if (!chosen) return 'none';
    const { contact, path: routes = [], via = row?.via } = chosen;
    const found = hopsToClient(chosen, via);
    const hops = found instanceof Promise ? await found : found;
    if (typeof hops === 'string') return hops;
    // An S-CSCF registers itself, and its contact does not name the user (TS 24.229 §5.4.1.7).
    return { hops: ordered(hops), routes, ...(via === 'direct' ? { contact } : {}) };
  }

  function routeTo(account: string, at: number): Promise<Route | NoWay> {
    return core === undefined ? toClient(account, at) : toCore(core);
  }

  /** A dialog's target may be a contact that was registered: it is where that is. */
  async function registered(uri: string, account: string): Promise<Hops | NoWay> {
    const target = parseUri(uri);
    const row = target && (await views.get(registrationView, account));
    const same = row?.bindings.findLast(({ contact }) => {
      const { host, port } = parseUri(contact) ?? {};
      return host === target?.host && port === target?.port;
    });
    if (!same) return 'none';
    const { path: _, ...alone } = same;
    return hopsToClient(alone, same.via ?? row?.via);
  }

  async function waysTo(uri: string, account: string, at: number): Promise<readonly Hop[]> {
    // `lr` is how a proxy put itself into the way (RFC 3261 §16.6 step 4): it wants to see it all.
    const isProxy = parseUri(uri)?.params.has('lr') === true;
    if (isProxy || core === undefined) {
      const known = isProxy ? 'none' : await registered(uri, account);
      const hops = typeof known === 'string' ? await hopsOf(uri) : known;
      if (typeof hops !== 'string') return hops;
    }
    const route = await routeTo(account, at);
    return typeof route === 'string' ? [] : route.hops;
  }

  return {
    routeTo,
    async toSubscriber(account, at) {
      const route = await routeTo(account, at);
      return typeof route === 'string' ? undefined : route;
    },
    async toUri(uri, account, at) {
      const hops = await waysTo(uri, account, at);
      if (hops.length === 0) options.onFault(`request for ${account}`, `no way to ${uri} is known`);
      return ordered(hops);
    },
    async toTarget({ routes, uri, account, at }) {
      const [first] = routes;
      if (first !== undefined) {
        const hops = await hopsOf(uriIn(first));
        return typeof hops === 'string' ? undefined : { hops, routes, requestUri: uri };
      }
      const route: ClientRoute | NoWay = core ? await toCore(core) : await toClient(account, at);
      if (typeof route === 'string') return undefined;
      const { contact: requestUri = uri, ...way } = route;
      return { ...way, requestUri };
    },
  };
}

/** The client that registered last is there now; what is only heard of comes last. */
function newest(row: RegistrationRow | undefined, at: number): Binding | undefined {
  const live = row?.bindings.filter((b) => b.im !== false && b.expiresAt > at);
  return live?.findLast(({ via }) => via !== 'regEvent') ?? live?.at(-1);
}

function hostOf({ host }: Uri): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

function uriIn(route: string): string {
  return parseNameAddr(route)?.uri ?? '';
}

interface Core {
  readonly text: string;
  readonly uri: Uri;
  readonly routes: readonly [string];
}

function coreAt(text: string): Core {
  const uri = parseUri(text);
  if (!uri) throw new Error(`${text} is no URI of a next hop: write sip:HOST:PORT`);
  // RFC 3261 §19.1.1: without `lr` it would be taken for a strict router.
  return { text, uri, routes: [uri.params.has('lr') ? `<${text}>` : `<${text};lr>`] };
}

function seenFirst(seen: Hop, found: Eventually): Eventually {
  if (found instanceof Promise) return found.then((hops) => seenFirst(seen, hops));
  if (typeof found === 'string') return [seen];
  // A contact that is the client's end of the connection goes with it (RFC 5626 §5.3).
  return [seen, ...found.filter(({ host, port }) => host !== seen.host || port !== seen.port)];
}

/** The address that was seen is one more way, unless it is the same machine. */
function orSeen(found: Eventually, seen: Hop | undefined): Eventually {
  if (!seen) return found;
  if (found instanceof Promise) return found.then((hops) => orSeen(hops, seen));
  if (typeof found === 'string') return [seen];
  return found.some(({ host }) => host === seen.host) ? found : [...found, seen];
}
