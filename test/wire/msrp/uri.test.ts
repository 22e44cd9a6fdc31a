import { describe, expect, it } from 'vitest';
import { equalMsrpUris, parseMsrpUri, renderMsrpUri } from '../../../src/wire/msrp/uri.ts';

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

describe('equality [RFC 4975 §6.1]', () => {
  const uri = 'msrp://host.example:1/aB;tcp';
  it.each([
    'MSRP://HOST.Example:1/aB;TCP',
    'msrp://user@host.example:1/aB;tcp',
    'msrp://host.example:1/aB;tcp;x=y',
  ])('%s is the same', (other) => {
    expect(equalMsrpUris(uri, other)).toBe(true);
  });
  it.each([
    'msrp://host.example:1/ab;tcp',
    'msrp://host.example/aB;tcp',
    'msrp://host.example:2/aB;tcp',
    'msrps://host.example:1/aB;tcp',
    'msrp://host.example:1/aB;sctp',
    'msrp://host.example:1;tcp',
    'nonsense',
  ])('%s is another', (other) => {
    expect(equalMsrpUris(uri, other)).toBe(false);
  });
});
