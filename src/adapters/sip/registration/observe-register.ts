/** REGISTER, from a client (RFC 3261 §10.3) or from an S-CSCF for a third party. */

import { accountName, mailboxStream } from '../../../deferral/account.ts';
import {
  type ContactChange,
  currentBindings,
  type RegisterRequest,
  registrationOf,
} from '../../../deferral/registration.ts';
import type { Outcome } from '../../../engine/input.ts';
import type { Evidence } from '../../../engine/recorded.ts';
import type { Binding } from '../../../machines/mailbox/events.ts';
import { registrationView } from '../../../projections/registrations.ts';
import { type PartHeader, parseMultipart } from '../../../wire/mime/multipart.ts';
import { hasFeature, parseContacts } from '../../../wire/sip/contact.ts';
import { parseCSeq, parseExpires, parseMediaType } from '../../../wire/sip/headers.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import { parseSip, type SipMessage } from '../../../wire/sip/message.ts';
import { type NameAddr, parseNameAddr } from '../../../wire/sip/name-addr.ts';
import { splitParams } from '../../../wire/sip/params.ts';
import { parseUri } from '../../../wire/sip/uri.ts';
import { type Headers, unknownVerdict, type Verdict } from '../answer.ts';
import { hostPort } from '../host-port.ts';
import type { ObserveOptions } from '../observe-options.ts';

/** RFC 3261 §10.2.1.1: what a registrar grants when nothing was asked. */
const EXPIRES_DEFAULT_MS = 3_600_000;
const EXPIRES_MAX_MS = 7 * 86_400_000;
/** Below it 423 is answered, but only for less than an hour (RFC 3261 §10.3 step 7). */
const EXPIRES_MIN_SECONDS = 60;
/** A registration that became stale between look-up and decision is looked up again. */
const LOOKS_MAX = 8;

/** Schemes of a public identity (RFC 3261 §10.2, TS 23.228 §4.3.3.2). */
const IDENTITY_SCHEMES: ReadonlySet<string> = new Set(['sip', 'sips', 'tel']);
const IM_TAG = '+g.oma.sip-im';

interface Judged {
  readonly account: string;
  readonly via: 'direct' | 'thirdParty';
  readonly contacts: '*' | readonly ContactChange[];
}

export async function observeRegister(
  options: ObserveOptions,
  request: SipMessage,
  source: Hop,
  evidence: Evidence,
  respond: (verdict: Verdict) => void,
): Promise<void> {
  const judged = judge(request, source, options.domain);
  if ('status' in judged) return respond(judged);
  const { submit, views, clock, signals } = options;
  const callId = request.first('call-id') ?? '';
  const cseq = parseCSeq(request.first('cseq') ?? '')?.number ?? 0;
  for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
    const at = clock.now();
    const row = await views.get(registrationView, judged.account);
    const asked: RegisterRequest = { ...judged, callId, cseq, at };
    const registration = registrationOf(row, asked);
    if (registration.kind === 'unchanged') {
      signals.received(request.octets, evidence);
      return respond({ status: 200, headers: contactHeaders(registration.bindings, at) });
    }
    if (registration.kind === 'refused') {
      signals.received(request.octets, evidence);
      if (judged.via === 'thirdParty') {
        // An old request of the core: it must not hear of an error, it might deregister the client.
        const bindings = currentBindings(row, at);
        return respond({ status: 200, headers: contactHeaders(bindings, at) });
      }
      // RFC 3261 §10.3 step 7 names no status for a CSeq that goes back; 500 is §12.2.2's.
      return respond({ status: registration.reason === 'outOfOrder' ? 500 : 403 });
    }
    const { type, data } = registration;
    const verdict = (outcome: Outcome): Verdict =>
      outcome.outcome === 'unknown'
        ? unknownVerdict()
        : { status: 200, headers: contactHeaders(data.bindings, at) };
    const outcome = await submit(
      mailboxStream(judged.account),
      {
        type,
        at,
        data,
        // A client may come back with a CSeq of old once its binding is gone: another event.
        cause: `register ${callId} ${cseq} ${data.asOf}`,
        octets: signals.evidence(request.octets, 'sip'),
        evidence,
      },
      (told) => {
        if (told.outcome !== 'refused') respond(verdict(told));
      },
    );
    if (outcome.outcome !== 'refused') return;
  }
  respond(unknownVerdict());
}

