/** RFC 3263 §4 over zones written down: which look-ups are made, and what comes first. */
import { describe, expect, test } from 'vitest';
import type { SipTransport } from '../../../src/wire/sip/hop.ts';
import { type Found, locate, type NaptrRecord } from '../../../src/wire/sip/locate.ts';
import type { SrvRecord } from '../../../src/wire/sip/locate-srv.ts';
import { parseUri, type Uri } from '../../../src/wire/sip/uri.ts';

interface Zone {
  readonly naptr?: Readonly<Record<string, readonly NaptrRecord[] | 'fails'>>;
  readonly srv?: Readonly<Record<string, readonly SrvRecord[] | 'fails'>>;
  readonly a?: Readonly<Record<string, readonly string[] | 'fails'>>;
  readonly aaaa?: Readonly<Record<string, readonly string[] | 'fails'>>;
}

/** `udp4`, `tcp6`, … that we have an end for. */
const DUAL = ['udp4', 'tcp4', 'tls4', 'udp6', 'tcp6', 'tls6'];
const V4 = ['udp4', 'tcp4', 'tls4'];

async function located(text: string, zone: Zone, ends: readonly string[] = V4) {
  const asked: string[] = [];
  function ask<Record>(kind: keyof Zone) {
    return async (name: string): Promise<Found<Record>> => {
      asked.push(`${kind} ${name}`);
      const records = zone[kind]?.[name] ?? [];
      return records === 'fails'
        ? { kind: 'failed', reason: 'no answer' }
        : { kind: 'found', records: records as readonly Record[] };
    };
  }
  const result = await locate(parseUri(text) as Uri, {
    lookup: { naptr: ask('naptr'), srv: ask('srv'), a: ask('a'), aaaa: ask('aaaa') },
    canSend: (transport: SipTransport, family) => ends.includes(`${transport}${family}`),
    random: () => 0.5,
  });
  const to =
    result.kind === 'nowhere'
      ? result.reason
      : result.candidates.map(
          ({ transport, host, port, serverName }) =>
            `${transport} ${host} ${port}${serverName === undefined ? '' : ` ${serverName}`}`,
        );
  return { asked, to };
}

const naptr = (order: number, preference: number, service: string, replacement: string) => ({
  ...{ order, preference, service, replacement },
  flags: 's',
  regexp: '',
});
const srv = (priority: number, port: number, target: string) => ({
  ...{ priority, port, target },
  weight: 0,
});
const SERVICES = {
  naptr: {
    'example.com': [
      naptr(90, 50, 'SIP+D2T', '_sip._tcp.example.com'),
      naptr(50, 50, 'SIPS+D2T', '_sips._tcp.example.com'),
      naptr(100, 50, 'SIP+D2U', '_sip._udp.example.com'),
    ],
  },
  srv: {
    '_sip._tcp.example.com': [srv(1, 5070, 's2.example.com'), srv(0, 5060, 's1.example.com')],
    '_sips._tcp.example.com': [srv(0, 5061, 's1.example.com')],
    '_sip._udp.example.com': [srv(0, 5060, 's1.example.com')],
  },
  a: {
    's1.example.com': ['192.0.2.1'],
    's2.example.com': ['192.0.2.2', '192.0.2.3'],
    'example.com': ['192.0.2.80'],
  },
  aaaa: { 's1.example.com': ['2001:db8::1'] },
} satisfies Zone;

describe('no look-up for an address [RFC 3263 §§4.1, 4.2]', () => {
  test.each([
    ['sip:192.0.2.7', 'udp 192.0.2.7 5060'],
    ['sip:alice@192.0.2.7:5070', 'udp 192.0.2.7 5070'],
    ['sip:192.0.2.7;transport=TCP', 'tcp 192.0.2.7 5060'],
    ['sips:192.0.2.7', 'tls 192.0.2.7 5061'],
    ['sips:192.0.2.7;transport=tcp', 'tls 192.0.2.7 5061'],
    ['sip:192.0.2.7;transport=tls', 'tls 192.0.2.7 5061'],
    ['sip:[2001:DB8::7]', 'udp 2001:db8::7 5060'],
    ['sip:example.com;maddr=192.0.2.9', 'udp 192.0.2.9 5060'],
    ['sips:example.com;maddr=192.0.2.9', 'tls 192.0.2.9 5061 example.com'],
  ])('%s → %s', async (uri, to) => {
    expect(await located(uri, SERVICES, DUAL)).toEqual({ asked: [], to: [to] });
  });
});

test('a port → addresses alone, UDP when nothing else is said [RFC 3263 §§4.1, 4.2]', async () => {
  expect(await located('sip:s2.example.com:5099', SERVICES)).toEqual({
    asked: ['a s2.example.com'],
    to: ['udp 192.0.2.2 5099', 'udp 192.0.2.3 5099'],
  });
});

