import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isLargeMode, type LargeOffer } from '../../src/wire/large-mode.ts';
import { parseSip } from '../../src/wire/sip/message.ts';

const fixtures = new URL('../../../shared/data/wire/', import.meta.url);
const present = existsSync(fixtures);
const skipped = present ? '' : ' (SKIPPED: the design fixtures at ../shared/data are not here)';

const invite = (...headers: string[]) =>
  parsed(
    new TextEncoder().encode(
      [
        'INVITE sip:alice@example.org SIP/2.0',
        'Via: SIP/2.0/UDP ua.example.com;branch=z9hG4bK1',
        'From: <sip:bob@example.com>;tag=1',
        'To: <sip:alice@example.org>',
        'Call-ID: c1',
        'CSeq: 1 INVITE',
        'Max-Forwards: 70',
        ...headers,
        'Content-Length: 0',
        '\r\n',
      ].join('\r\n'),
    ),
  );

function parsed(octets: Uint8Array) {
  const read = parseSip(octets, 'exact');
  if (read.kind === 'refusal') throw new Error(read.reason);
  return read.message;
}

const oneWay: LargeOffer = { port: 8493, protocol: 'TCP/MSRP', direction: 'sendonly' };
const chat: LargeOffer = { ...oneWay, direction: 'sendrecv' };
const untagged = { acceptUntagged: true, lateOffer: false };

describe('Large Message mode [IM-11.3.2.2-1]', () => {
  it.skipIf(!present)(`the INVITE of the worked example is one${skipped}`, () => {
    const octets = new Uint8Array(readFileSync(new URL('b1_INVITE_large.bin', fixtures)));
    expect(isLargeMode(parsed(octets), oneWay, untagged)).toEqual({ verdict: 'yes', rule: 2 });
  });

  it.each([
    'Contact: <sip:bob@ua.example.com>;+g.oma.sip-im.large-message',
    'm: <sip:bob@ua.example.com>;+G.OMA.SIP-IM.Large-Message="TRUE"',
    'Accept-Contact: *;+g.oma.sip-im, *;+g.oma.sip-im.large-message;require;explicit',
    'Accept-Contact: *;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.largemsg"',
    'P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg',
    'P-Preferred-Service: urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg',
  ])('%s says so, whatever the direction', (header) => {
    expect(isLargeMode(invite(header), chat, untagged)).toEqual({ verdict: 'yes', rule: 2 });
  });

  it('a one-way MSRP offer to somebody offline can only be a message, unless configured away', () => {
    expect(isLargeMode(invite(), oneWay, untagged)).toEqual({ verdict: 'yes', rule: 3 });
    expect(
      isLargeMode(invite(), oneWay, { acceptUntagged: false, lateOffer: false }),
    ).toMatchObject({ status: 480 });
  });

  it.each([
    ['a chat', invite('Accept-Contact: *;+g.oma.sip-im'), chat],
    ['a tag that says not', invite('Contact: <sip:b@c>;+g.oma.sip-im.large-message="!TRUE"'), chat],
    [
      'another CPM service',
      invite('P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg2'),
      chat,
    ],
    ['a conference', invite('Contact: <sip:focus@c>;isfocus'), oneWay],
    ['a file transfer', invite(), { ...oneWay, fileSelector: 'name:"a"' }],
  ])('%s is answered 480', (_what, request, offer) => {
    expect(isLargeMode(request, offer, untagged)).toEqual({ verdict: 'no', rule: 4, status: 480 });
  });

  it.each([
    ['no MSRP line', undefined],
    ['a disabled line', { ...oneWay, port: 0 }],
    ['another protocol', { ...oneWay, protocol: 'RTP/AVP' }],
  ])('%s is answered 488, tagged or not', (_what, offer) => {
    const tagged = invite('Contact: <sip:b@c>;+g.oma.sip-im.large-message');
    expect(isLargeMode(tagged, offer, untagged)).toEqual({ verdict: 'no', rule: 1, status: 488 });
  });

  it('an offer by which nothing would come is answered 488, tagged or not (A-02)', () => {
    const tagged = invite('Contact: <sip:b@c>;+g.oma.sip-im.large-message');
    for (const direction of ['recvonly', 'inactive']) {
      const judged = isLargeMode(tagged, { ...oneWay, direction }, untagged);
      expect(judged).toEqual({ verdict: 'no', rule: 1, status: 488 });
    }
  });

  it('an INVITE without an offer is taken when it is tagged, and one may come later (A-02)', () => {
    const late = { acceptUntagged: true, lateOffer: true };
    const tagged = invite('Contact: <sip:b@c>;+g.oma.sip-im.large-message');
    expect(isLargeMode(tagged, undefined, late)).toEqual({ verdict: 'yes', rule: 2 });
    expect(isLargeMode(invite(), undefined, late)).toMatchObject({ verdict: 'no', status: 488 });
    expect(isLargeMode(tagged, undefined, untagged)).toMatchObject({ verdict: 'no', status: 488 });
  });
});
