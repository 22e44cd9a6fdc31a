import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isIpAddress, normalIpv6 } from '../../src/wire/ip-address.ts';

const seed = Number(process.env.RESTANTE_SEED ?? 20261122);

describe('what is connected to without a look-up', () => {
  it.each([
    '192.0.2.1',
    '0.0.0.0',
    '::',
    '::1',
    '2001:db8::7',
    '::ffff:192.0.2.1',
    '1:2:3:4:5:6:7:8',
  ])('%s is an address', (text) => expect(isIpAddress(text)).toBe(true));

  it.each([
    '999.1.1.1',
    '1.2.3',
    '01.2.3.4',
    'im.example.org',
    '',
    '[::1]',
    ':::1',
    '1::2::3',
    '::1%lo',
  ])('%s is none', (text) => expect(isIpAddress(text)).toBe(false));

  it('agrees with the host on whatever looks like one', () => {
    const part = fc.constantFrom(
      '',
      '0',
      '1',
      '12',
      '255',
      '256',
      'f',
      'dead',
      'beefs',
      '1.2.3.4',
      '1.2.3',
    );
    const likely = fc
      .tuple(fc.array(part, { maxLength: 10 }), fc.constantFrom(':', ':', '.'))
      .map(([parts, joint]) => parts.join(joint));
    const texts = fc.oneof(likely, fc.ipV4(), fc.ipV6(), fc.domain());
    fc.assert(
      fc.property(texts, (text) => isIpAddress(text) === isIP(text) > 0),
      { seed, numRuns: 3_000 },
    );
  });
});

describe('one spelling for equal addresses [RFC 4291 §2.2]', () => {
  it.each([
    ['2001:0DB8:0:0:0:0:0:a', '2001:db8::a'],
    ['::ffff:192.0.2.1', '0:0:0:0:0:ffff:c000:201'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::', '0:0:0:0:0:0:0:0'],
  ])('%s and %s', (one, other) => expect(normalIpv6(one)).toBe(normalIpv6(other)));

  it('of different addresses they differ, and what is none stays as it is', () => {
    expect(normalIpv6('2001:db8::a')).not.toBe(normalIpv6('2001:db8:a::'));
    expect(normalIpv6('im.example.org')).toBe('im.example.org');
  });
});
