/** REGISTER, from a client (RFC 3261 §10.3) or from an S-CSCF for a third party. */

import { accountName, mailboxStream } from '../../deferral/account.ts';
import {
  type ContactChange,
  type RegisterRequest,
  registrationOf,
} from '../../deferral/registration.ts';
import type { Outcome } from '../../engine/input.ts';
import type { Evidence } from '../../engine/recorded.ts';
import type { Binding } from '../../machines/mailbox/events.ts';
import { registrationView } from '../../projections/registrations.ts';
import { hasFeature, parseContacts } from '../../wire/sip/contact.ts';
import { parseCSeq, parseExpires } from '../../wire/sip/headers.ts';
import type { Hop } from '../../wire/sip/hop.ts';
import { parseSip, type SipMessage } from '../../wire/sip/message.ts';
import { type NameAddr, parseNameAddr } from '../../wire/sip/name-addr.ts';
import { parseUri } from '../../wire/sip/uri.ts';
import { type Headers, unknownVerdict, type Verdict } from './answer.ts';
import { hostPort } from './host-port.ts';
import type { ObserveOptions } from './observe-options.ts';

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
/** Contact parameters that are the registrar's own business and no features (RFC 3261 §20.10). */
const NOT_FEATURES: ReadonlySet<string> = new Set(['q', 'expires']);

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
        cause: `register ${callId} ${cseq}`,
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
  if (!account || (uri.scheme !== 'tel' && uri.host !== domain)) return { status: 404 };
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
  const contacts: ContactChange[] = [];
  const embedded = via === 'thirdParty' ? embeddedEvidence(request) : undefined;
  for (const contact of parsed.flatMap((list) =>
    list === undefined || list === '*' ? [] : list,
  )) {
    const own = contact.params.get('expires');
    const asked = (own === undefined ? expires : parseExpires(own)) ?? EXPIRES_DEFAULT_MS;
    if (asked > 0 && asked < EXPIRES_MIN_SECONDS * 1000) {
      return { status: 423, headers: [['Min-Expires', String(EXPIRES_MIN_SECONDS)]] };
    }
    contacts.push(
      via === 'direct'
        ? changeOf(contact, asked, hasFeature(contact.params, IM_TAG) && 'contact', source)
        : changeOf(contact, asked, embedded ?? 'assumed', source),
    );
  }
  return { account, via, contacts };
}

/** RFC 768: port 0 means that there is none; nothing could ever be sent there. */
function namesPortZero(contacts: ReturnType<typeof parseContacts>): boolean {
  if (contacts === undefined || contacts === '*') return false;
  return contacts.some(({ uri }) => parseUri(uri)?.port === 0);
}

function changeOf(
  contact: NameAddr,
  expiresMs: number,
  im: Binding['im'],
  source: Hop,
): ContactChange {
  const features = [...contact.params]
    .filter(([name]) => !NOT_FEATURES.has(name))
    .map(([name, value]) => (value === '' ? name : `${name}="${value.replace(/["\\]/g, '\\$&')}"`))
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
  if (!/^message\/sip\s*(;|$)/i.test(request.first('content-type') ?? '')) return undefined;
  const inner = parseSip(request.body, 'exact');
  if (inner.kind === 'refusal') return undefined;
  const contacts = inner.message.all('contact').map(parseContacts);
  const tagged = contacts.some(
    (list) => list !== undefined && list !== '*' && list.some((c) => hasFeature(c.params, IM_TAG)),
  );
  return tagged ? 'embedded' : false;
}

/** RFC 3261 §10.3 step 8, RFC 3840 §6: all current contacts with all their feature parameters. */
function contactHeaders(bindings: readonly Binding[], at: number): Headers {
  return bindings.map(({ contact, expiresAt, features }) => {
    const seconds = Math.max(Math.round((expiresAt - at) / 1000), 0);
    return ['Contact', `<${contact}>;expires=${seconds}${features ? `;${features}` : ''}`] as const;
  });
}
