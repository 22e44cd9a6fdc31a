/** A proxy's view of messages: what it changes, and that all else leaves as it came (RFC 3261 §16). */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Forwarding,
  forwardedCancel,
  forwardedRequest,
  forwardingRefusal,
  loopFields,
  relayedResponse,
  targetOf,
} from '../../../src/wire/sip/forwarding.ts';
import type { Hop } from '../../../src/wire/sip/hop.ts';
import { parseSip, renderSip, type SipMessage } from '../../../src/wire/sip/message.ts';
import { renderResponse } from '../../../src/wire/sip/response.ts';
import { holds } from '../../controls/properties.ts';
import { sipParts, sipUri } from './sip-arbitraries.ts';

const SOURCE: Hop = { transport: 'udp', host: '192.0.2.7', port: 5062, local: '192.0.2.1:5060' };
const VIA = 'SIP/2.0/UDP 192.0.2.1:5060';
const LOOP = '.0f1e';
const BRANCH = `z9hG4bK77${LOOP}`;
const text = (octets: Uint8Array | undefined) => new TextDecoder().decode(octets);
const isOwn = (uri: string) => uri.includes('192.0.2.1');

function parsed(octets: Uint8Array | string): SipMessage {
  const bytes = typeof octets === 'string' ? new TextEncoder().encode(octets) : octets;
  const read = parseSip(bytes, 'exact');
  if (read.kind !== 'message') throw new Error(read.reason);
  return read.message;
}

/** A MESSAGE with these lines between the start line and From. */
function request(lines: readonly string[], uri = 'sip:alice@example.org'): SipMessage {
  const all = [
    ...[`MESSAGE ${uri} SIP/2.0`, ...lines, 'From: <sip:bob@example.org>;tag=b'],
    ...['To: <sip:alice@example.org>', 'Call-ID: c1', 'CSeq: 7 MESSAGE', 'Content-Length: 2'],
  ];
  return parsed(`${all.join('\r\n')}\r\n\r\nhi`);
}

function passedOn(message: SipMessage, more: Partial<Forwarding> = {}): Uint8Array {
  const target = targetOf(message, isOwn);
  return forwardedRequest(message, { source: SOURCE, via: VIA, branch: BRANCH, target, ...more });
}

function forwarded(message: SipMessage, more: Partial<Forwarding> = {}): string {
  return text(passedOn(message, more));
}

