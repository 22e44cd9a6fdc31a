/** Where a request towards a subscriber goes. */
import { isIP } from 'node:net';
import type { Views } from '../../../engine/ports.ts';
import type { Binding } from '../../../machines/mailbox/events.ts';
import { type RegistrationRow, registrationView } from '../../../projections/registrations.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import { parseNameAddr } from '../../../wire/sip/name-addr.ts';
import { parseUri } from '../../../wire/sip/uri.ts';
import { hostPort } from '../host-port.ts';

export interface NextHop {
  readonly transport: 'udp' | 'tcp';
  readonly host: string;
  readonly port: number;
}

export interface Route {
  /** In the order of preference (RFC 3263 §4.2); at least one. */
  readonly hops: readonly [Hop, ...Hop[]];
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
  /** The way of an initial request for the subscriber; `undefined`: no way is known. */
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

const SIP_PORT = 5060;

export function router(options: {
  readonly views: Views;
  readonly nextHop: NextHop | undefined;
  /** Our own end towards a peer: `host:port` of the listener of that transport and family. */
  localFor(transport: 'udp' | 'tcp', host: string): string | undefined;
  onFault(where: string, fault: unknown): void;
}): Router {
  const { views, nextHop, localFor } = options;

  function hopTo(transport: 'udp' | 'tcp', host: string, port: number): Hop | undefined {
    const local = localFor(transport, host);
    // Port 0 is no place to send to.
    return local === undefined || port === 0 ? undefined : { transport, host, port, local };
  }

  /** Only addresses: names are not looked up, the source address stands in for them. */
  function hopOfUri(text: string): Hop | undefined {
    const uri = parseUri(text);
    const host = uri?.host.replace(/^\[(.*)\]$/, '$1') ?? '';
    if (!uri || isIP(host) === 0) return undefined;
    const transport = uri.params.get('transport')?.toLowerCase() === 'tcp' ? 'tcp' : 'udp';
    return hopTo(transport, host, uri.port ?? SIP_PORT);
  }

  function hopOfSource(source: string): Hop | undefined {
    const [transport, address = ''] = source.split(' ');
    const colon = address.lastIndexOf(':');
    const port = Number(address.slice(colon + 1));
    const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
    return hopTo(transport === 'tcp' ? 'tcp' : 'udp', host, port);
  }

  /** Where a client is reached whose contact is not where its REGISTER came from (RFC 5626 §3). */
  function seenElsewhere({ contact, source }: Binding): Hop | undefined {
    const seen = source === undefined ? undefined : hopOfSource(source);
    const named = hopOfUri(contact);
    return seen && named?.host !== seen.host ? seen : undefined;
  }

  /** The client that registered last is the one that is there now. */
  function newest(row: RegistrationRow | undefined, at: number): Binding | undefined {
    return row?.bindings.findLast((b) => b.im !== false && b.expiresAt > at);
  }

  async function toSubscriber(account: string, at: number): Promise<Route | undefined> {
    if (nextHop) {
      const { transport, host, port } = nextHop;
      const hop = hopTo(transport, host, port);
      const route = `<sip:${hostPort(host, port)};transport=${transport};lr>`;
      return hop && { hops: [hop], routes: [route] };
    }
    const chosen = newest(await views.get(registrationView, account), at);
    if (!chosen) return undefined;
    const hop = seenElsewhere(chosen) ?? hopOfUri(chosen.contact);
    return hop && { hops: [hop], routes: [] };
  }

  /** A dialog's target behind a NAT is the contact that was registered: it is where that is. */
  async function translated(uri: string, account: string): Promise<Hop | undefined> {
    const row = await views.get(registrationView, account);
    const host = parseUri(uri)?.host;
    const same = row?.bindings.findLast(({ contact }) => parseUri(contact)?.host === host);
    return same && seenElsewhere(same);
  }

  async function waysTo(uri: string, account: string, at: number): Promise<readonly Hop[]> {
    if (!nextHop) {
      const hop = (await translated(uri, account)) ?? hopOfUri(uri);
      if (hop) return [hop];
    }
    return (await toSubscriber(account, at))?.hops ?? [];
  }

  async function toTarget({ routes, uri, account, at }: Target): Promise<Way | undefined> {
    const [first] = routes;
    if (first !== undefined) {
      const hop = hopOfUri(parseNameAddr(first)?.uri ?? '');
      return hop && { hops: [hop], routes, requestUri: uri };
    }
    const route = await toSubscriber(account, at);
    if (!route || nextHop) return route && { ...route, requestUri: uri };
    const row = await views.get(registrationView, account);
    // An S-CSCF registers itself: the user is not named in its contact (TS 24.229 §5.4.1.7).
    const contact = row?.via === 'direct' ? newest(row, at)?.contact : undefined;
    return { ...route, requestUri: contact ?? uri };
  }

  return {
    toSubscriber,
    toTarget,
    async toUri(uri, account, at) {
      const hops = await waysTo(uri, account, at);
      if (hops.length === 0) options.onFault(`request for ${account}`, `no way to ${uri} is known`);
      return hops;
    },
  };
}
