import { describe, expect, it } from 'vitest';
import {
  BINDINGS_MAX,
  type ContactChange,
  currentBindings,
  type RegisterRequest,
  registrationOf,
} from '../../src/deferral/registration.ts';
import type { RegistrationRow } from '../../src/projections/registrations.ts';
import { START_MS } from '../controls/histories.ts';

const PHONE = 'sip:romeo@192.0.2.17:5060';
const TABLET = 'sip:romeo@192.0.2.18:5060';

function change(contact: string, more: Partial<ContactChange> = {}): ContactChange {
  return { contact, expiresMs: 3_600_000, im: 'contact', ...more };
}

function request(
  contacts: RegisterRequest['contacts'],
  more: Partial<RegisterRequest> = {},
): RegisterRequest {
  return { via: 'direct', callId: 'c1', cseq: 1, at: START_MS, contacts, ...more };
}

/** The row after requests that all make an event. */
function rowAfter(...requests: readonly RegisterRequest[]): RegistrationRow | undefined {
  let row: RegistrationRow | undefined;
  for (const one of requests) {
    const registration = registrationOf(row, one);
    if (registration.kind !== 'event') throw new Error(`${registration.kind}, not an event`);
    const { via, bindings, expiresAt } = registration.data;
    row = { via, bindings, expiresAt, events: (row?.events ?? 0) + 1 };
  }
  return row;
}

const contactsOf = (row: RegistrationRow | undefined) => row?.bindings.map((one) => one.contact);

