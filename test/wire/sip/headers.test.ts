import { describe, expect, it } from 'vitest';
import { hasFeature, parseContacts, parseFeatureParams } from '../../../src/wire/sip/contact.ts';
import {
  parseCSeq,
  parseExpires,
  parseMediaType,
  parseMinSe,
  parsePriority,
  parseRetryAfter,
  parseSessionExpires,
  parseTokens,
  splitList,
} from '../../../src/wire/sip/headers.ts';
import { parseNameAddr, parseNameAddrs } from '../../../src/wire/sip/name-addr.ts';
import { parseVia } from '../../../src/wire/sip/via.ts';

describe('parseVia [RFC 3261 §20.42]', () => {
  it('reads one hop', () => {
    const [via, ...more] = parseVia('SIP/2.0/UDP Host.example:5070;branch=z9hG4bKx;rport') ?? [];
    expect(more).toEqual([]);
    expect(via).toMatchObject({
      protocol: 'SIP/2.0',
      transport: 'UDP',
      host: 'host.example',
      port: 5070,
      branch: 'z9hG4bKx',
      rport: '',
      received: undefined,
    });
  });

  it('reads lists and white space wherever it may stand [RFC 4475 §3.1.1.1]', () => {
    const hops = parseVia(
      'SIP  / 2.0  / TCP     spindle.example.com   ; branch  =   z9hG4bK9ikj8  ,' +
        ' SIP  /    2.0   / UDP  192.168.255.111   ; branch= z9hG4bK30239',
    );
    expect(hops?.map((hop) => [hop.transport, hop.host, hop.branch])).toEqual([
      ['TCP', 'spindle.example.com', 'z9hG4bK9ikj8'],
      ['UDP', '192.168.255.111', 'z9hG4bK30239'],
    ]);
    expect(parseVia('SIP/2.0/UDP h : 5060 ;ttl=1')?.[0]).toMatchObject({ host: 'h', port: 5060 });
  });

  it.each([
    ['SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9', '2001:db8::9:255'],
    ['SIP/2.0/UDP [2001:DB8::9:1]:5060;received=[2001:db8::9:255]', '[2001:db8::9:255]'],
  ])('%s [RFC 5118 §4.5]', (value, received) => {
    expect(parseVia(value)?.[0]).toMatchObject({ host: '[2001:db8::9:1]', received });
  });

  it.each([
    '',
    'SIP/2.0/UDP',
    'SIP/2.0/UDP ',
    'SIP/2.0 host',
    'SIP/2.0/UDPhost',
    'SIP/2.0/UDP ho st',
    'SIP/2.0/UDP h:x',
    'SIP/2.0/UDP [2001::db8 :1]',
    'SIP/2.0/ ',
    'SIP/2.0UDP h',
    'SIP/2.0/UDP h;;',
    'SIP/2.0/UDP h;rport=x',
    'SIP/2.0/UDP h,',
    'SIP/2.0/UDP h;branch=a;branch=b',
    'SIP/2.0/UDP 2001:db8::1',
  ])('%j is malformed', (value) => {
    expect(parseVia(value)).toBeUndefined();
  });
});

describe('parseNameAddr [RFC 3261 §20.10]', () => {
  it.each([
    ['sip:a@h;tag=1', undefined, 'sip:a@h', '1'],
    ['<sip:a@h;lr>;tag=1', undefined, 'sip:a@h;lr', '1'],
    ['Bob<sip:a@h>', 'Bob', 'sip:a@h', undefined],
    ['Mr. Bob 2 <sip:a@h> ; tag = x', 'Mr. Bob 2', 'sip:a@h', 'x'],
    ['"Bell, \\"A\\" \\\\" <sip:a@h>;tag=1', 'Bell, "A" \\', 'sip:a@h', '1'],
    ['"<sip:not@this>" <sip:a@h>', '<sip:not@this>', 'sip:a@h', undefined],
    ['"Анна" <sip:a@h>', 'Анна', 'sip:a@h', undefined],
    ['Анна <sip:a@h>;tag=1', 'Анна', 'sip:a@h', '1'],
    ['"" < sip:a@h >', '', 'sip:a@h', undefined],
    ['tel:+1-201;tag=4', undefined, 'tel:+1-201', '4'],
    ['isbn:2983792873', undefined, 'isbn:2983792873', undefined],
    ['<sip:a@[2001:db8::1]:5060>;tag=2', undefined, 'sip:a@[2001:db8::1]:5060', '2'],
  ])('%s', (value, display, uri, tag) => {
    expect(parseNameAddr(value)).toMatchObject({ display, uri, tag });
  });

  it.each([
    '',
    'Bob',
    'alan@jasomi.com',
    '"Bob <sip:a@h>',
    'Bell, A <sip:a@h>',
    '<sip:a@h',
    'sip:a@h?Route=x',
    '<sip:a@h>;;',
    '<sip:a@h> junk',
    '<sip:a@h>;tag=1;tag=2',
    '<sip:a@h>,<sip:b@h>',
    '"Bob" sip:a@h',
    '<>',
  ])('%j is malformed', (value) => {
    expect(parseNameAddr(value)).toBeUndefined();
  });

  it('reads lists, with commas in quotes and URIs', () => {
    const list = parseNameAddrs('"B, A" <sip:a,b@h>;q=0.1, tel:+1, <sips:c@h>');
    expect(list?.map((address) => address.uri)).toEqual(['sip:a,b@h', 'tel:+1', 'sips:c@h']);
    expect(parseNameAddrs('<sip:a@h>,')).toBeUndefined();
  });
});

