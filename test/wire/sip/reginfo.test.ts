import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseReginfo, type Reginfo } from '../../../src/wire/sip/reginfo.ts';
import { holds } from '../../controls/properties.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);

function taken(text: string): Reginfo {
  const parsed = parseReginfo(utf8(text));
  if (parsed.kind === 'refusal') throw new Error(parsed.reason);
  return parsed.reginfo;
}

const NS = 'xmlns="urn:ietf:params:xml:ns:reginfo"';
const CONTACT = '<contact id="1" state="active" event="registered"><uri>sip:a@h</uri></contact>';
const registration = (contacts: string) =>
  `<registration aor="sip:a@h" id="r" state="active">${contacts}</registration>`;
const reginfo = (inner: string, head = 'version="0" state="full"') =>
  `<?xml version="1.0"?><reginfo ${NS} ${head}>${inner}</reginfo>`;

describe('reginfo [RFC 3680 §5]', () => {
  it('is read with the call, the time left and the features of each contact', () => {
    const text = reginfo(
      `<registration aor="sip:alice@example.org" id="a7" state="active">
        <contact id="76" state="active" event="registered" duration-registered="7322" q="0.8"
            expires="3500" callid="x@ue" cseq="43">
          <uri>
            sip:alice@192.0.2.17:5060;transport=tcp
          </uri>
          <display-name>Alice</display-name>
          <unknown-param name="+g.oma.sip-im"/>
          <unknown-param name="+sip.instance">"&lt;urn:uuid:1&gt;"</unknown-param>
          <unknown-param name="audio">TRUE</unknown-param>
        </contact>
        <contact id="77" state="terminated" event="expired"><uri>sip:alice@h</uri></contact>
      </registration>`,
      'version="3" state="partial"',
    );
    expect(taken(text)).toEqual({
      version: 3,
      state: 'partial',
      registrations: [
        {
          aor: 'sip:alice@example.org',
          state: 'active',
          contacts: [
            {
              uri: 'sip:alice@192.0.2.17:5060;transport=tcp',
              state: 'active',
              event: 'registered',
              expiresMs: 3_500_000,
              callId: 'x@ue',
              cseq: 43,
              features: '+g.oma.sip-im;+sip.instance="<urn:uuid:1>";audio="TRUE"',
            },
            { uri: 'sip:alice@h', state: 'terminated', event: 'expired' },
          ],
        },
      ],
    });
  });

  it('passes over what it does not know, also of the same name elsewhere [§5.1]', () => {
    const foreign = '<x:registration xmlns:x="urn:other" aor="sip:b@h" state="active"/><new/>';
    const contact = CONTACT.replace('</contact>', '<x:uri xmlns:x="u">sip:z@h</x:uri></contact>');
    const read = taken(reginfo(foreign + registration(contact)));
    expect(read.registrations).toMatchObject([{ aor: 'sip:a@h', contacts: [{ uri: 'sip:a@h' }] }]);
    expect(taken(reginfo('')).registrations).toEqual([]);
  });

  it.each([
    ['another vocabulary', '<reginfo version="0" state="full"/>'],
    ['another root', `<registration ${NS} aor="sip:a@h" state="active"/>`],
    ['no version', reginfo('', 'state="full"')],
    ['a negative version', reginfo('', 'version="-1" state="full"')],
    ['another state', reginfo('', 'version="0" state="half"')],
    ['a registration of nobody', reginfo('<registration id="r" state="active"/>')],
    ['a contact without a URI', reginfo(registration(CONTACT.replace(/<uri>.*<\/uri>/, '')))],
    ['a contact without a state', reginfo(registration(CONTACT.replace('state="active"', '')))],
    ['an event of its own', reginfo(registration(CONTACT.replace('registered', 'moved')))],
  ])('refuses %s', (_, text) => {
    expect(parseReginfo(utf8(text))).toMatchObject({ kind: 'refusal' });
  });

  it('drops a feature that could not stand in a Contact, and keeps the others', () => {
    const params = [
      '<unknown-param name="a b">1</unknown-param>',
      '<unknown-param name="x">a"b</unknown-param>',
      '<unknown-param name="y">"c;d"</unknown-param>',
      '<unknown-param name="z">""</unknown-param>',
    ].join('');
    const text = reginfo(registration(CONTACT.replace('</contact>', `${params}</contact>`)));
    expect(taken(text).registrations[0]?.contacts[0]?.features).toBe('y="c;d";z');
  });

  it('reads or refuses whatever is cut, doubled or exchanged in a document', () => {
    const whole = reginfo(registration(CONTACT + CONTACT), 'version="7" state="partial"');
    const cut = fc.tuple(fc.nat(whole.length), fc.nat(whole.length), fc.string({ maxLength: 5 }));
    const damaged = cut.map(([at, to, put]) => whole.slice(0, at) + put + whole.slice(to));
    holds(
      fc.property(damaged, (text) =>
        ['reginfo', 'refusal'].includes(parseReginfo(utf8(text)).kind),
      ),
      500,
    );
  });
});
