/** What a notifier of the package `reg` tells, on top of what the S-CSCF registered. */
import { describe, expect, it } from 'vitest';
import { registrationOfReginfo } from '../../src/deferral/reginfo-registration.ts';
import {
  BINDINGS_MAX,
  type Registration,
  registrationOf,
} from '../../src/deferral/registration.ts';
import type { RegistrationRow } from '../../src/projections/registrations.ts';
import type { ReginfoContact, ReginfoRegistration } from '../../src/wire/sip/reginfo.ts';
import { START_MS } from '../controls/histories.ts';

const ROMEO = 'sip:romeo@example.net';
const PHONE = 'sip:romeo@192.0.2.17:5060';
const HOUR_MS = 3_600_000;

function contact(more: Partial<ReginfoContact> = {}): ReginfoContact {
  const told = { state: 'active', event: 'registered', features: '+g.oma.sip-im' } as const;
  return { uri: PHONE, ...told, callId: 'ue', cseq: 1, expiresMs: HOUR_MS, ...more };
}

const GONE = contact({ state: 'terminated', event: 'expired' });

function rowOf(registration: Registration, row: RegistrationRow | undefined): RegistrationRow {
  if (registration.kind !== 'event') throw new Error(`${registration.kind}, not an event`);
  const { asOf, ...data } = registration.data;
  expect(asOf).toBe(row?.events ?? 0);
  return { ...data, events: asOf + 1 };
}

/** The S-CSCF's REGISTER without any word of the client's. */
function thirdParty(row: RegistrationRow | undefined, cseq: number, at = START_MS): Registration {
  const expiresMs = 2 * HOUR_MS;
  return registrationOf(row, {
    ...{ via: 'thirdParty', callId: 's', cseq, at },
    contacts: [{ contact: 'sip:scscf.example.net', expiresMs, im: 'assumed' }],
  });
}

function told(
  row: RegistrationRow | undefined,
  contacts: readonly ReginfoContact[],
  more: {
    readonly state?: 'full' | 'partial';
    readonly at?: number;
    readonly registered?: ReginfoRegistration['state'];
    readonly identities?: readonly string[];
  } = {},
): Registration {
  const { state = 'partial', at = START_MS, registered = 'active', identities } = more;
  const registration = { aor: ROMEO, state: registered, contacts };
  return registrationOfReginfo(row, {
    ...{ registration, state, at },
    ...(identities === undefined ? {} : { identities }),
  });
}

const assumed = rowOf(thirdParty(undefined, 1), undefined);
const known = rowOf(told(assumed, [contact()], { state: 'full' }), assumed);