describe('a request passed on', () => {
  test('one hop less, our Via on top, the sender named, all else as it came [RFC 3261 §16.6]', () => {
    const lines = [
      'v:SIP/2.0/UDP ua;rport;branch=z9hG4bK1',
      'Subject: a',
      ' b',
      'max-forwards:  9',
    ];
    expect(forwarded(request(lines)).split('\r\n').slice(0, 6)).toEqual([
      'MESSAGE sip:alice@example.org SIP/2.0',
      `Via: ${VIA};branch=${BRANCH}`,
      'v:SIP/2.0/UDP ua;rport=5062;branch=z9hG4bK1;received=192.0.2.7',
      ...['Subject: a', ' b', 'max-forwards:  8'],
    ]);
  });

  test('without Max-Forwards → 70; without Content-Length → its length [RFC 3261 §16.6]', () => {
    const came = text(request(['Via: SIP/2.0/UDP ua;branch=z9hG4bK1']).octets);
    const out = forwarded(parsed(came.replace('Content-Length: 2\r\n', '')));
    expect(out).toContain('Max-Forwards: 70\r\nContent-Length: 2\r\n\r\nhi');
  });

  test.each([
    ['the first of a line', ['<sip:192.0.2.1;lr>, <sip:core;lr>'], ['<sip:core;lr>']],
    [
      'a line of its own',
      ['<sip:192.0.2.1;lr>', '<sip:a;lr>, <sip:b;lr>'],
      ['<sip:a;lr>, <sip:b;lr>'],
    ],
    ['several in a row', ['<sip:192.0.2.1;lr>,<sip:192.0.2.1;lr>', '<sip:a;lr>'], ['<sip:a;lr>']],
    ['the only one', ['<sip:192.0.2.1;lr>'], []],
    ['none of ours', ['"x, y" <sip:a,b@core;lr>'], ['"x, y" <sip:a,b@core;lr>']],
    [
      'only a later one',
      ['<sip:a;lr>', '<sip:192.0.2.1;lr>'],
      ['<sip:a;lr>', '<sip:192.0.2.1;lr>'],
    ],
  ])('Route that names us: %s [RFC 3261 §16.4]', (_, routes, left) => {
    const via = 'Via: SIP/2.0/UDP ua;branch=z9hG4bK1';
    const came = request([via, ...routes.map((value) => `Route: ${value}`)]);
    const out = parsed(passedOn(came));
    expect(out.all('route')).toEqual(left);
  });

  test('from a strict router: the last Route is the Request-URI again [RFC 3261 §16.4]', () => {
    const lines = ['Via: SIP/2.0/UDP ua;branch=z9hG4bK1', 'Route: <sip:a;lr>, <sip:alice@ua>'];
    const out = forwarded(request(lines, 'sip:192.0.2.1'));
    expect(out).toMatch(/^MESSAGE sip:alice@ua SIP/);
    expect(out).toContain('\r\nRoute: <sip:a;lr>\r\n');
  });

  test('to a strict router: it is the Request-URI, ours the last Route [RFC 3261 §16.6 step 6]', () => {
    const lines = ['Via: SIP/2.0/UDP ua;branch=z9hG4bK1', 'Route: <sip:old>', 'Route: <sip:b;lr>'];
    const out = forwarded(request(lines));
    expect(out).toMatch(/^MESSAGE sip:old SIP/);
    expect(parsed(out).all('route')).toEqual(['<sip:b;lr>', '<sip:alice@example.org>']);
  });

  test('to a contact by its Path: other URI, Routes added, headers left out [RFC 3327 §5.3]', () => {
    const came = request([
      ...['Via: SIP/2.0/UDP ua;branch=z9hG4bK1', 'P-Asserted-Identity: <sip:bob@example.org>'],
      ...['Max-Forwards: 70', 'Privacy: id'],
    ]);
    const out = forwarded(came, {
      target: { uri: 'sip:alice@192.0.2.9', routes: ['<sip:p1;lr>', '<sip:p2;lr>'] },
      drop: (name) => name === 'p-asserted-identity',
      add: [['X-More', '1']],
    });
    expect(out.split('\r\n')).toEqual([
      ...['MESSAGE sip:alice@192.0.2.9 SIP/2.0', `Via: ${VIA};branch=${BRANCH}`],
      ...['Via: SIP/2.0/UDP ua;branch=z9hG4bK1;received=192.0.2.7'],
      ...['Route: <sip:p1;lr>', 'Route: <sip:p2;lr>', 'Max-Forwards: 69', 'Privacy: id'],
      ...['From: <sip:bob@example.org>;tag=b', 'To: <sip:alice@example.org>', 'Call-ID: c1'],
      ...['CSeq: 7 MESSAGE', 'Content-Length: 2', 'X-More: 1', '', 'hi'],
    ]);
  });
});

describe('a request not passed on', () => {
  const via = 'Via: SIP/2.0/UDP ua;branch=z9hG4bK1';
  test.each([
    ['no hop left → 483', [via, 'Max-Forwards: 0'], 483],
    ['one hop left → passed on', [via, 'Max-Forwards: 1'], undefined],
    ['a number of hops that is none → 400', [via, 'Max-Forwards: x'], 400],
    ['a Route that cannot be read → 400', [via, 'Route: sip a'], 400],
    ['our Via of the same place inside → 482', [via, `Via: SIP/2.0/TCP us;branch=${BRANCH}`], 482],
    [
      'our Via of another place inside → passed on',
      [via, 'Via: SIP/2.0/TCP us;branch=z9hG4bK7.0'],
      undefined,
    ],
  ])('%s [RFC 3261 §16.3]', (_, lines, status) => {
    expect(forwardingRefusal(request(lines), LOOP)).toBe(status);
  });

  test('a spiral is another place: Request-URI or Route differ [RFC 3261 §16.6 step 8]', () => {
    const places = [
      request([via]),
      request([via], 'sip:carol@example.org'),
      request([via, 'Route: <sip:a;lr>']),
    ].map(loopFields);
    expect(new Set(places).size).toBe(3);
    expect(loopFields(request([via, 'Max-Forwards: 3']))).toBe(places[0]);
  });
});

