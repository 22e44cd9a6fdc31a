/** A request that is somebody else's, on its way (RFC 3261 §16): where it goes, and what it says. */
import { hex } from '../../../engine/identity.ts';
import type { Clock, Identifiers } from '../../../engine/ports.ts';
import { asksForPrivacy } from '../../../wire/mime/relevant-headers.ts';
import {
  forwardedRequest,
  relayedResponse,
  type Target,
  targetOf,
} from '../../../wire/sip/forwarding.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { parseNameAddr } from '../../../wire/sip/name-addr.ts';
import type { OwnIdentity } from '../own-identity.ts';
import { viaOf } from '../push/push-requests.ts';
import type { Router, Way } from '../routing/route.ts';
import type { OutgoingCallbacks, SendRequest } from '../routing/send-request.ts';
import type { Arrived, Passing } from './forward-contract.ts';
import type { OwnRoute } from './own-route.ts';

export interface PassOn {
  /** False: no way is known, or it was given up; nothing is called back. */
  request(arrived: Arrived, passing: Passing, callbacks: OutgoingCallbacks): Promise<boolean>;
  /** Octets of what came back by this hop; `undefined`: it is not for who asked. */
  response(response: SipMessage, hop: Hop): Uint8Array | undefined;
}

const BRANCH_OCTETS = 12;
const COOKIE = 'z9hG4bK';
/** What only the network may read (RFC 7315 §4, RFC 5502). */
const NETWORK_READS =
  /^p-(access-network-info|charging-.*|visited-network-id|served-user|user-database)$/;
/** What only the network may say (RFC 3325 §5, RFC 7315 §4). */
const NETWORK_SAYS = /^p-(asserted-identity|asserted-service|charging-.*)$/;

/** What stands at the end of our branches for a request that is described by this text. */
export function loopToken(identity: Pick<OwnIdentity, 'branchOf'>, text: string): string {
  return `.${identity.branchOf(`loop ${text}`).slice(COOKIE.length)}`;
}

export function passingOn(context: {
  readonly clock: Clock;
  readonly identifiers: Pick<Identifiers, 'random'>;
  readonly router: Pick<Router, 'toTarget'>;
  readonly sendRequest: SendRequest;
  readonly own: OwnRoute;
  isTrusted(hop: Hop): boolean;
}): PassOn {
  const { clock, identifiers, router, sendRequest, own } = context;

  /** A Route whose name leads to ourselves is our own, whatever it is called. */
  async function wayOf({ request, requester }: Arrived, account: string): Promise<Way | undefined> {
    const names = new Set<string>();
    const isOwn = (route: string): boolean => own.isOwn(route) || names.has(route);
    for (;;) {
      const { uri, routes } = targetOf(request, isOwn);
      // Where a client's request goes is not the client's to say.
      const target: Target = { uri, routes: requester.kind === 'core' ? routes : [] };
      const way = await router.toTarget({ ...target, account, at: clock.now() });
      const [first] = target.routes;
      if (!way || first === undefined || !own.leadsHere(way.hops[0])) return way;
      names.add(parseNameAddr(first)?.uri ?? '');
    }
  }

  async function request(
    arrived: Arrived,
    { account, loop, isOff }: Passing,
    callbacks: OutgoingCallbacks,
  ): Promise<boolean> {
    const { request: came, source } = arrived;
    const way = await wayOf(arrived, account);
    if (!way || isOff?.()) return false;
    const method = came.start.kind === 'request' ? came.start.method : '';
    const { hops, routes } = way;
    // RFC 3261 §19.1.1: a contact may have headers, a Request-URI may not.
    const target = { uri: way.requestUri.split('?', 1)[0] ?? way.requestUri, routes };
    const hidden = asksForPrivacy(came);
    /** RFC 3325 §7: to who is not trusted. */
    const isPrivate = (name: string): boolean =>
      (hidden && name === 'p-asserted-identity') || NETWORK_READS.test(name);
    sendRequest(
      {
        method,
        hops,
        ...(isOff && { isOff }),
        render(hop) {
          const branch = `${COOKIE}${hex(identifiers.random(BRANCH_OCTETS))}${loop}`;
          const drop = context.isTrusted(hop) ? undefined : { drop: isPrivate };
          const forwarding = { source, via: viaOf(hop), branch, target, ...drop };
          return { octets: forwardedRequest(came, forwarding), branch };
        },
      },
      callbacks,
    );
    return true;
  }

  return {
    request,
    response: (response, hop) =>
      relayedResponse(
        response,
        context.isTrusted(hop) ? undefined : (name) => NETWORK_SAYS.test(name),
      ),
  };
}
