import { describe, expect, it } from 'vitest';
import { namesSession, parseMsrpUri, renderMsrpUri } from '../../../src/wire/msrp/uri.ts';

describe('MSRP URIs [RFC 4975 §6]', () => {
  it.each([
    'msrp://192.0.2.17:7394/2s93i9ek2a;tcp',
    'msrps://u@relay.example.com:9000/aA-._~+=/1;tcp;a=b;c',
    'msrp://[2001:db8::1]:2855/p7k2m4qx9w;tcp',
    'msrp://relay.example.com;tcp',
  ])('%s is read and written', (text) => {
    const uri = parseMsrpUri(text);
    expect(uri && renderMsrpUri(uri)).toBe(text);
  });

  it.each([
    '',
    'http://a/b;tcp',
    'msrp://a/b',
    'msrp://a:0/b;tcp',
    'msrp://a:65536/b;tcp',
    'msrp://a b/c;tcp',
    'msrp://a/b;tcp\r\nX: y',
    'msrp://a/b;tcp;',
    `msrp://${'a'.repeat(2000)}/b;tcp`,
  ])('%s is not one', (text) => {
    expect(parseMsrpUri(text)).toBeUndefined();
  });

  it('writing what would not read back throws', () => {
    expect(() => renderMsrpUri({ host: 'a', sessionId: 'b c' })).toThrow(TypeError);
    expect(() => renderMsrpUri({ host: 'a\r\nb', sessionId: 'c' })).toThrow(TypeError);
  });
});

describe('what names a session [RFC 4975 §6.1]', () => {
  const own = 'msrp://host.example:1/aB;tcp';
  const names = (uri: string) => {
    const [mine, theirs] = [parseMsrpUri(own), parseMsrpUri(uri)];
    return mine !== undefined && theirs !== undefined && namesSession(mine, theirs);
  };
  it.each([
    own,
    'MSRP://HOST.Example:1/aB;TCP',
    'msrp://user@host.example:1/aB;tcp',
    'msrp://host.example:1/aB;tcp;x=y',
    'msrp://h%6Fst%2Eexample:1/aB;tcp',
  ])('%s does', (uri) => {
    expect(names(uri)).toBe(true);
  });
  it.each([
    'msrp://host.example:1/ab;tcp',
    'msrp://host.example.org:1/aB;tcp',
    'msrp://192.0.2.99:1/aB;tcp',
    'msrp://host.example:2/aB;tcp',
    'msrp://host.example/aB;tcp',
    'msrp://host.example:1/aBaB;tcp',
    'msrp://host.example:1/a;tcp',
    'msrps://host.example:1/aB;tcp',
    'msrp://host.example:1/aB;sctp',
    'msrp://host.example:1;tcp',
    'nonsense',
  ])('%s does not', (uri) => {
    expect(names(uri)).toBe(false);
  });

  it('nothing names a relay', () => {
    const relay = parseMsrpUri('msrp://host.example:1;tcp');
    expect(relay && namesSession(relay, relay)).toBe(false);
  });
});