describe('NAPTR, then SRV, then addresses [RFC 3263 §4.1]', () => {
  test('the lowest order is what the domain wants', async () => {
    expect(await located('sip:example.com', SERVICES)).toEqual({
      asked: ['naptr example.com', 'srv _sips._tcp.example.com', 'a s1.example.com'],
      to: ['tls 192.0.2.1 5061 example.com'],
    });
  });

  test('services that we cannot send by are passed over', async () => {
    const { to } = await located('sip:example.com', SERVICES, ['udp4', 'tcp4']);
    expect(to).toEqual(['tcp 192.0.2.1 5060', 'tcp 192.0.2.2 5070', 'tcp 192.0.2.3 5070']);
  });

  test('sips: TLS alone, whatever else is listed', async () => {
    const zone = { ...SERVICES, naptr: {} };
    expect((await located('sips:example.com', zone)).to).toEqual([
      'tls 192.0.2.1 5061 example.com',
    ]);
    expect((await located('sips:example.com', zone, ['udp4', 'tcp4'])).to).toContain('tls');
  });

  test('of one order all count, by preference; WebSocket and other flags do not', async () => {
    const records = [
      naptr(10, 20, 'SIP+D2U', '_sip._udp.example.com'),
      naptr(10, 10, 'SIP+D2T', '_sip._tcp.example.com.'),
      naptr(5, 10, 'SIP+D2W', '_sip._ws.example.com'),
      { ...naptr(5, 10, 'SIP+D2U', 's1.example.com'), flags: 'a' },
      { ...naptr(5, 10, 'SIP+D2U', '_sip._udp.example.com'), regexp: '!^.*$!sip:x@y!' },
    ];
    const { to } = await located('sip:example.com', {
      ...SERVICES,
      naptr: { 'example.com': records },
    });
    expect(to).toEqual([
      'tcp 192.0.2.1 5060',
      'tcp 192.0.2.2 5070',
      'tcp 192.0.2.3 5070',
      'udp 192.0.2.1 5060',
    ]);
  });

  test.each([
    ['no NAPTR', {}],
    ['NAPTR fails', { 'example.com': 'fails' as const }],
  ])('%s → the SRV records of each transport, UDP first', async (_, records) => {
    expect(await located('sip:example.com', { ...SERVICES, naptr: records })).toEqual({
      asked: [
        'naptr example.com',
        'srv _sip._udp.example.com',
        'srv _sip._tcp.example.com',
        'srv _sips._tcp.example.com',
        'a s1.example.com',
      ],
      to: ['udp 192.0.2.1 5060'],
    });
  });
});

describe('SRV [RFC 3263 §4.2, RFC 2782]', () => {
  test('a transport → its SRV records, in their order, no NAPTR', async () => {
    expect(await located('sip:example.com;transport=tcp', SERVICES)).toEqual({
      asked: ['srv _sip._tcp.example.com', 'a s1.example.com', 'a s2.example.com'],
      to: ['tcp 192.0.2.1 5060', 'tcp 192.0.2.2 5070', 'tcp 192.0.2.3 5070'],
    });
  });

  test('none → the addresses of the domain, at the default port', async () => {
    const zone = { a: SERVICES.a };
    expect((await located('sip:example.com', zone)).to).toEqual(['udp 192.0.2.80 5060']);
    expect((await located('sip:example.com;transport=tls', zone)).to).toEqual([
      'tls 192.0.2.80 5061 example.com',
    ]);
  });

  test('"." → the domain has no such service: its addresses are not tried', async () => {
    const zone = { a: SERVICES.a, srv: { '_sip._udp.example.com': [srv(0, 0, '.')] } };
    const { asked, to } = await located('sip:example.com;transport=udp', zone);
    expect(asked).toEqual(['srv _sip._udp.example.com']);
    expect(to).toContain('has no SIP server');
  });

  test('the look-up fails → nowhere, for now: the plain address may be another machine', async () => {
    const zone = { a: SERVICES.a, srv: { '_sip._udp.example.com': 'fails' as const } };
    const { asked, to } = await located('sip:example.com;transport=udp', zone);
    expect(asked).toEqual(['srv _sip._udp.example.com']);
    expect(to).toContain('SRV of _sip._udp.example.com: no answer');
  });

  test('a server without an address is passed over', async () => {
    const zone = { ...SERVICES, a: { ...SERVICES.a, 's1.example.com': 'fails' as const } };
    const { to } = await located('sip:example.com;transport=tcp', zone);
    expect(to).toEqual(['tcp 192.0.2.2 5070', 'tcp 192.0.2.3 5070']);
  });

  test('at most eight servers, however many are listed', async () => {
    const many = Array.from({ length: 40 }, (_, at) => srv(at, 5060, `h${at}`));
    const a = Object.fromEntries(many.map(({ target }, at) => [target, [`192.0.2.${at + 1}`]]));
    const zone = { srv: { '_sip._udp.example.com': many }, a };
    const { asked, to } = await located('sip:example.com;transport=udp', zone);
    expect(asked).toHaveLength(9);
    expect(to).toHaveLength(8);
  });
});

describe('both families', () => {
  test('IPv6 first, then IPv4 [RFC 6724 §2.1]', async () => {
    const { to } = await located('sip:s1.example.com:5060', SERVICES, DUAL);
    expect(to).toEqual(['udp 2001:db8::1 5060', 'udp 192.0.2.1 5060']);
  });

  test('only that which is listened on, for each transport', async () => {
    const zone = { ...SERVICES, naptr: {} };
    expect((await located('sip:example.com', zone, ['udp6', 'tcp4'])).to).toEqual([
      'udp 2001:db8::1 5060',
    ]);
  });
});

describe('nowhere: what to do is said', () => {
  test.each([
    ['sips:example.com;transport=udp', 'correct the URI'],
    ['sip:example.com;transport=sctp', 'correct the URI'],
    ['sip:[2001:db8::1]', 'family'],
    ['sip:unknown.example.com', 'no address for unknown.example.com'],
    ['tel:+15551234', 'correct the URI'],
  ])('%s', async (uri, reason) => {
    expect((await located(uri, SERVICES)).to).toContain(reason);
  });
});
