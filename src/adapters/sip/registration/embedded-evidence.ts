/** What the S-CSCF put into its REGISTER: the client's own, and the answer to it. */
import { IM_TAG } from '../../../deferral/reginfo-registration.ts';
import { type PartHeader, parseMultipart } from '../../../wire/mime/multipart.ts';
import { hasFeature, parseContacts } from '../../../wire/sip/contact.ts';
import { parseExpires, parseMediaType } from '../../../wire/sip/headers.ts';
import { parseSip, type SipMessage } from '../../../wire/sip/message.ts';
import { parseNameAddrs } from '../../../wire/sip/name-addr.ts';

/**
 * Each readable `message/sip` of the body; with HSS data or another message beside it they stand in a
 * multipart. What else is there, `application/3gpp-ims+xml` above all, is not for us (TS 24.229
 * §5.4.1.7).
 */
export function embeddedIn(request: SipMessage): readonly SipMessage[] {
  return octetsIn(request).flatMap((octets) => {
    const inner = parseSip(octets, 'exact');
    return inner.kind === 'message' ? [inner.message] : [];
  });
}

function octetsIn(request: SipMessage): readonly Uint8Array[] {
  const type = parseMediaType(request.first('content-type') ?? '');
  if (type?.name === 'message/sip') return [request.body];
  if (!type?.name.startsWith('multipart/')) return [];
  const { parts } = parseMultipart(request.body, type.params.get('boundary') ?? '');
  const isSip = ([name, value]: PartHeader): boolean =>
    name.toLowerCase() === 'content-type' && parseMediaType(value)?.name === 'message/sip';
  return parts.filter(({ headers }) => headers.some(isSip)).map(({ body }) => body);
}

/**
 * Whether a client is registered with the IM tag after it. `undefined`: nothing is said about any
 * client that stays; then the tag is assumed, since the trigger itself can test for it
 * (`registration.trustIfc`).
 */
export function embeddedTag(embedded: readonly SipMessage[]): 'embedded' | false | undefined {
  const contacts = embedded.flatMap((inner) => {
    const expires = parseExpires(inner.first('expires') ?? '');
    const lists = inner.all('contact').map(parseContacts);
    const listed = lists.flatMap((list) => (list === undefined || list === '*' ? [] : list));
    // What the client takes away does not count.
    return listed.filter(({ params }) => {
      const own = params.get('expires');
      return (own === undefined ? expires : parseExpires(own)) !== 0;
    });
  });
  if (contacts.length === 0) return undefined;
  return contacts.some(({ params }) => hasFeature(params, IM_TAG)) && 'embedded';
}

/**
 * URIs of the implicit registration set: P-Associated-URI of the 200 to the client, or of the
 * S-CSCF's own request (RFC 7315 §4.1); `undefined`: neither has it. An empty one names none.
 */
export function identitiesIn(
  request: SipMessage,
  embedded: readonly SipMessage[],
): readonly string[] | undefined {
  const answers = embedded.filter(({ start }) => start.kind === 'response');
  const teller = [...answers, request].find((one) => one.all('p-associated-uri').length > 0);
  return teller
    ?.all('p-associated-uri')
    .flatMap((line) => parseNameAddrs(line) ?? [])
    .map(({ uri }) => uri);
}