describe('a notifier tells [RFC 3680 §5.2]', () => {
  it('the client’s own contact, with the tag: it answers for the core’s', () => {
    expect(known.via).toBe('regEvent');
    expect(known.bindings).toMatchObject([
      { contact: 'sip:scscf.example.net', im: 'assumed', via: 'thirdParty' },
      { contact: PHONE, im: 'regEvent', via: 'regEvent', callId: 'ue', cseq: 1 },
    ]);
    expect(told(assumed, [contact()], { state: 'full' })).toMatchObject({
      type: 'SubscriberRegistered',
    });
  });

  it('that no client has the tag: the service that was assumed is lost', () => {
    const untagged = told(assumed, [contact({ features: 'audio' })], { state: 'full' });
    expect(untagged).toMatchObject({ type: 'SubscriberDeregistered', data: { expiresAt: null } });
    // The next refresh of the core assumes nothing against it, and triggers nothing.
    const refreshed = thirdParty(rowOf(untagged, assumed), 2);
    expect(refreshed).toMatchObject({ type: 'SubscriberDeregistered', data: { expiresAt: null } });
    const tagged = told(rowOf(untagged, assumed), [contact({ cseq: 2, event: 'refreshed' })]);
    expect(tagged).toMatchObject({ type: 'SubscriberRegistered' });
  });

  it.each([
    ['a full document lists the old contact with its old event', {}, 'full', 0],
    ['the time left went down with the time', { expiresMs: HOUR_MS - 59_000 }, 'full', 60_000],
    ['the same is told twice', {}, 'partial', 0],
  ] as const)('nothing new: %s → nothing happens', (_, more, state, afterMs) => {
    const at = START_MS + afterMs;
    expect(told(known, [contact(more)], { state, at }).kind).toBe('unchanged');
  });

  it.each([
    ['by its CSeq', { cseq: 2 }],
    ['by its Call-ID', { callId: 'other', event: 'created' }],
    ['by its expiry alone', { expiresMs: HOUR_MS + 60_000 }],
  ] as const)('a re-registration %s → a trigger', (_, more) => {
    const again = told(known, [contact({ event: 'refreshed', ...more })]);
    expect(again).toMatchObject({ type: 'SubscriberRegistered' });
  });

  it('of a contact without call and time the event of a partial document tells', () => {
    const bare: ReginfoContact = {
      ...{ uri: PHONE, state: 'active', event: 'registered', features: '+g.oma.sip-im' },
    };
    const row = rowOf(told(assumed, [bare], { state: 'full' }), assumed);
    // As long as the core's registration lasts.
    expect(row.bindings[1]).toMatchObject({ expiresAt: START_MS + 2 * HOUR_MS });
    expect(told(row, [bare], { state: 'full' }).kind).toBe('unchanged');
    const refreshed = told(row, [{ ...bare, event: 'refreshed' }]);
    expect(refreshed).toMatchObject({ type: 'SubscriberRegistered' });
  });

  it('shortened → the expiry alone', () => {
    const cut = told(known, [contact({ event: 'shortened', expiresMs: 60_000 })]);
    expect(cut).toMatchObject({
      type: 'SubscriberDeregistered',
      data: { bindings: [{}, { expiresAt: START_MS + 60_000 }] },
    });
  });

  it.each(['expired', 'unregistered', 'deactivated', 'rejected', 'probation'] as const)(
    '%s, and no other contact → deregistered, the core’s binding too',
    (event) => {
      const gone = told(known, [{ ...GONE, event }]);
      expect(gone).toMatchObject({
        type: 'SubscriberDeregistered',
        data: { bindings: [], expiresAt: null },
      });
      expect(told(rowOf(gone, known), [{ ...GONE, event }]).kind).toBe('unchanged');
    },
  );

  it('a first document that is partial names one that is gone → others may be there', () => {
    expect(told(assumed, [GONE]).kind).toBe('unchanged');
    expect(told(assumed, [GONE], { state: 'full' })).toMatchObject({ data: { bindings: [] } });
    expect(told(assumed, [GONE], { registered: 'terminated' })).toMatchObject({
      data: { bindings: [] },
    });
  });

  it('one of two contacts is gone → the other serves on; a full document need not name it', () => {
    const tablet = contact({ uri: 'sip:romeo@192.0.2.18', callId: 'tablet' });
    const both = rowOf(told(known, [tablet]), known);
    for (const news of [told(both, [GONE]), told(both, [tablet], { state: 'full' })]) {
      expect(news).toMatchObject({
        type: 'SubscriberDeregistered',
        data: { bindings: [{ im: 'assumed' }, { contact: tablet.uri }] },
      });
      expect(rowOf(news, both).expiresAt).toBe(START_MS + 2 * HOUR_MS);
    }
  });

  it.each(['init', 'terminated'] as const)('the registration is %s → nobody is', (registered) => {
    expect(told(known, [], { state: 'full', registered })).toMatchObject({
      data: { bindings: [], expiresAt: null },
    });
  });

  it('the core deregisters → what the notifier told is over', () => {
    const over = registrationOf(known, {
      ...{ via: 'thirdParty', callId: 's', cseq: 9, at: START_MS },
      contacts: [{ contact: 'sip:scscf.example.net', expiresMs: 0, im: 'assumed' }],
    });
    expect(over).toMatchObject({ type: 'SubscriberDeregistered', data: { bindings: [] } });
  });

  it('a client that registers here itself is not touched', () => {
    const direct = registrationOf(known, {
      ...{ via: 'direct', callId: 'd', cseq: 1, at: START_MS },
      contacts: [{ contact: PHONE, expiresMs: HOUR_MS, im: 'contact' }],
    });
    const row = rowOf(direct, known);
    expect(row.bindings).toHaveLength(3);
    expect(told(row, [GONE])).toMatchObject({ data: { bindings: [{ via: 'direct' }] } });
  });

  it('too many contacts → those with the tag are kept', () => {
    const many = Array.from({ length: 3 * BINDINGS_MAX }, (_, n) =>
      contact({ uri: `sip:r@192.0.2.${n}`, ...(n === 40 ? {} : { features: 'audio' }) }),
    );
    const row = rowOf(told(undefined, many, { state: 'full' }), undefined);
    expect(row.bindings).toHaveLength(BINDINGS_MAX);
    expect(row.bindings[0]).toMatchObject({ contact: 'sip:r@192.0.2.40', im: 'regEvent' });
  });

  it('another implicit set → recorded, and no trigger', () => {
    const identities = [ROMEO, 'tel:+15551234'];
    const set = told(known, [contact()], { state: 'full', identities });
    expect(set).toMatchObject({
      type: 'SubscriberDeregistered',
      data: { bindings: [{}, { identities }] },
    });
    expect(told(rowOf(set, known), [contact()], { state: 'full', identities }).kind).toBe(
      'unchanged',
    );
  });
});

describe('rows of old, without who said it', () => {
  const old = (im: 'contact' | 'embedded' | 'assumed' | false, via: 'direct' | 'thirdParty') => ({
    ...{ via, expiresAt: START_MS + HOUR_MS, events: 1 },
    bindings: [{ contact: PHONE, expiresAt: START_MS + HOUR_MS, im, callId: 'o', cseq: 1 }],
  });

  it.each([
    ['contact', 'direct', 1],
    ['embedded', 'thirdParty', 0],
    ['assumed', 'direct', 0],
    [false, 'thirdParty', 0],
    [false, 'direct', 1],
  ] as const)('%s of the last %s → %i left when the core deregisters', (im, via, left) => {
    const gone = registrationOf(old(im, via), {
      ...{ via: 'thirdParty', callId: 's', cseq: 1, at: START_MS },
      contacts: [{ contact: 'sip:scscf.example.net', expiresMs: 0, im: 'assumed' }],
    });
    const { bindings } = gone.kind === 'event' ? gone.data : { bindings: old(im, via).bindings };
    expect(bindings).toHaveLength(left);
  });
});
