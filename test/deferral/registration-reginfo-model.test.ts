/** Documents of a notifier against the table that RFC 3680 §5.2 describes. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { registrationOfReginfo } from '../../src/deferral/reginfo-registration.ts';
import { currentBindings } from '../../src/deferral/registration.ts';
import type { RegistrationRow } from '../../src/projections/registrations.ts';
import type { ReginfoContact } from '../../src/wire/sip/reginfo.ts';
import { START_MS } from '../controls/histories.ts';
import { holds } from '../controls/properties.ts';

const URIS = ['sip:a@192.0.2.1', 'sip:a@192.0.2.2', 'sip:a@192.0.2.3'];
const EVENTS = ['registered', 'created', 'refreshed', 'shortened'] as const;
const ENDS = ['expired', 'deactivated', 'probation', 'unregistered', 'rejected'] as const;

const contact: fc.Arbitrary<ReginfoContact> = fc
  .record({
    uri: fc.constantFrom(...URIS),
    event: fc.constantFrom(...EVENTS, ...ENDS),
    expiresMs: fc.constantFrom(60_000, 3_600_000),
    callId: fc.constantFrom('x', 'y'),
    cseq: fc.nat(3),
    features: fc.constantFrom('+g.oma.sip-im', 'audio'),
  })
  .map((one) => ({
    ...one,
    state: ENDS.some((end) => end === one.event) ? ('terminated' as const) : ('active' as const),
  }));

const news = fc.record({
  state: fc.constantFrom('full' as const, 'partial' as const),
  registered: fc.constantFrom('active' as const, 'active' as const, 'terminated' as const),
  contacts: fc.uniqueArray(contact, { maxLength: 3, selector: ({ uri }) => uri }),
  seconds: fc.nat(70),
});

interface Entry {
  readonly tagged: boolean;
  readonly until: number;
}

it('every sequence of documents leaves the contacts that the table has [RFC 3680 §5.2]', () => {
  holds(
    fc.property(fc.array(news, { maxLength: 12 }), (documents) => {
      const table = new Map<string, Entry>();
      let row: RegistrationRow | undefined;
      let at = START_MS;
      for (const { state, registered, contacts, seconds } of documents) {
        at += seconds * 1000;
        for (const [uri, { until }] of table) if (until <= at) table.delete(uri);
        if (state === 'full' || registered === 'terminated') table.clear();
        for (const one of registered === 'active' ? contacts : []) {
          const tagged = one.features === '+g.oma.sip-im';
          if (one.state === 'terminated') table.delete(one.uri);
          else table.set(one.uri, { tagged, until: at + (one.expiresMs ?? 0) });
        }
        const registration = { aor: 'sip:a@example.net', state: registered, contacts };
        const decided = registrationOfReginfo(row, { registration, state, at });
        if (decided.kind === 'event') {
          const { asOf, ...data } = decided.data;
          row = { ...data, events: asOf + 1 };
          const tagged = [...table.values()].some((entry) => entry.tagged);
          expect(row.expiresAt !== null).toBe(tagged);
        }
        const found = currentBindings(row, at);
        expect(found.map((one) => one.contact).sort()).toEqual([...table.keys()].sort());
        for (const { contact: uri, im, expiresAt } of found) {
          const entry = table.get(uri);
          expect(im !== false).toBe(entry?.tagged);
          // Within what counts as the same registration.
          expect(Math.abs(expiresAt - (entry?.until ?? 0))).toBeLessThanOrEqual(15_000);
          table.set(uri, { tagged: im !== false, until: expiresAt });
        }
        // The same document again is nothing new.
        expect(registrationOfReginfo(row, { registration, state, at }).kind).toBe('unchanged');
      }
    }),
    500,
  );
});
