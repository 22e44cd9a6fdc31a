/** What a REGISTER asks for: of a client for itself, or of an S-CSCF for a third party. */
import { accountName, memberAccount, servedAccount } from '../../../deferral/account.ts';
import { IM_TAG } from '../../../deferral/reginfo-registration.ts';
import type { ContactChange } from '../../../deferral/registration.ts';
import type { Binding } from '../../../machines/mailbox/events.ts';
import { hasFeature, parseContacts } from '../../../wire/sip/contact.ts';
import { parseExpires, parseTokens, splitList } from '../../../wire/sip/headers.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { type NameAddr, parseNameAddr } from '../../../wire/sip/name-addr.ts';
import { splitParams } from '../../../wire/sip/params.ts';
import { parseUri } from '../../../wire/sip/uri.ts';
import type { Requester } from '../access/requester.ts';
import type { Verdict } from '../answer.ts';
import { hostPort } from '../host-port.ts';
import { embeddedIn, embeddedTag, identitiesIn } from './embedded-evidence.ts';

/** RFC 3261 §10.2.1.1: what a registrar grants when nothing was asked. */
const EXPIRES_DEFAULT_MS = 3_600_000;
const EXPIRES_MAX_MS = 7 * 86_400_000;
/** Below it 423 is answered, but only for less than an hour (RFC 3261 §10.3 step 7). */
const EXPIRES_MIN_SECONDS = 60;
/** Of a Contact, and of a whole Path: all bindings of an account fit into one event. */
const TEXT_MAX = 2_048;
/** Identities of one implicit registration set; real ones have a handful. */
export const IDENTITIES_MAX = 32;

/** Schemes of a public identity (RFC 3261 §10.2, TS 23.228 §4.3.3.2). */
const IDENTITY_SCHEMES: ReadonlySet<string> = new Set(['sip', 'sips', 'tel']);
/** Option tags that a registrar must know when it is told to (RFC 3261 §10.3 step 2). */
const REGISTRAR_OPTIONS: ReadonlySet<string> = new Set(['path', 'timer']);

export interface Judged {
  readonly account: string;
  readonly via: 'direct' | 'thirdParty';
  readonly contacts: '*' | readonly ContactChange[];
  /** Path as written, value by value (RFC 3327 §5.3). */
  readonly path?: readonly string[];
  /** The implicit registration set, the account first; absent: nothing was said about it. */
  readonly identities?: readonly string[];
}

interface Asked {
  readonly request: SipMessage;
  readonly source: Hop;
  readonly account: string;
  readonly from: NameAddr | undefined;
  readonly expires: number | undefined;
}

/** `domain`: lower case. A verdict is only for a client: an S-CSCF must not hear of an error. */
export function judgeRegister(
  request: SipMessage,
  source: Hop,
  { domain, requester }: { readonly domain: string; readonly requester: Requester },
): Judged | Verdict {
  const to = parseNameAddr(request.first('to') ?? '');
  const from = parseNameAddr(request.first('from') ?? '');
  const uri = parseUri(to?.uri ?? '');
  // RFC 3261 §10.3 step 5, RFC 4475 §3.3.4: what has no address of record here.
  if (!to || !uri || !IDENTITY_SCHEMES.has(uri.scheme)) return { status: 400 };
  const account = servedAccount(to.uri, domain);
  if (!account) return { status: 404 };
  const expires = parseExpires(request.first('expires') ?? '');
  const asked: Asked = { request, source, account, from, expires };
  // An S-CSCF registers for somebody else: its own URI in From and Contact (TS 24.229 §5.4.1.7).
  const isDirect = from !== undefined && accountName(from.uri) === account;
  return isDirect ? judgeDirect(asked, requester) : judgeThirdParty(asked, domain);
}

