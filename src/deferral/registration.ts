/**
 * A REGISTER becomes the account's bindings after it (RFC 3261 §10.3 for a client of ours, TS 24.229
 * §5.4.1.7 for an S-CSCF that registers a third party). Pure.
 */
import type { Binding, RegistrationData } from '../machines/mailbox/events.ts';
import type { RegistrationRow } from '../projections/registrations.ts';
import { equalUris, parseUri } from '../wire/sip/uri.ts';

/** Contacts of one account. */
export const BINDINGS_MAX = 16;

export interface RegisterRequest {
  readonly via: RegistrationData['via'];
  readonly callId: string;
  readonly cseq: number;
  readonly at: number;
  /** `*` removes all. */
  readonly contacts: '*' | readonly ContactChange[];
}

export interface ContactChange {
  readonly contact: string;
  /** 0 removes the binding. */
  readonly expiresMs: number;
  readonly im: Binding['im'];
  readonly features?: string;
  readonly source?: string;
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

function sameContact(a: string, b: string): boolean {
  if (a === b) return true;
  const [left, right] = [parseUri(a), parseUri(b)];
  return left !== undefined && right !== undefined && equalUris(left, right);
}

/**
 * Whether an S-CSCF registered it. Of a binding without the IM tag nothing tells but the account's
 * last request; nothing is ever sent to such a one.
 */
function cameFromCore(binding: Binding, row: RegistrationRow | undefined): boolean {
  if (binding.im === false) return row?.via === 'thirdParty';
  return binding.im !== 'contact';
}

/** Bindings that have not expired. */
export function currentBindings(row: RegistrationRow | undefined, at: number): readonly Binding[] {
  return (row?.bindings ?? []).filter(({ expiresAt }) => expiresAt > at);
}

function bindingOf(change: ContactChange, { callId, cseq, at }: RegisterRequest): Binding {
  const { contact, expiresMs, im, features, source } = change;
  return {
    contact,
    expiresAt: at + expiresMs,
    im,
    callId,
    cseq,
    ...(features === undefined ? {} : { features }),
    ...(source === undefined ? {} : { source }),
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
  const touched = before.filter((old) => {
    // The S-CSCF's Contact is its own and may be another each time: its word replaces its last one.
    if (via === 'thirdParty') return cameFromCore(old, row);
    return contacts === '*' || contacts.some(({ contact }) => sameContact(contact, old.contact));
  });
  const sameCall = touched.filter((old) => old.callId === callId);
  if (sameCall.some((old) => old.cseq > cseq)) return { kind: 'refused', reason: 'outOfOrder' };
  if (sameCall.some((old) => old.cseq === cseq)) return { kind: 'unchanged', bindings: before };
  const added = contacts === '*' ? [] : lastOfEach(contacts).filter((one) => one.expiresMs > 0);
  const bindings = [
    ...before.filter((old) => !touched.includes(old)),
    ...added.map((change) => bindingOf(change, request)),
  ];
  if (via === 'direct' && bindings.length > BINDINGS_MAX)
    return { kind: 'refused', reason: 'tooManyContacts' };
  const im = bindings.filter((binding) => binding.im !== false);
  const data: RegistrationData = {
    via,
    bindings,
    expiresAt: im.length === 0 ? null : Math.max(...im.map(({ expiresAt }) => expiresAt)),
    asOf: row?.events ?? 0,
  };
  // Only a (re-)registration of the IM feature tag triggers a delivery (IM-11.3.2.3-1).
  const registers = added.some((change) => change.im !== false);
  return {
    kind: 'event',
    type: registers ? 'SubscriberRegistered' : 'SubscriberDeregistered',
    data,
  };
}
