import { describe, expect, test } from 'vitest';
import { isSipIdentity, sipIdentities } from '../../../src/adapters/sip/transport/sip-identity.ts';

describe('the SIP domain identities of a certificate [RFC 5922 §7.1]', () => {
  test.each([
    ['a sip URI', 'URI:sip:example.org', ['example.org']],
    [
      'its port and parameters do not count',
      'URI:sip:example.org:5061;transport=tcp',
      ['example.org'],
    ],
    ['scheme and host in any case', 'URI:SIP:Example.ORG', ['example.org']],
    ['URIs before DNS names', 'DNS:a.example, URI:sip:b.example', ['b.example']],
    ['several', 'URI:sip:a.example, URI:sip:b.example', ['a.example', 'b.example']],
    [
      'a URI of a user names no domain, DNS names count',
      'URI:sip:al@a.example, DNS:b.example',
      ['b.example'],
    ],
    [
      'other schemes neither',
      'URI:sips:a.example, URI:https://c.example/, DNS:b.example',
      ['b.example'],
    ],
    ['DNS names', 'DNS:a.example, DNS:B.example.', ['a.example', 'b.example']],
    ['no wildcards', 'DNS:*.example.org', []],
    ['no addresses', 'IP Address:192.0.2.1, DNS:192.0.2.1', []],
    ['mail addresses are nothing', 'email:a@example.org', []],
    ['a comma in a name makes no second one', 'DNS:"a.example, URI:sip:bank.example"', []],
    ['quotes in a name neither', String.raw`DNS:"a\", URI:sip:bank.example, DNS:\"b"`, []],
    ['what cannot be read ends it', 'DNS:a.example, DNS:"b, URI:sip:bank.example', ['a.example']],
    ['an empty extension', '', []],
  ])('%s', (_, subjectaltname, identities) => {
    expect(sipIdentities({ subjectaltname, subject: { CN: 'cn.example' } })).toEqual(identities);
  });

  test('the common name only without any subjectAltName', () => {
    expect(sipIdentities({ subject: { CN: 'CN.example' } })).toEqual(['cn.example']);
    expect(sipIdentities({ subject: { CN: ['a.example', 'No Name'] } })).toEqual(['a.example']);
    expect(sipIdentities({})).toEqual([]);
  });

  test('64 KiB of names are read in one go', () => {
    const many = Array.from({ length: 3_000 }, (_, count) => `DNS:host${count}.example`);
    expect(sipIdentities({ subjectaltname: many.join(', ') })).toHaveLength(3_000);
    expect(sipIdentities({ subjectaltname: `DNS:${'a'.repeat(65_536)}"` })).toEqual([]);
  });
});

describe('whether it is that of a domain [RFC 5922 §7.2]', () => {
  test.each([
    ['example.org', 'DNS:example.org', true],
    ['EXAMPLE.org', 'DNS:example.ORG', true],
    ['example.org.', 'DNS:example.org', true],
    ['foo.example.org', 'DNS:example.org', false],
    ['example.org', 'DNS:foo.example.org', false],
    ['foo.example.org', 'DNS:*.example.org', false],
    ['*.example.org', 'DNS:*.example.org', false],
    ['a.example', 'DNS:a.example, URI:sip:b.example', false],
    ['192.0.2.1', 'DNS:192.0.2.1', false],
    ['', 'DNS:example.org', false],
  ])('%s by %s: %s', (domain, subjectaltname, is) => {
    expect(isSipIdentity({ subjectaltname }, domain)).toBe(is);
  });
});
