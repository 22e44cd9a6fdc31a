/**
 * What a notifier of the package `reg` says of one account becomes its bindings (RFC 3680 §5.2).
 * Pure.
 */
import type { Binding } from '../machines/mailbox/events.ts';
import type { RegistrationRow } from '../projections/registrations.ts';
import { hasFeature } from '../wire/sip/contact.ts';
import { readParams } from '../wire/sip/params.ts';
import type { Reginfo, ReginfoContact, ReginfoRegistration } from '../wire/sip/reginfo.ts';
import {
  BINDINGS_MAX,
  currentBindings,
  type Registration,
  registrationEvent,
  sameContact,
  viaOf,
} from './registration.ts';

/** The feature tag of the IM service (IM-11.3.2.3-1). */
export const IM_TAG = '+g.oma.sip-im';

export interface ReginfoNews {
  readonly registration: ReginfoRegistration;
  readonly state: Reginfo['state'];
  readonly at: number;
  /** Accounts of the implicit registration set, when it has more than one. */
  readonly identities?: readonly string[];
}

/**
 * The time left is told in whole seconds and on the way for some: as long as it ends within this of
 * what was known, it is the same registration. No client refreshes within less.
 */
const SAME_EXPIRY_MS = 15_000;
/** RFC 3680 §5.1 lets `expires` out; RFC 3261 §10.2.1.1 takes an hour where nothing was asked. */
const EXPIRES_DEFAULT_MS = 3_600_000;
const EXPIRES_MAX_MS = 7 * 86_400_000;
/** More than a Contact has any use for: sixteen bindings fit into one event. */
const TEXT_MAX = 2_048;

/** Whether feature parameters as a Contact carries them assert the IM tag. */
export function hasImTag(features: string | undefined): boolean {
  const params = readParams(`;${features ?? ''}`, 0)?.params;
  return params !== undefined && hasFeature(params, IM_TAG);
}

/**
 * `row`: the bindings before it, with expired ones. Contacts of the document are the clients' own;
 * they answer the question for the IM tag, and where a push is sent stays the core's contact. Who
 * has no contact any more is not registered: the core's binding goes as well.
 */
export function registrationOfReginfo(
  row: RegistrationRow | undefined,
  news: ReginfoNews,
): Registration {
  const before = currentBindings(row, news.at);
  const known = before.filter((binding) => viaOf(binding, row) === 'regEvent');
  const { registration, state } = news;
  const listed = registration.contacts;
  // A full document lists all; a partial one leaves out what is as it was (RFC 3680 §5.2).
  const isListed = ({ contact }: Binding) => listed.some(({ uri }) => sameContact(uri, contact));
  const kept = state === 'full' ? [] : known.filter((one) => !isListed(one));
  const active = registration.state === 'active' ? listed.filter(isActive) : [];
  const heard = active.map((contact) => hear(contact, row, { ...news, known }));
  const contacts = registration.state === 'active' ? [...kept, ...heard.map(bindingOf)] : [];
  const named = [...contacts].sort(servingFirst).slice(0, BINDINGS_MAX);
  // Of a user whose contacts were never listed a partial document leaves open who else is there.
  const isOpen = registration.state === 'active' && state === 'partial' && known.length === 0;
  const others = before.filter((binding) => {
    const via = viaOf(binding, row);
    return via === 'direct' || (via === 'thirdParty' && (named.length > 0 || isOpen));
  });
  const bindings = [...others, ...named];
  const isSame =
    bindings.length === before.length && bindings.every((binding) => before.includes(binding));
  if (isSame) return { kind: 'unchanged', bindings: before };
  const added = heard.filter(({ isNew }) => isNew).map(bindingOf);
  return registrationEvent('regEvent', bindings, { added, row });
}

const isActive = ({ state, uri }: ReginfoContact): boolean =>
  state === 'active' && uri.length <= TEXT_MAX;
const bindingOf = ({ binding }: { readonly binding: Binding }): Binding => binding;

/** Of too many those with the IM tag are kept: they are what is asked for. */
function servingFirst(a: Binding, b: Binding): number {
  return Number(a.im === false) - Number(b.im === false);
}

interface Heard {
  readonly binding: Binding;
  /** It was registered or refreshed since the last word of it. */
  readonly isNew: boolean;
}

function hear(
  contact: ReginfoContact,
  row: RegistrationRow | undefined,
  { known, at, state, identities }: ReginfoNews & { readonly known: readonly Binding[] },
): Heard {
  const old = known.find((one) => sameContact(one.contact, contact.uri));
  const { features = '', callId = '', cseq = 0 } = contact;
  const binding: Binding = {
    contact: contact.uri,
    expiresAt: expiryOf(contact, old, row, at),
    im: hasImTag(features) && 'regEvent',
    callId: callId.slice(0, TEXT_MAX),
    cseq,
    via: 'regEvent',
    ...(features === '' || features.length > TEXT_MAX ? {} : { features }),
    ...(identities === undefined ? {} : { identities }),
  };
  if (old === undefined) return { binding, isNew: true };
  const isSameCall = binding.callId === old.callId && cseq === old.cseq;
  const laterMs = binding.expiresAt - old.expiresAt;
  // Of a change alone a partial document speaks: where nothing else tells, its event does.
  const said = contact.callId ?? contact.cseq ?? contact.expiresMs;
  const isTold = state === 'partial' && said === undefined;
  const isChanged = !isSameCall || binding.im !== old.im || isTold;
  // What was cut short was not registered again (RFC 3680 §4.7.1).
  const isNew = contact.event !== 'shortened' && (isChanged || laterMs > SAME_EXPIRY_MS);
  if (isChanged || Math.abs(laterMs) > SAME_EXPIRY_MS) return { binding, isNew };
  const isSame = sameTexts(binding.identities, old.identities);
  return { binding: isSame ? old : { ...binding, expiresAt: old.expiresAt }, isNew: false };
}

function expiryOf(
  { expiresMs }: ReginfoContact,
  old: Binding | undefined,
  row: RegistrationRow | undefined,
  at: number,
): number {
  if (expiresMs !== undefined) return at + Math.min(expiresMs, EXPIRES_MAX_MS);
  const core = currentBindings(row, at).findLast((one) => viaOf(one, row) === 'thirdParty');
  return core?.expiresAt ?? old?.expiresAt ?? at + EXPIRES_DEFAULT_MS;
}

function sameTexts(a: readonly string[] = [], b: readonly string[] = []): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index]);
}
