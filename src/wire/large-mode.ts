import { hasFeature, parseContacts, parseFeatureParams } from './sip/contact.ts';
import { splitList } from './sip/headers.ts';
import type { SipMessage } from './sip/message.ts';

/** What the recogniser needs to know of the offer's MSRP media line. */
export interface LargeOffer {
  readonly port: number;
  /** `TCP/MSRP` or `TCP/TLS/MSRP`. */
  readonly protocol: string;
  readonly direction: string;
  /** Present: the INVITE transfers a file (RFC 5547). */
  readonly fileSelector?: unknown;
}

export interface LargeModeOptions {
  /** `large.acceptUntagged`: take a one-way offer for a message even without the tag. */
  readonly acceptUntagged: boolean;
  /** `large.lateOffer`: take an INVITE without an offer, and make one in the 2xx. */
  readonly lateOffer: boolean;
}

/** `rule`: which of the four of the design decided. */
export type LargeMode =
  | { readonly verdict: 'yes'; readonly rule: 2 | 3 }
  | { readonly verdict: 'no'; readonly rule: 1 | 4; readonly status: 480 | 488 };

const LARGE_TAG = '+g.oma.sip-im.large-message';
const ICSI_TAG = '+g.3gpp.icsi-ref';
/** OMA CPM's name of the same service, a URN as it stands in P-Asserted-Service (RFC 6050 §4.1). */
const LARGE_SERVICE = 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg';

/**
 * Whether an INVITE asks for a session that carries one Large message, the only session that can be
 * deferred (OMA SIMPLE IM 9.1.1.2, IM-11.3.2.2-1). `offer` is `undefined` when the INVITE has no
 * usable MSRP line; one without a body may get an offer of ours. Refused: 488 without usable MSRP, or
 * when nothing would come by it; 480 for a chat, conference or file.
 */
export function isLargeMode(
  invite: SipMessage,
  offer: LargeOffer | undefined,
  { acceptUntagged, lateOffer }: LargeModeOptions,
): LargeMode {
  if (invite.body.length === 0 && lateOffer && isTagged(invite)) {
    return { verdict: 'yes', rule: 2 };
  }
  if (offer === undefined || offer.port === 0 || !/^TCP\/(?:TLS\/)?MSRP$/i.test(offer.protocol)) {
    return { verdict: 'no', rule: 1, status: 488 };
  }
  if (!/^send/.test(offer.direction)) return { verdict: 'no', rule: 1, status: 488 };
  if (isTagged(invite)) return { verdict: 'yes', rule: 2 };
  const isOneWay = offer.direction === 'sendonly' && offer.fileSelector === undefined;
  if (acceptUntagged && isOneWay && !contactHas(invite, 'isfocus')) {
    return { verdict: 'yes', rule: 3 };
  }
  return { verdict: 'no', rule: 4, status: 480 };
}

function isTagged(invite: SipMessage): boolean {
  if (contactHas(invite, LARGE_TAG)) return true;
  for (const value of invite.all('accept-contact').flatMap(splitList)) {
    const params = parseFeatureParams(value);
    if (params === undefined) continue;
    if (hasFeature(params, LARGE_TAG) || namesLargeService(params.get(ICSI_TAG))) return true;
  }
  return ['p-asserted-service', 'p-preferred-service'].some((header) =>
    invite.all(header).some(namesLargeService),
  );
}

function contactHas(invite: SipMessage, tag: string): boolean {
  return invite.all('contact').some((line) => {
    const contacts = parseContacts(line);
    return (
      contacts !== undefined &&
      contacts !== '*' &&
      contacts.some((contact) => hasFeature(contact.params, tag))
    );
  });
}

/** A comma list of service URNs; as a feature tag its colons are escaped (TS 24.229 §7.9.2). */
function namesLargeService(services: string | undefined): boolean {
  if (services === undefined) return false;
  const names = services
    .replace(/%3a/gi, ':')
    .toLowerCase()
    .split(/[,\s"<>]+/);
  return names.includes(LARGE_SERVICE);
}