function judgeDirect(asked: Asked, requester: Requester): Judged | Verdict {
  const { request, source, account, expires } = asked;
  const required = parseTokens(request.all('require'));
  if (required === undefined) return { status: 400 };
  const unsupported = required.filter((option) => !REGISTRAR_OPTIONS.has(option.toLowerCase()));
  if (unsupported.length > 0) {
    return { status: 420, headers: [['Unsupported', unsupported.join(', ')]] };
  }
  const path = pathOf(request);
  if (path === undefined) return { status: 400 };
  const lines = request.all('contact');
  const parsed = lines.map(parseContacts);
  if (parsed.includes(undefined)) return { status: 400 };
  if (parsed.includes('*')) {
    // RFC 3261 §10.2.2: alone, and with Expires: 0.
    if (lines.length > 1 || expires !== 0) return { status: 400 };
    return { account, via: 'direct', contacts: '*' };
  }
  const listed = listOf(parsed);
  if (!listed.every((contact) => mayBeContact(contact, account))) return { status: 400 };
  const tooLong = listed.some((one) => one.uri.length + one.paramsText.length > TEXT_MAX);
  if (tooLong || path.join('').length > TEXT_MAX) return { status: 513 };
  const timed = listed.map((contact) => [contact, expiryOf(contact, expires)] as const);
  if (timed.some(([, asks]) => asks > 0 && asks < EXPIRES_MIN_SECONDS * 1000)) {
    return { status: 423, headers: [['Min-Expires', String(EXPIRES_MIN_SECONDS)]] };
  }
  const contacts = timed.map(([contact, asks]) =>
    changeOf(contact, asks, hasFeature(contact.params, IM_TAG) && 'contact', source),
  );
  // RFC 3327 §5.3: a Path that the client did not ask for is taken from who is trusted alone.
  const supports = parseTokens(request.all('supported'))?.includes('path') === true;
  const takesPath = path.length > 0 && (requester.kind === 'core' || supports);
  return { account, via: 'direct', contacts, ...(takesPath ? { path } : {}) };
}

/**
 * What a client would be refused for is passed over here: an S-CSCF whose request is refused may
 * deregister the client (TS 24.229 §5.4.1.7).
 */
function judgeThirdParty(asked: Asked, domain: string): Judged {
  const { request, source, account, from, expires } = asked;
  const embedded = embeddedIn(request);
  const im = embeddedTag(embedded) ?? 'assumed';
  const parsed = request.all('contact').map(parseContacts);
  const listed = listOf(parsed).map((one) => [one, expiryOf(one, expires)] as const);
  // Without a Contact, From names the S-CSCF, and Expires tells it from a query.
  const bare = { uri: from?.uri ?? '', paramsText: '' };
  const told = listed.length > 0 || expires === undefined ? listed : [[bare, expires] as const];
  const contacts = told.map(([contact, asks]) => {
    const isLong = contact.uri.length + contact.paramsText.length > TEXT_MAX;
    return changeOf(isLong ? bare : contact, asks, im, source);
  });
  const path = pathOf(request) ?? [];
  const identities = identitiesOf(identitiesIn(request, embedded), account, domain);
  return {
    account,
    via: 'thirdParty',
    contacts: parsed.includes('*') && expires === 0 ? '*' : contacts,
    ...(path.length === 0 || path.join('').length > TEXT_MAX ? {} : { path }),
    ...(identities === undefined ? {} : { identities }),
  };
}

/**
 * Accounts of the set, the registered one first. The network leaves out identities that are barred
 * (TS 24.229 §5.4.1.2.2F); what is of another domain is not kept here.
 */
export function identitiesOf(
  uris: readonly string[] | undefined,
  account: string,
  domain: string,
): readonly string[] | undefined {
  if (uris === undefined) return undefined;
  const ours = uris.map((uri) => memberAccount(uri, domain)).filter((one) => one !== undefined);
  return [...new Set([account, ...ours])].slice(0, IDENTITIES_MAX);
}

function listOf(parsed: readonly ReturnType<typeof parseContacts>[]): readonly NameAddr[] {
  return parsed.flatMap((list) => (list === undefined || list === '*' ? [] : list));
}

/** The contact's own word first; what cannot be read counts as an hour (RFC 3261 §10.2.1.1). */
function expiryOf(contact: NameAddr, expires: number | undefined): number {
  const own = contact.params.get('expires');
  const asks = own === undefined ? expires : parseExpires(own);
  return asks ?? EXPIRES_DEFAULT_MS;
}

/**
 * RFC 768: port 0 means that there is none; nothing could ever be sent there. RFC 3261 §10.2.1: who
 * is reached securely alone cannot be reached otherwise.
 */
function mayBeContact({ uri }: NameAddr, account: string): boolean {
  const parsed = parseUri(uri);
  if (parsed?.port === 0) return false;
  return !(account.startsWith('sips:') && parsed?.scheme === 'sip');
}

/** Every value of Path; `undefined`: one of them is no address (RFC 3327 §4). */
function pathOf(request: SipMessage): readonly string[] | undefined {
  const values = request.all('path').flatMap(splitList);
  return values.every((value) => parseNameAddr(value) !== undefined) ? values : undefined;
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
    ...(source.connection === undefined ? {} : { connection: source.connection }),
  };
}
