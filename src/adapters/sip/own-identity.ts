import { hex, keyedToken } from '../../engine/identity.ts';
import type { Digest } from '../../engine/ports.ts';
import type { Hop, SipTransport } from '../../wire/sip/hop.ts';
import { parseUri } from '../../wire/sip/uri.ts';
import { hostPort } from './host-port.ts';

/** What identifies this server and its requests on the wire. */
export interface OwnIdentity {
  /** URI of the message store: From and P-Asserted-Identity of what it says (IM-11.3.2.2-9). */
  readonly imAddress: string;
  /** First product names the OMA release (IM-11.3.2.2-5, IM-11.3.2.3-7). */
  readonly product: string;
  /** Call-ID of a delivery's dialog, recognisable after a restart, and not to be guessed. */
  callIdOf(delivery: string): string;
  /** The delivery of a Call-ID of ours; `undefined`: not ours. */
  deliveryOf(callId: string): string | undefined;
  fromTagOf(delivery: string): string;
  /** The same branch whenever the effect is performed again. */
  branchOf(effect: string): string;
  /** Our part of the proof in credentials (RFC 7616 §3.4), the same for the same request. */
  cnonceOf(request: string): string;
  /** A To-tag for a response. */
  tag(): string;
  /** Our own end, `host:port`, as peers are told it; twice is once. */
  advertised(local: string): string;
  /** The same To-tag for the same request, for answers without a transaction. */
  tagOf(request: string): string;
  /** Contact of this server as the peer of `hop` reaches it (IM-11.3.2.3-9, -10). */
  contact(hop: Hop): string;
}

const TOKEN_OCTETS = 12;
const TAG_OCTETS = 5;
/** `host:port` of a listener on every address: it can be told to nobody. */
const UNSPECIFIED = /^(0\.0\.0\.0|\[::\]):/;
/** One draw of randomness serves so many tags. */
const DRAW_OCTETS = 4_000;

/** RFC 7118 §5.2.2: a URI says `ws`, over TLS too; `tls` is obsolete there, and understood by all. */
function uriTransport(transport: SipTransport): string {
  return transport === 'wss' ? 'ws' : transport;
}

export function ownIdentity(options: {
  readonly imAddress: string;
  readonly product: string;
  readonly host: string;
  readonly digest: Digest;
  readonly secret: Uint8Array;
  random(octets: number): Uint8Array;
  /** Address that peers are told in place of those of its family that are listened on. */
  readonly advertise?: string;
}): OwnIdentity {
  const { imAddress, product, host, digest, secret, random, advertise } = options;
  const token = (name: string) => keyedToken(digest, secret, name, TOKEN_OCTETS);
  const callIdOf = (delivery: string) => `push.${delivery}.${token(`call-id ${delivery}`)}@${host}`;
  function advertised(local: string): string {
    if (advertise === undefined) return local;
    // It speaks for its own family; peers of the other one could not come to it.
    const isOther = local.startsWith('[') !== advertise.includes(':');
    if (isOther && !UNSPECIFIED.test(local)) return local;
    return hostPort(advertise, Number(local.slice(local.lastIndexOf(':') + 1)));
  }
  let drawn = new Uint8Array(0);
  let used = 0;
  const user = parseUri(imAddress)?.user ?? 'im-store';
  return {
    imAddress,
    product,
    callIdOf,
    deliveryOf(callId) {
      const delivery = callId.startsWith('push.') ? callId.split('.')[1] : undefined;
      return delivery !== undefined && callIdOf(delivery) === callId ? delivery : undefined;
    },
    fromTagOf: (delivery) => `im-${token(`from-tag ${delivery}`)}`,
    cnonceOf: (request) => token(`cnonce ${request}`),
    branchOf: (effect) => `z9hG4bK${token(`branch ${effect}`)}`,
    advertised,
    tagOf: (request) => `im-${token(`to-tag ${request}`)}`,
    contact: ({ local, transport }) =>
      `<sip:${user}@${advertised(local)};transport=${uriTransport(transport)}>;+g.oma.sip-im;automata`,
    tag() {
      if (used + TAG_OCTETS > drawn.length) {
        drawn = new Uint8Array(random(DRAW_OCTETS));
        used = 0;
      }
      used += TAG_OCTETS;
      return `im-${hex(drawn.subarray(used - TAG_OCTETS, used))}`;
    },
  };
}
