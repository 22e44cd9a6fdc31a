import { describe, expect, it } from 'vitest';
import {
  isCidr,
  isTrust,
  trustedNames,
  trustedNetworks,
  trustedPeers,
} from '../../../src/adapters/cli/trusted-peers.ts';

describe('trusted peers', () => {
  it.each([
    ['127.0.0.0/8', '127.1.2.3', true],
    ['127.0.0.0/8', '128.0.0.1', false],
    ['127.0.0.0/8', '::ffff:127.0.0.1', true],
    ['127.0.0.0/8', '::ffff:128.0.0.1', false],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['192.0.2.130/25', '192.0.2.255', true],
    ['192.0.2.130/25', '192.0.2.127', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::1/128', '::1', true],
    ['::1/128', '::2', false],
    ['2001:db8::/32', '2001:DB8:1::9', true],
    ['2001:db8::/32', '2001:db9::', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['::ffff:10.0.0.0/104', '10.200.0.1', true],
    ['::ffff:10.0.0.0/104', '::ffff:10.200.0.1', true],
    ['::ffff:10.0.0.0/104', '11.0.0.1', false],
    ['::/0', '2001:db8::1', true],
    ['127.0.0.0/8', 'localhost', false],
    ['127.0.0.0/8', '', false],
  ])('%s and %s: %s', (cidr, address, trusted) => {
    expect(trustedPeers([cidr])(address)).toBe(trusted);
  });

  it('any of the networks will do, and none means nobody', () => {
    const peers = trustedPeers(['10.0.0.0/8', '2001:db8::/32']);
    expect(peers('10.9.9.9') && peers('2001:db8::5')).toBe(true);
    expect(trustedPeers([])('127.0.0.1')).toBe(false);
  });

  it.each(['', '10.0.0.0/33', '10.0.0/8', '::1/129', 'example.org', '10.0.0.1/', '1.2.3.4/8/8'])(
    '%j is no network',
    (text) => {
      expect(isCidr(text)).toBe(false);
      expect(() => trustedPeers([text])).toThrow(RangeError);
    },
  );
});

describe('trusted names', () => {
  const trust = ['10.0.0.0/8', 'tls:Core.example.org'];

  it('are whole names of certificates, in any case [RFC 5922 §7.2]', () => {
    const named = trustedNames(trust);
    expect(named('core.example.org') && named('CORE.example.org')).toBe(true);
    for (const name of ['example.org', 'a.core.example.org', '10.0.0.0/8', '']) {
      expect(named(name)).toBe(false);
    }
    expect(trustedNetworks(trust)).toEqual(['10.0.0.0/8']);
  });

  it.each(['tls:', 'tls:*.example.org', 'tls:a b', 'core.example.org', 'tls:a..b'])(
    '%j is nobody to trust',
    (text) => {
      expect(isTrust(text)).toBe(false);
    },
  );
});