describe('registration [RFC 3261 §10.3]', () => {
  it('adds a binding; the mailbox learns when the last client with the IM tag is gone', () => {
    const short = change(TABLET, { expiresMs: 60_000 });
    expect(registrationOf(undefined, request([change(PHONE), short]))).toMatchObject({
      kind: 'event',
      type: 'SubscriberRegistered',
      data: { expiresAt: START_MS + 3_600_000, asOf: 0, bindings: [{ cseq: 1 }, { cseq: 1 }] },
    });
  });

  it('a query changes nothing and lists what has not expired', () => {
    const row = rowAfter(request([change(PHONE), change(TABLET, { expiresMs: 60_000 })]));
    const query = request([], { cseq: 2, at: START_MS + 60_000 });
    expect(registrationOf(row, query)).toMatchObject({
      kind: 'unchanged',
      bindings: [{ contact: PHONE }],
    });
    expect(currentBindings(undefined, START_MS)).toEqual([]);
  });

  it('a refresh replaces the binding of an equal URI, however it is written', () => {
    const again = change('sip:romeo@192.0.2.17:5060;ob', { expiresMs: 120_000 });
    const same = change('SIP:romeo@192.0.2.17:5060', { expiresMs: 120_000 });
    const row = rowAfter(request([change(PHONE)]), request([same], { cseq: 2 }));
    expect(row?.bindings).toHaveLength(1);
    expect(row?.expiresAt).toBe(START_MS + 120_000);
    expect(rowAfter(request([change(PHONE)]), request([again], { cseq: 2 }))).toBeDefined();
  });

  it('expires=0 removes one, `*` removes all', () => {
    const both = request([change(PHONE), change(TABLET)]);
    const one = request([change(PHONE, { expiresMs: 0 })], { cseq: 2 });
    expect(contactsOf(rowAfter(both, one))).toEqual([TABLET]);
    const row = rowAfter(both, request('*', { cseq: 2 }));
    expect(row).toMatchObject({ bindings: [], expiresAt: null });
    expect(registrationOf(rowAfter(both), one)).toMatchObject({ type: 'SubscriberDeregistered' });
  });

  it('`*` of another call removes as well; one of the same call must be newer', () => {
    const row = rowAfter(request([change(PHONE)], { cseq: 5 }));
    const refused = { kind: 'refused', reason: 'outOfOrder' };
    expect(registrationOf(row, request('*', { cseq: 4 }))).toEqual(refused);
    expect(registrationOf(row, request('*', { cseq: 1, callId: 'c2' })).kind).toBe('event');
  });

  it('an older CSeq of the same call is refused, as a whole; the same one is a repetition', () => {
    const row = rowAfter(request([change(PHONE)], { cseq: 5 }));
    const older = request([change(PHONE, { expiresMs: 0 }), change(TABLET)], { cseq: 4 });
    expect(registrationOf(row, older)).toEqual({ kind: 'refused', reason: 'outOfOrder' });
    const same = request([change(PHONE)], { cseq: 5 });
    expect(registrationOf(row, same)).toMatchObject({ kind: 'unchanged' });
    expect(registrationOf(row, request([change(PHONE)], { cseq: 1, callId: 'c2' })).kind).toBe(
      'event',
    );
  });

  it('an expired binding is not in the way of an older CSeq', () => {
    const row = rowAfter(request([change(PHONE, { expiresMs: 60_000 })], { cseq: 5 }));
    const later = request([change(PHONE)], { cseq: 1, at: START_MS + 60_000 });
    expect(registrationOf(row, later)).toMatchObject({ type: 'SubscriberRegistered' });
  });

  it('a refresh without the IM tag takes the client out of service', () => {
    const row = rowAfter(request([change(PHONE)]));
    expect(registrationOf(row, request([change(PHONE, { im: false })], { cseq: 2 }))).toMatchObject(
      {
        type: 'SubscriberDeregistered',
        data: { expiresAt: null, asOf: 1, bindings: [{ im: false }] },
      },
    );
  });

  it('a client without the IM tag beside one that has it triggers nothing', () => {
    const row = rowAfter(request([change(PHONE)]));
    const other = request([change(TABLET, { im: false })], { callId: 'c2' });
    expect(registrationOf(row, other)).toMatchObject({
      type: 'SubscriberDeregistered',
      data: { expiresAt: START_MS + 3_600_000 },
    });
  });

  it('a third party registers and removes its own contact [TS 24.229 §5.4.1.7]', () => {
    const scscf = change('sip:scscf.example.net', { im: 'embedded' });
    const registered = request([scscf], { via: 'thirdParty' });
    expect(registrationOf(undefined, registered)).toMatchObject({
      type: 'SubscriberRegistered',
      data: { via: 'thirdParty', bindings: [{ im: 'embedded' }] },
    });
    const gone = request([{ ...scscf, expiresMs: 0 }], { via: 'thirdParty', cseq: 2 });
    expect(registrationOf(rowAfter(registered), gone)).toMatchObject({
      type: 'SubscriberDeregistered',
      data: { bindings: [], expiresAt: null },
    });
  });

  it('the same contact twice in one request is one binding, as the last of them says', () => {
    const twice = request([change(PHONE), change(PHONE, { expiresMs: 60_000 })]);
    expect(rowAfter(twice)).toMatchObject({ expiresAt: START_MS + 60_000 });
    expect(contactsOf(rowAfter(twice))).toEqual([PHONE]);
    const undone = request([change(PHONE), change(PHONE, { expiresMs: 0 })]);
    expect(registrationOf(undefined, undone)).toEqual({ kind: 'unchanged', bindings: [] });
  });

  it('takes no more contacts than its bound, and keeps those it has', () => {
    const many = Array.from({ length: BINDINGS_MAX }, (_, index) =>
      change(`sip:romeo@192.0.2.${index}`),
    );
    const row = rowAfter(request(many));
    const oneMore = request([change(TABLET.replace('192.0.2', '198.51.100'))], { cseq: 2 });
    expect(registrationOf(row, oneMore)).toEqual({ kind: 'refused', reason: 'tooManyContacts' });
    const removals = [...many, ...many].map((one) => ({ ...one, expiresMs: 0 }));
    expect(registrationOf(row, request(removals, { cseq: 2 }))).toMatchObject({ kind: 'refused' });
    const refresh = request(many.slice(0, 1), { cseq: 2 });
    expect(registrationOf(row, refresh)).toMatchObject({ type: 'SubscriberRegistered' });
  });
});
