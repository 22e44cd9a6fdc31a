/** The registrar against a model of RFC 3261 §10.3 that is too small to be wrong in the same way. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  currentBindings,
  type Registration,
  registrationOf,
} from '../../src/deferral/registration.ts';
import type { RegistrationRow } from '../../src/projections/registrations.ts';
import { START_MS } from '../controls/histories.ts';
import { holds } from '../controls/properties.ts';

const CONTACTS = ['sip:a@192.0.2.1', 'sip:a@192.0.2.2', 'sip:b@192.0.2.1;transport=tcp'] as const;
/** Another spelling of each, equal by §19.1.4. */
const SPELLINGS = ['SIP:%61@192.0.2.1', 'sip:a@192.0.2.2;x=1', 'sip:b@192.0.2.1;Transport=TCP'];

type Command =
  | { readonly do: 'pass'; readonly seconds: number }
  | {
      readonly do: 'register';
      readonly callId: string;
      readonly cseq: number;
      /** Which contact, spelt how, and for how long. */
      readonly contacts:
        | '*'
        | readonly (readonly [which: number, other: boolean, seconds: number])[];
      readonly tagged: boolean;
    };

const entry = fc.tuple(fc.nat(2), fc.boolean(), fc.constantFrom(0, 60, 3_600));
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const), seconds: fc.nat(90) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('register' as const),
      callId: fc.constantFrom('x', 'y'),
      cseq: fc.integer({ min: 1, max: 4 }),
      contacts: fc.oneof(fc.constant('*' as const), fc.array(entry, { maxLength: 3 })),
      tagged: fc.boolean(),
    }),
  },
);

interface Kept {
  readonly until: number;
  readonly callId: string;
  readonly cseq: number;
  readonly tagged: boolean;
}

/** The model: a table by contact number, changed as a whole or not at all. */
function model(table: Map<number, Kept>, asked: Command & { do: 'register' }, at: number): string {
  for (const [which, { until }] of table) if (until <= at) table.delete(which);
  const { contacts, callId, cseq, tagged } = asked;
  const named = contacts === '*' ? [...table.keys()] : contacts.map(([which]) => which);
  const calls = named.map((which) => table.get(which)).filter((kept) => kept?.callId === callId);
  if (calls.some((kept) => kept && kept.cseq > cseq)) return 'refused';
  if (calls.some((kept) => kept && kept.cseq === cseq)) return 'unchanged';
  const last = new Map(contacts === '*' ? [] : contacts.map(([which, , s]) => [which, s] as const));
  const removed = named.filter((which) => table.delete(which));
  const added = [...last].filter(([, seconds]) => seconds > 0);
  for (const [which, s] of added) table.set(which, { until: at + s * 1000, callId, cseq, tagged });
  if (removed.length === 0 && added.length === 0) return 'unchanged';
  return tagged && added.length > 0 ? 'SubscriberRegistered' : 'SubscriberDeregistered';
}

const nameOf = (registration: Registration) =>
  registration.kind === 'event' ? registration.type : registration.kind;

it('every sequence of REGISTERs leaves the bindings that the model has [RFC 3261 §10.3]', () => {
  holds(
    fc.property(fc.array(command, { maxLength: 25 }), (commands) => {
      const table = new Map<number, Kept>();
      let row: RegistrationRow | undefined;
      let at = START_MS;
      for (const one of commands) {
        if (one.do === 'pass') {
          at += one.seconds * 1000;
          continue;
        }
        const { contacts, callId, cseq, tagged } = one;
        const spelt = (which: number, other: boolean) =>
          (other ? SPELLINGS[which] : CONTACTS[which]) ?? '';
        const registration = registrationOf(row, {
          ...{ via: 'direct', callId, cseq, at },
          contacts:
            contacts === '*'
              ? '*'
              : contacts.map(([which, other, seconds]) => ({
                  contact: spelt(which, other),
                  expiresMs: seconds * 1000,
                  im: tagged && ('contact' as const),
                })),
        });
        expect(nameOf(registration)).toBe(model(table, one, at));
        if (registration.kind === 'event') {
          const { asOf, ...data } = registration.data;
          expect(asOf).toBe(row?.events ?? 0);
          row = { ...data, events: asOf + 1 };
        }
        const found = currentBindings(row, at).map(({ contact, expiresAt, im }) => {
          const which = [0, 1, 2].find((n) => [CONTACTS[n], SPELLINGS[n]].includes(contact));
          return [which, expiresAt, im !== false];
        });
        const kept = [...table].map(([which, { until, tagged: im }]) => [which, until, im]);
        expect(found.sort()).toEqual(kept.sort());
        const serving = kept.filter(([, , im]) => im).map(([, until]) => Number(until));
        if (registration.kind === 'event') {
          expect(row?.expiresAt).toBe(serving.length === 0 ? null : Math.max(...serving));
        }
      }
    }),
    500,
  );
});