function judge(request: SipMessage, source: Hop, domain: string): Judged | Verdict {
  const to = parseNameAddr(request.first('to') ?? '');
  const from = parseNameAddr(request.first('from') ?? '');
  const uri = parseUri(to?.uri ?? '');
  // RFC 3261 §10.3 step 5, RFC 4475 §3.3.4: what has no address of record here.
  if (!to || !uri || !IDENTITY_SCHEMES.has(uri.scheme)) return { status: 400 };
  const account = accountName(to.uri);
  const isOurs = uri.scheme === 'tel' || (uri.host === domain && uri.user !== undefined);
  if (!account || !isOurs) return { status: 404 };
  // An S-CSCF registers for somebody else: its own URI in From and Contact (TS 24.229 §5.4.1.7).
  const via = from && accountName(from.uri) === account ? 'direct' : 'thirdParty';
  const lines = request.all('contact');
  const parsed = lines.map(parseContacts);
  if (parsed.includes(undefined)) return { status: 400 };
  const expires = parseExpires(request.first('expires') ?? '');
  if (parsed.includes('*')) {
    // RFC 3261 §10.2.2: alone, and with Expires: 0.
    if (lines.length > 1 || expires !== 0) return { status: 400 };
    return { account, via, contacts: '*' };
  }
  if (via === 'direct' && parsed.some(namesPortZero)) return { status: 400 };
  const listed = parsed.flatMap((list) => (list === undefined || list === '*' ? [] : list));
  const withExpiry = listed.map((contact) => {
    const own = contact.params.get('expires');
    const asked = own === undefined ? expires : parseExpires(own);
    return [contact, asked ?? EXPIRES_DEFAULT_MS] as const;
  });
  if (via === 'thirdParty') {
    const im = embeddedEvidence(request) ?? 'assumed';
    // Without a Contact, From names the S-CSCF, and Expires tells it from a query.
    const bare = { uri: from?.uri ?? '', paramsText: '' };
    const told =
      listed.length > 0 || expires === undefined ? withExpiry : [[bare, expires] as const];
    return { account, via, contacts: told.map(([one, asked]) => changeOf(one, asked, im, source)) };
  }
  if (withExpiry.some(([, asked]) => asked > 0 && asked < EXPIRES_MIN_SECONDS * 1000)) {
    return { status: 423, headers: [['Min-Expires', String(EXPIRES_MIN_SECONDS)]] };
  }
  const contacts = withExpiry.map(([contact, asked]) =>
    changeOf(contact, asked, hasFeature(contact.params, IM_TAG) && 'contact', source),
  );
  return { account, via, contacts };
}

/** RFC 768: port 0 means that there is none; nothing could ever be sent there. */
function namesPortZero(contacts: ReturnType<typeof parseContacts>): boolean {
  if (contacts === undefined || contacts === '*') return false;
  return contacts.some(({ uri }) => parseUri(uri)?.port === 0);
}

function changeOf(
  contact: Pick<NameAddr, 'uri' | 'paramsText'>,
  expiresMs: number,
  im: Binding['im'],
  source: Hop,
): ContactChange {
  const features = splitParams(contact.paramsText)
    .filter((param) => !/^expires\s*(=|$)/i.test(param))
    .join(';');
  return {
    contact: contact.uri,
    expiresMs: Math.min(expiresMs, EXPIRES_MAX_MS),
    im,
    ...(features === '' ? {} : { features }),
    source: `${source.transport} ${hostPort(source.host, source.port)}`,
  };
}

/**
 * The UE's own REGISTER inside the S-CSCF's says whether it registered the IM tag; without it the
 * tag is assumed, since the trigger itself can test for it (`registration.trustIfc`).
 */
function embeddedEvidence(request: SipMessage): 'embedded' | false | undefined {
  const embedded = embeddedSip(request).map((octets) => parseSip(octets, 'exact'));
  const readable = embedded.flatMap((inner) => (inner.kind === 'message' ? [inner.message] : []));
  if (readable.length === 0) return undefined;
  const contacts = readable.flatMap((inner) => inner.all('contact').map(parseContacts));
  const tagged = contacts.some(
    (list) => list !== undefined && list !== '*' && list.some((c) => hasFeature(c.params, IM_TAG)),
  );
  return tagged ? 'embedded' : false;
}

/** Each `message/sip` of the body; with HSS data or a 200 beside it they stand in a multipart. */
function embeddedSip(request: SipMessage): readonly Uint8Array[] {
  const type = parseMediaType(request.first('content-type') ?? '');
  if (type?.name === 'message/sip') return [request.body];
  if (!type?.name.startsWith('multipart/')) return [];
  const { parts } = parseMultipart(request.body, type.params.get('boundary') ?? '');
  const isSip = ([name, value]: PartHeader): boolean =>
    name.toLowerCase() === 'content-type' && parseMediaType(value)?.name === 'message/sip';
  return parts.filter(({ headers }) => headers.some(isSip)).map(({ body }) => body);
}

/** RFC 3261 §10.3 step 8, RFC 3840 §6: all current contacts with all their feature parameters. */
function contactHeaders(bindings: readonly Binding[], at: number): Headers {
  return bindings.map(({ contact, expiresAt, features }) => {
    const seconds = Math.max(Math.round((expiresAt - at) / 1000), 0);
    return ['Contact', `<${contact}>;expires=${seconds}${features ? `;${features}` : ''}`] as const;
  });
}
