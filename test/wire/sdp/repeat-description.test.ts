import { expect, test } from 'vitest';
import { parseMsrpMedia, type Setup } from '../../../src/wire/sdp/msrp-media.ts';
import { renderOffer } from '../../../src/wire/sdp/render-msrp.ts';
import { repeatDescription } from '../../../src/wire/sdp/repeat-description.ts';

const ours = renderOffer({ host: '192.0.2.1', port: 2855, sessionId: 's1', originId: 7 });
const line = { type: 'message', port: 7394, protocol: 'TCP/MSRP', formats: '*' };

function answered(offer: {
  readonly setup?: Setup;
  readonly before?: number;
  readonly peerConnects?: boolean;
}): string {
  const { setup, before = 0, peerConnects = false } = offer;
  const audio = { type: 'audio', port: 4000, protocol: 'RTP/AVP', formats: '0 8' };
  const lines = [...Array.from({ length: before }, () => audio), line, audio];
  const offered = { lines, index: before, ...(setup === undefined ? {} : { setup }) };
  return new TextDecoder().decode(repeatDescription(ours, offered, { peerConnects }));
}

test.each([
  ['actpass', false, 'active'],
  ['actpass', true, 'passive'],
  ['active', false, 'passive'],
  ['passive', true, 'active'],
  ['holdconn', false, 'passive'],
  [undefined, false, 'passive'],
] as const)('an offer with setup %s, the peer connected: %s → %s [RFC 4145 §4.1]', (...row) => {
  const [setup, peerConnects, role] = row;
  const sdp = answered({ peerConnects, ...(setup === undefined ? {} : { setup }) });
  expect(sdp).toContain(`a=setup:${role}\r\n`);
});

test('nothing else changes, the version neither [RFC 3264 §8]', () => {
  const text = new TextDecoder().decode(ours);
  const sdp = answered({ setup: 'passive' }).replace('m=audio 0 RTP/AVP 0 8\r\n', '');
  expect(sdp).toBe(text.replace('a=setup:actpass', 'a=setup:active'));
});

test('media that we do not take keep their places, with port 0 [RFC 3264 §6]', () => {
  const sdp = answered({ before: 2 });
  expect(sdp.match(/^m=\w+ \d+/gm)).toEqual([
    ...['m=audio 0', 'm=audio 0'],
    ...['m=message 2855', 'm=audio 0'],
  ]);
  expect(parseMsrpMedia(new TextEncoder().encode(sdp)).kind).toBe('media');
});