describe('feature parameters [RFC 3840 §9]', () => {
  const params = (contact: string) => {
    const contacts = parseContacts(contact);
    return (contacts !== '*' && contacts?.[0]?.params) || new Map<string, string>();
  };

  it.each([
    ['<sip:a@h>;+g.oma.sip-im', true],
    ['<sip:a@h>;+G.OMA.SIP-IM="TRUE"', true],
    ['<sip:a@h>;+g.oma.sip-im="FALSE"', false],
    ['<sip:a@h>;+g.oma.sip-im="!TRUE"', false],
    ['<sip:a@h>;+g.oma.sip-im.large-message', false],
    ['<sip:a@h;+g.oma.sip-im>', false],
  ])('%s: %s', (contact, has) => {
    expect(hasFeature(params(contact), '+g.oma.sip-im')).toBe(has);
  });

  it('a client as seen in the field', () => {
    const contact =
      '<sip:001@192.168.0.11:64549;transport=udp>;expires=3600;+g.oma.sip-im;language="en,fr"' +
      ';+g.3gpp.smsip;+sip.instance="<urn:uuid:f81d4fae>";q=0.5';
    expect(params(contact).get('+sip.instance')).toBe('<urn:uuid:f81d4fae>');
    expect(params(contact).get('language')).toBe('en,fr');
  });

  it('Contact: * and Accept-Contact', () => {
    expect(parseContacts('*')).toBe('*');
    expect(parseContacts('sip:a@h?Route=%3Csip:b%3E')).toBeUndefined();
    const accept = parseFeatureParams('*;+g.oma.sip-im;require;explicit');
    expect([...(accept?.keys() ?? [])]).toEqual(['+g.oma.sip-im', 'require', 'explicit']);
    expect(parseFeatureParams('sip:a@h;x')).toBeUndefined();
  });
});

describe('single values', () => {
  it('splitList minds quotes and brackets', () => {
    expect(splitList('a, "b,\\",c" ,<d,e>;x="y,z"')).toEqual(['a', '"b,\\",c"', '<d,e>;x="y,z"']);
    expect(splitList('a,,b')).toEqual(['a', '', 'b']);
    expect(splitList('a,"b,c')).toEqual(['a', '"b,c']);
    expect(splitList('a,<b,c')).toEqual(['a', '<b,c']);
  });

  it('CSeq [RFC 3261 §8.1.1.5]', () => {
    expect(parseCSeq('0009   INVITE')).toEqual({ number: 9, method: 'INVITE' });
    expect(parseCSeq('2147483647 BYE')).toEqual({ number: 2147483647, method: 'BYE' });
    for (const bad of ['2147483648 BYE', '-1 BYE', '1', '1BYE', 'BYE 1', '1 B YE', '']) {
      expect(parseCSeq(bad), bad).toBeUndefined();
    }
  });

  it('token lists', () => {
    expect(parseTokens(['timer, 100rel', 'path'])).toEqual(['timer', '100rel', 'path']);
    expect(parseTokens([''])).toEqual([]);
    expect(parseTokens(['a b'])).toBeUndefined();
  });

  it('media types', () => {
    const type = parseMediaType('Multipart/Mixed; Boundary="a;b \\"c"; charset=UTF-8');
    expect(type?.name).toBe('multipart/mixed');
    expect(type?.params.get('boundary')).toBe('a;b "c');
    expect(type?.params.get('charset')).toBe('UTF-8');
    expect(parseMediaType('*/*')?.name).toBe('*/*');
    for (const bad of ['', 'text', 'text/', '/plain', 'te xt/plain', 'text/plain;', 'a/b/c']) {
      expect(parseMediaType(bad), bad).toBeUndefined();
    }
  });

  it('durations are milliseconds', () => {
    expect(parseExpires('3600')).toBe(3_600_000);
    expect(parseExpires('4294967295')).toBe(4_294_967_295_000);
    for (const bad of ['4294967296', '', '-1', '1.5', 'x'])
      expect(parseExpires(bad)).toBeUndefined();
    expect(parseRetryAfter('120 (in a meeting)')).toBe(120_000);
    expect(parseRetryAfter('18000;duration=3600')).toBe(18_000_000);
    expect(parseRetryAfter('soon')).toBeUndefined();
    expect(parseMinSe('90;x=1')).toBe(90_000);
  });

  it('Session-Expires [RFC 4028 §4]', () => {
    expect(parseSessionExpires('1800;refresher=UAC')).toEqual({
      intervalMs: 1_800_000,
      refresher: 'uac',
    });
    expect(parseSessionExpires('90')).toEqual({ intervalMs: 90_000, refresher: undefined });
    expect(parseSessionExpires('90;refresher=me')).toBeUndefined();
  });

  it('Priority', () => {
    expect(parsePriority('Urgent')).toBe('urgent');
    expect(parsePriority('whatever')).toBe('normal');
    expect(parsePriority(undefined)).toBe('normal');
  });
});
