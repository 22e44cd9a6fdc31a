import { describe, expect, it } from 'vitest';
import { accountOf, equalUris, parseUri, type Uri } from '../../../src/wire/sip/uri.ts';

function uri(text: string): Uri {
  const parsed = parseUri(text);
  if (parsed === undefined) throw new Error(`${text} is not a URI`);
  return parsed;
}

describe('parseUri', () => {
  it('takes a SIP URI apart [RFC 3261 §19.1.1]', () => {
    const text = 'SIPS:alice:s3:cret@Atlanta.COM:5061;Transport=TLS;lr?subject=a%20b&to=bob';
    expect(uri(text)).toMatchObject({
      scheme: 'sips',
      user: 'alice',
      password: 's3:cret',
      host: 'atlanta.com',
      port: 5061,
      headers: [
        ['subject', 'a%20b'],
        ['to', 'bob'],
      ],
    });
    expect([...uri(text).params]).toEqual([
      ['transport', 'TLS'],
      ['lr', ''],
    ]);
  });

  it.each([' ', '\t', '\u00a0', '\u2028', '\u3000', '\ufeff'])(
    'white space %j delimits a URI, it is not in one [RFC 3986 appendix C]',
    (space) => expect(parseUri(`sip:${space}alice@example.org`)).toBeUndefined(),
  );

  it('keeps separators in the user part [RFC 4475 §3.1.1.9]', () => {
    expect(uri('sip:user;par=u%40example.net@example.com')).toMatchObject({
      user: 'user;par=u%40example.net',
      host: 'example.com',
    });
    expect(uri('sip:a?b/c@h').headers).toEqual([]);
  });

  it.each([
    ['sip:[2001:DB8::10]', '[2001:db8::10]', undefined],
    ['sip:[2001:db8::10]:5070', '[2001:db8::10]', 5070],
    ['sip:[2001:db8::10:5070]', '[2001:db8::10:5070]', undefined],
    ['sip:u@[::ffff:192.0.2.2];lr', '[::ffff:192.0.2.2]', undefined],
  ])('%s has the host %s and the port %s [RFC 5118 §4]', (text, host, port) => {
    expect(uri(text)).toMatchObject({ host, port });
  });

  it('reads tel, im, pres and opaque URIs', () => {
    expect(uri('tel:+1-(201)-555.0123;phone-context=x')).toMatchObject({
      scheme: 'tel',
      user: '+1-(201)-555.0123',
      host: '',
    });
    expect(uri('im:fred@Example.com')).toMatchObject({ scheme: 'im', host: 'example.com' });
    expect(uri('urn:uuid:f81d4fae-7dec')).toMatchObject({ opaque: 'uuid:f81d4fae-7dec' });
  });

  it.each([
    '',
    'sip',
    'sip:',
    ':x',
    '1sip:a@b',
    'sip:@host',
    'sip:a@',
    'sip:2001:db8::10',
    'sip:a@[2001:db8::1',
    'sip:a@[zz::1]',
    'sip:a@h:99999',
    'sip:a@h:',
    'sip:a b@h',
    '<sip:a@h>',
    'sip:a@h;;lr',
    'sip:a@h;lr;lr',
    'sip:a@h?x',
    'tel:',
    'tel:+',
    'tel:hello',
    'sip:a@h\r\nRoute:x',
  ])('%j is none', (text) => {
    expect(parseUri(text)).toBeUndefined();
  });
});

describe('equalUris [RFC 3261 §19.1.4]', () => {
  it.each([
    ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtLanTa.CoM;Transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'],
    ['sip:carol@chicago.com;newparam=5', 'sip:carol@chicago.com;security=on'],
    [
      'sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com',
      'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com',
    ],
    [
      'sip:alice@atlanta.com?subject=project%20x&priority=urgent',
      'sip:alice@atlanta.com?priority=urgent&subject=project%20x',
    ],
    ['tel:+1-201-555-0123', 'tel:+12015550123'],
  ])('%s = %s', (a, b) => {
    expect(equalUris(uri(a), uri(b))).toBe(true);
    expect(equalUris(uri(b), uri(a))).toBe(true);
  });

  it.each([
    ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'],
    ['sip:bob@phone21.boxesbybob.com', 'sip:bob@192.0.2.4'],
    ['sip:a@h', 'sips:a@h'],
    ['sip:a%40b@h', 'sip:a@h'],
    ['sip:a:x@h', 'sip:a:y@h'],
    ['sip:a@h;x=1', 'sip:a@h;x=2'],
    ['tel:+1201', 'tel:+1201;ext=4'],
  ])('%s ≠ %s', (a, b) => {
    expect(equalUris(uri(a), uri(b))).toBe(false);
    expect(equalUris(uri(b), uri(a))).toBe(false);
  });
});

describe('accountOf', () => {
  it.each([
    ['sip:alice@example.org', 'sip:alice@example.org'],
    ['SIP:Al%69ce:pw@EXAMPLE.org:5060;user=phone?a=b', 'sip:Alice@example.org'],
    ['sip:a%2fb%40c@h', 'sip:a%2Fb%40c@h'],
    ['sip:при@h', 'sip:%D0%BF%D1%80%D0%B8@h'],
    ['sip:😀@h', 'sip:%F0%9F%98%80@h'],
    ['sips:alice@example.org', 'sips:alice@example.org'],
    ['sip:im-store.example.org', 'sip:im-store.example.org'],
    ['sip:u@[2001:DB8::1]:5060', 'sip:u@[2001:db8::1]'],
    ['tel:+1-(201)-555.0123;ext=4', 'tel:+12015550123'],
    ['im:Fred@Example.com', 'im:Fred@example.com'],
  ])('%s → %s', (text, account) => {
    expect(accountOf(text)).toBe(account);
  });

  it.each(['', '*', 'alice', 'urn:x:y', 'http://example.org/', 'sip:'])('%j has none', (text) => {
    expect(accountOf(text)).toBeUndefined();
  });
});
