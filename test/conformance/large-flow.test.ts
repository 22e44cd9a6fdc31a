/**
 * Large Message mode as it stands on the wire: a message is left by an MSRP session, its recipient
 * registers, the message is pushed (b1…b11 of the design), over TCP and over UDP. What a run decides
 * anew is named with its reason, or stands in the example as this run has it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Recorded } from '../../src/engine/recorded.ts';
import { type LargeFlow, playLarge } from '../controls/large-flow.ts';
import { bodyOf, byHop, LARGE_BODY, pathOf } from '../controls/large-script.ts';
import { adapted, fixture, fixturesAvailable, headerOf } from '../controls/scripted-peer-flow.ts';
import {
  BOUNDARY,
  CONTACT,
  DATE,
  LENGTH,
  MESSAGE_ID,
  OUR_TAG,
  PRODUCT,
  SDP_ADDRESS,
  SDP_ORIGIN,
  SDP_PORT,
  SOURCE,
  TIMESTAMP,
  type Varying,
  wireLines,
} from '../controls/wire-lines.ts';

const BODY_LENGTH = {
  part: /^Byte-Range: 1-\*\/\d{4}$/,
  why: 'follows the boundary and the path; measured below',
};
/** Of the fixtures: our end of the sender's session, and of the push. */
const SESSION = 'msrp://192.0.2.50:2855/rx8c1v0n3z;tcp';
const PUSH_SESSION = 'msrp://192.0.2.50:2855/p7k2m4qx9w;tcp';

/** Place of the first event that is so; a test that finds none fails. */
function placeOf(log: readonly Recorded[], is: (event: Recorded) => boolean): number {
  const place = log.findIndex(is);
  expect(place).toBeGreaterThanOrEqual(0);
  return place;
}

const sent = (start: RegExp) => (event: Recorded) =>
  event.type === 'SignalSent' && start.test((event.data as { startLine?: string }).startLine ?? '');

