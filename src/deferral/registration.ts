/**
 * A REGISTER becomes the account's bindings after it (RFC 3261 §10.3 for a client of ours, TS 24.229
 * §5.4.1.7 for an S-CSCF that registers a third party). Pure.
 */
import type { Binding, RegistrationData } from '../machines/mailbox/events.ts';
import type { RegistrationRow } from '../projections/registrations.ts';
import { equalUris, parseUri } from '../wire/sip/uri.ts';

/** Contacts of one account, for each of those who may name them. */
export const BINDINGS_MAX = 16;

export interface RegisterRequest {
  readonly via: 'direct' | 'thirdParty';
  readonly callId: string;
  readonly cseq: number;
  readonly at: number;
  /** `*` removes all. */
  readonly contacts: '*' | readonly ContactChange[];
  readonly path?: readonly string[];
  /** Accounts of the implicit registration set, when it has more than one. */
  readonly identities?: readonly string[];
}

export interface ContactChange {
  readonly contact: string;
  /** 0 removes the binding. */
  readonly expiresMs: number;
  readonly im: Binding['im'];
  readonly features?: string;
  readonly source?: string;
  readonly connection?: number;
}

export type Registration =
  | {
      readonly kind: 'event';
      readonly type: 'SubscriberRegistered' | 'SubscriberDeregistered';
      readonly data: RegistrationData;
    }
  /** A query, or a request that was taken before: the bindings as they are. */
  | { readonly kind: 'unchanged'; readonly bindings: readonly Binding[] }
  /** `outOfOrder`: the CSeq is below one of the same Call-ID (RFC 3261 §10.3 step 7). */
  | { readonly kind: 'refused'; readonly reason: 'outOfOrder' | 'tooManyContacts' };

/** Whether two contacts are one (RFC 3261 §10.3 step 7, §19.1.4). */
export function sameContact(a: string, b: string): boolean {
  if (a === b) return true;
  const [left, right] = [parseUri(a), parseUri(b)];
  return left !== undefined && right !== undefined && equalUris(left, right);
}

/**
 * Who said that the binding is there. Events of old do not say it: there the evidence tells, and of a
 * binding without the IM tag nothing but the account's last request; nothing was sent to such a one.
 */
export function viaOf(binding: Binding, row: RegistrationRow | undefined): RegistrationData['via'] {
  if (binding.via !== undefined) return binding.via;
  if (binding.im === false) return row?.via ?? 'direct';
  return binding.im === 'contact' ? 'direct' : 'thirdParty';
}

/** Bindings that have not expired. */
export function currentBindings(row: RegistrationRow | undefined, at: number): readonly Binding[] {
  return (row?.bindings ?? []).filter(({ expiresAt }) => expiresAt > at);
}

/** The implicit registration set that the account was last registered with; empty: none is known. */
export function recordedIdentities(
  row: RegistrationRow | undefined,
  at: number,
): readonly string[] {
  return [...new Set(currentBindings(row, at).flatMap(({ identities = [] }) => identities))];
}

/**
 * Whether a binding counts for the IM service. What was merely assumed of an S-CSCF's contact does
 * not once a notifier named the client's own contacts and none of them has the tag.
 */
function serves({ im }: Binding, among: readonly Binding[]): boolean {
  if (im !== 'assumed') return im !== false;
  const named = among.filter(({ via }) => via === 'regEvent');
  return named.length === 0 || named.some((one) => one.im !== false);
}

/**
 * The event that says it: `added` are those of the bindings that a (re-)registration put there. Only
 * one of the IM feature tag triggers a delivery (IM-11.3.2.3-1).
 */
export function registrationEvent(
  via: RegistrationData['via'],
  bindings: readonly Binding[],
  { added, row }: { readonly added: readonly Binding[]; readonly row: RegistrationRow | undefined },
): Registration {
  const serving = bindings.filter((binding) => serves(binding, bindings));
  const expiresAt =
    serving.length === 0 ? null : Math.max(...serving.map((binding) => binding.expiresAt));
  const registers = added.some((binding) => serves(binding, bindings));
  return {
    kind: 'event',
    type: registers ? 'SubscriberRegistered' : 'SubscriberDeregistered',
    data: { via, bindings, expiresAt, asOf: row?.events ?? 0 },
  };
}

function bindingOf(change: ContactChange, request: RegisterRequest): Binding {
  const { contact, expiresMs, im, features, source, connection } = change;
  const { callId, cseq, at, path, identities, via } = request;
  return {
    contact,
    expiresAt: at + expiresMs,
    im,
    callId,
    cseq,
    via,
    ...(features === undefined ? {} : { features }),
    ...(source === undefined ? {} : { source }),
    ...(connection === undefined ? {} : { connection }),
    ...(path === undefined ? {} : { path }),
    ...(identities === undefined ? {} : { identities }),
  };
}

/** Contacts are taken one after the other: of two equal ones the later stands. */
function lastOfEach(contacts: readonly ContactChange[]): readonly ContactChange[] {
  return contacts.filter(
    ({ contact }, index) =>
      !contacts.slice(index + 1).some((later) => sameContact(contact, later.contact)),
  );
}

/**
 * `row`: the bindings before it, with expired ones. A client's word is for the contacts that it
 * names, an S-CSCF's for all that it registered before. The same CSeq of a Call-ID changes nothing.
 */
export function registrationOf(
  row: RegistrationRow | undefined,
  request: RegisterRequest,
): Registration {
  const { at, callId, cseq, contacts, via } = request;
  const before = currentBindings(row, at);
  if (contacts !== '*' && contacts.length === 0) return { kind: 'unchanged', bindings: before };
  // Each is compared with each: a request that names thousands must not cost their square.
  if (via === 'direct' && contacts.length > BINDINGS_MAX)
    return { kind: 'refused', reason: 'tooManyContacts' };
  const asked = contacts === '*' ? [] : lastOfEach(contacts.slice(0, BINDINGS_MAX));
  const added = asked
    .filter((one) => one.expiresMs > 0)
    .map((change) => bindingOf(change, request));
  const isAssumed = added.some(({ im }) => im === 'assumed');
  const touched = before.filter((old) => {
    const from = viaOf(old, row);
    // The S-CSCF's Contact is its own and may be another each time: its word replaces its last one.
    // What a notifier told of the clients stands as long as the S-CSCF says nothing of them itself.
    if (via === 'thirdParty') return from === 'thirdParty' || (from === 'regEvent' && !isAssumed);
    if (contacts === '*') return true;
    return from !== 'regEvent' && asked.some((one) => sameContact(one.contact, old.contact));
  });
  const sameCall = touched.filter((old) => old.callId === callId && viaOf(old, row) === via);
  if (sameCall.some((old) => old.cseq > cseq)) return { kind: 'refused', reason: 'outOfOrder' };
  const repeated = sameCall.some((old) => old.cseq === cseq);
  // Taken before, or the removal of what is not there.
  if (repeated || (touched.length === 0 && added.length === 0)) {
    return { kind: 'unchanged', bindings: before };
  }
  const bindings = [...before.filter((old) => !touched.includes(old)), ...added];
  const own = bindings.filter((binding) => viaOf(binding, row) === via);
  if (via === 'direct' && own.length > BINDINGS_MAX)
    return { kind: 'refused', reason: 'tooManyContacts' };
  return registrationEvent(via, bindings, { added, row });
}
