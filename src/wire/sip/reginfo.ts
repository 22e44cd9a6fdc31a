import { childrenOf, readXml, type XmlElement } from '../xml/read-xml.ts';
import { parseExpires } from './headers.ts';
import { CSEQ_MAX } from './limits.ts';
import { isToken, parseDigits, trimSpace } from './token.ts';

/** What a notifier of the package `reg` says (RFC 3680 §5). */
export interface Reginfo {
  /** Counts up by one with each document of a subscription. */
  readonly version: number;
  /** `partial`: what is not mentioned is as it was. */
  readonly state: 'full' | 'partial';
  readonly registrations: readonly ReginfoRegistration[];
}

export interface ReginfoRegistration {
  readonly aor: string;
  readonly state: 'init' | 'active' | 'terminated';
  readonly contacts: readonly ReginfoContact[];
}

export interface ReginfoContact {
  readonly uri: string;
  readonly state: 'active' | 'terminated';
  readonly event: ContactEvent;
  /** Time that is left. */
  readonly expiresMs?: number;
  readonly callId?: string;
  readonly cseq?: number;
  /** Feature parameters as a Contact carries them, `;`-separated (RFC 3840 §9). */
  readonly features?: string;
}

/** RFC 3680 §4.7.1 and §5.1. */
const CONTACT_EVENTS = [
  'registered',
  'created',
  'refreshed',
  'shortened',
  'expired',
  'deactivated',
  'probation',
  'unregistered',
  'rejected',
] as const;
export type ContactEvent = (typeof CONTACT_EVENTS)[number];

export type ParsedReginfo =
  | { readonly kind: 'reginfo'; readonly reginfo: Reginfo }
  | { readonly kind: 'refusal'; readonly reason: string; readonly section: string };

export const REGINFO_TYPE = 'application/reginfo+xml';
const NAMESPACE = 'urn:ietf:params:xml:ns:reginfo';
/** RFC 3680 §5.1: an unsignedInt of XML Schema. */
const VERSION_MAX = 2 ** 32 - 1;
/** A feature value may hold anything but what ends a quoted string (RFC 3261 §25.1). */
const UNQUOTABLE = /["\\\r\n\0]/;

/**
 * Reads a document of `application/reginfo+xml` (RFC 3680 §5). Elements and attributes that it does
 * not know are passed over (§5.1); a registration or a contact that lacks what it must have refuses
 * the whole: half of a state is none.
 */
export function parseReginfo(octets: Uint8Array): ParsedReginfo {
  const read = readXml(octets);
  if (read.kind === 'refusal') return refusal(`the document ${read.reason}`, 'RFC 3680 §5');
  const { root } = read;
  if (root.name !== 'reginfo' || root.namespace !== NAMESPACE) {
    return refusal(`the root is ${root.name} of ${root.namespace || 'no namespace'}`);
  }
  const version = parseDigits(root.attributes.get('version') ?? '', VERSION_MAX);
  const state = oneOf(['full', 'partial'] as const, root.attributes.get('state'));
  if (version === undefined) return refusal('version is no number');
  if (state === undefined) return refusal('state is neither full nor partial');
  const registrations = childrenOf(root, 'registration', NAMESPACE).map(registrationOf);
  const whole = registrations.filter((one) => one !== undefined);
  if (whole.length < registrations.length) return refusal('a registration lacks what it must have');
  return { kind: 'reginfo', reginfo: { version, state, registrations: whole } };
}

function refusal(reason: string, section = 'RFC 3680 §5.1'): ParsedReginfo {
  return { kind: 'refusal', reason, section };
}

function oneOf<Word extends string>(words: readonly Word[], text = ''): Word | undefined {
  return words.find((word) => word === text);
}

function registrationOf(element: XmlElement): ReginfoRegistration | undefined {
  const aor = element.attributes.get('aor');
  const state = oneOf(['init', 'active', 'terminated'] as const, element.attributes.get('state'));
  const contacts = childrenOf(element, 'contact', NAMESPACE).map(contactOf);
  const whole = contacts.filter((one) => one !== undefined);
  if (!aor || state === undefined || whole.length < contacts.length) return undefined;
  return { aor: trimSpace(aor), state, contacts: whole };
}

function contactOf(element: XmlElement): ReginfoContact | undefined {
  const { attributes } = element;
  const uri = trimSpace(childrenOf(element, 'uri', NAMESPACE)[0]?.text ?? '');
  const state = oneOf(['active', 'terminated'] as const, attributes.get('state'));
  const event = oneOf(CONTACT_EVENTS, attributes.get('event'));
  if (uri === '' || state === undefined || event === undefined) return undefined;
  const expiresMs = parseExpires(attributes.get('expires') ?? '');
  const cseq = parseDigits(attributes.get('cseq') ?? '', CSEQ_MAX);
  const callId = attributes.get('callid');
  const params = childrenOf(element, 'unknown-param', NAMESPACE).map(paramOf);
  const features = params.filter((param) => param !== undefined).join(';');
  return {
    uri,
    state,
    event,
    ...(expiresMs === undefined ? {} : { expiresMs }),
    ...(callId === undefined ? {} : { callId }),
    ...(cseq === undefined ? {} : { cseq }),
    ...(features === '' ? {} : { features }),
  };
}

/** RFC 3680 §5.1: the content is the value. Notifiers differ in whether its quotes stay. */
function paramOf(element: XmlElement): string | undefined {
  const name = trimSpace(element.attributes.get('name') ?? '');
  const written = trimSpace(element.text);
  const quoted = /^"(.*)"$/s.exec(written);
  const value = quoted?.[1] ?? written;
  // What cannot stand in a Contact says nothing that could be matched.
  if (!isToken(name) || UNQUOTABLE.test(value)) return undefined;
  return value === '' ? name : `${name}="${value}"`;
}