describe.skipIf(!fixturesAvailable()).each([
  { transport: 'tcp', registers: 'afterwards' },
  { transport: 'udp', registers: 'meanwhile' },
] as const)('a Large message over $transport, its recipient there $registers', (how) => {
  let flow: LargeFlow;
  let session: string;
  let log: readonly Recorded[];
  beforeAll(async () => {
    flow = await playLarge(how);
    session = pathOf(flow.answer);
    log = await flow.log();
  });
  afterAll(() => flow?.close());

  function expectLike(seen: string, text: string, rules: readonly Varying[]): void {
    expect(wireLines(seen, rules)).toEqual(wireLines(byHop(text, flow.hop), rules));
  }

  it('b2: 200 with an answer, recvonly and passive [IM-11.3.2.2-4] [IM-11.3.2.2-5] [IM-11.3.2.2-6] [IM-11.3.2.2-7] [IM-11.3.2.2-8] [IM-11.3.2.2-9]', () => {
    const text = adapted(fixture('b2_200_INVITE'), [
      [SESSION, session],
      [';transport=tcp>;+g.oma', `;transport=${how.transport}>;+g.oma`],
    ]);
    expectLike(flow.answer, text, [
      ...[SOURCE, OUR_TAG, DATE, PRODUCT, CONTACT, LENGTH],
      ...[SDP_ORIGIN, SDP_ADDRESS, SDP_PORT],
    ]);
    expect(headerOf(flow.answer, 'Content-Length')).toBe(`${bodyOf(flow.answer).length}`);
    expect(session).toMatch(
      new RegExp(`^msrp://127\\.0\\.0\\.1:${flow.server.msrpPort}/[0-9a-f]{32};tcp$`),
    );
  });

  it.each([
    ['b5', 'b5_200_1', 0],
    ['b7', 'b7_200_2', 1],
  ] as const)('%s: 200 to a chunk, by its paths backwards [RFC 4975 §7.2]', (_, name, place) => {
    expectLike(flow.answers[place] ?? '', adapted(fixture(name), [[SESSION, session]]), []);
  });

  it('b9: 200 to the BYE [IM-11.3.2.5-5]', () => {
    expectLike(flow.byeAnswer, fixture('b9_200_BYE'), [SOURCE, OUR_TAG, DATE, PRODUCT]);
  });

  it('b10: one SEND, the message in it as it was left [IM-11.3.2.7-1] [IM-11.3.2.7-2] [IM-11.3.2.7-3] [IM-11.3.2.7-4] [A-24] [A-25]', () => {
    const [send = ''] = flow.sends;
    const text = adapted(fixture('b10_MSRP_SEND_push'), [
      [SESSION, session],
      [PUSH_SESSION, pathOf(flow.invite)],
      ['192.0.2.17:7394', `127.0.0.1:${flow.mediaPort}`],
      ['f0c7a91be4d85521', send.split(' ')[1] ?? ''],
    ]);
    // The first Message-ID alone: that of the SEND within is the sender's.
    const [outer = '', ...inner] = send.split('\r\n\r\n');
    const [expectedOuter = '', ...expectedInner] = text.split('\r\n\r\n');
    expectLike(outer, expectedOuter, [MESSAGE_ID, BOUNDARY, BODY_LENGTH]);
    const rest = (parts: readonly string[]) => ['MSRP', ...parts].join('\r\n\r\n');
    expectLike(rest(inner), rest(expectedInner), [BOUNDARY, TIMESTAMP]);
    expect(bodyOf(send)).toContain(`\r\n\r\n${LARGE_BODY}\r\n-------a786hjs2kl0d9f3e$\r\n`);
  });

  it('b10: the range is that of the body, which may be interrupted [RFC 4975 §7.1.1]', () => {
    const [send = ''] = flow.sends;
    expect(flow.sends).toHaveLength(1);
    expect(headerOf(send, 'Byte-Range')).toBe(`1-*/${bodyOf(send).length}`);
    const boundary = /boundary="(.+)"/.exec(headerOf(send, 'Content-Type'))?.[1] ?? '';
    expect(bodyOf(send).split(`--${boundary}`)).toHaveLength(4);
  });

  it('b10: received when the last chunk was, by its timestamp [IM-11.3.2.7-4] [A-23]', () => {
    const stamp = /^Timestamp: (\S+)\r$/m.exec(bodyOf(flow.sends[0] ?? ''))?.[1];
    const completed = log[placeOf(log, ({ type }) => type === 'MessageCompleted')];
    expect(Number(stamp) * 1000).toBe(completed?.at);
  });

  it('b7: not before the message is in its mailbox [IM-11.3.2.5-6] [T-01]', () => {
    const deferred = placeOf(log, ({ type }) => type === 'MessageDeferred');
    expect(log[deferred]?.data).toMatchObject({ kind: 'large', held: true });
    expect(placeOf(log, sent(/^MSRP b31kd8wqz55xk20c 200/))).toBeGreaterThan(deferred);
    expect(placeOf(log, sent(/^MSRP a786hjs2kl0d9f3e 200/))).toBeLessThan(deferred);
  });

  it('a5: not before the session of the sender has ended [A-25]', () => {
    const over = placeOf(log, ({ type }) => type === 'ByeReceived');
    const released = placeOf(log, ({ type }) => type === 'MessageReleased');
    const invited = placeOf(log, sent(/^INVITE /));
    expect([over < released, released < invited]).toEqual([true, true]);
    const registered = placeOf(log, ({ type }) => type === 'SubscriberRegistered');
    expect(registered < over).toBe(how.registers === 'meanwhile');
  });

  it('a10: BYE when it is acknowledged, and nothing left [IM-11.3.2.7-9] [T-11]', () => {
    const acknowledgement = placeOf(log, ({ type }) => type === 'PushAcknowledged');
    expect(placeOf(log, sent(/^BYE /))).toBeGreaterThan(acknowledgement);
    expect(flow.bye).toMatch(/^BYE /);
    expect(log.at(placeOf(log, ({ type }) => type === 'DeliveryEnded'))?.data).toMatchObject({
      cause: 'completed',
    });
  });
});