describe('a response passed back', () => {
  test.each([
    ['on a line of its own', ['Via: us', 'Via: ua'], ['ua']],
    ['first of a line', ['Via: us, ua', 'Via: far'], ['ua', 'far']],
  ])('our Via goes: %s [RFC 3261 §16.7 step 3]', (_, vias, left) => {
    const lines = vias.map((line) =>
      line.replace(/us|ua|far/g, (host) => `SIP/2.0/UDP ${host};branch=z9hG4bK${host}`),
    );
    const octets = text(request(['Via: SIP/2.0/UDP x;branch=z9hG4bKx']).octets).replace(
      /^.*\r\n.*\r\n/,
      `SIP/2.0 486 Busy here, really\r\n${lines.join('\r\n')}\r\n`,
    );
    const relayed = parsed(relayedResponse(parsed(octets)) ?? '');
    const hosts = left.map((host) => `SIP/2.0/UDP ${host};branch=z9hG4bK${host}`);
    expect(relayed.all('via')).toEqual(hosts);
    expect(text(relayed.octets)).toMatch(/^SIP\/2\.0 486 Busy here, really\r\n/);
  });

  test('with no other Via it is for us [RFC 3261 §16.7 step 3]', () => {
    const own = renderResponse(request([`Via: ${VIA};branch=${BRANCH}`]), SOURCE, { status: 200 });
    expect(relayedResponse(parsed(own))).toBeUndefined();
  });
});

test('the CANCEL has our Via alone, and the Reason that came [RFC 3261 §16.10, RFC 3326 §2]', () => {
  const via = 'Via: SIP/2.0/UDP ua;branch=z9hG4bK1';
  const invite = text(request([via]).octets).replaceAll('MESSAGE', 'INVITE');
  const out = passedOn(parsed(invite));
  const came = parsed(
    text(request([via, 'Reason: SIP;cause=200']).octets).replaceAll('MESSAGE', 'CANCEL'),
  );
  const cancel = parsed(forwardedCancel(out, came) ?? '');
  expect(cancel.all('via')).toEqual([`${VIA};branch=${BRANCH}`]);
  expect(cancel.first('cseq')).toBe('7 CANCEL');
  expect(cancel.all('reason')).toEqual(['SIP;cause=200']);
  expect(forwardedCancel(request([via]).octets, came)).toBeUndefined();
});

const runs = process.env.RESTANTE_VERIFY ? 10_000 : 200;
const others = ({ fields, octets }: SipMessage): readonly string[] =>
  fields
    .filter(({ name }) => name !== 'via' && name !== 'max-forwards' && name !== 'route')
    .map(({ start, end }) => text(octets.subarray(start, end)));

test('there and back nothing changes but Via, Route and Max-Forwards [RFC 3261 §16.6, §16.7]', () => {
  const routes = fc.array(
    sipUri.map((uri) => `<${uri};x>`),
    { maxLength: 4 },
  );
  const owned = fc.integer({ min: 0, max: 2 });
  holds(
    fc.property(sipParts, routes, owned, (parts, further, own) => {
      if (parts.start.kind !== 'request') return;
      const all = [...Array(own).fill('<sip:192.0.2.1;lr>'), ...further];
      const headers = [...parts.headers, ...all.map((value) => ['Route', value] as const)];
      const came = parsed(renderSip({ ...parts, headers }));
      const on = parsed(passedOn(came));
      expect(others(on)).toEqual(others(came));
      expect([...on.body]).toEqual([...came.body]);
      const back = relayedResponse(parsed(renderResponse(on, SOURCE, { status: 200 })));
      const direct = renderResponse(came, SOURCE, { status: 200 });
      expect(text(back)).toBe(text(direct));
    }),
    runs,
  );
});
