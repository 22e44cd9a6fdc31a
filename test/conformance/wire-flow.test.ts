/**
 * What a running server writes, line by line against the worked examples of the design: a MESSAGE
 * is stored, its recipient registers, the message is pushed. `VARIES` names every part that a run
 * decides anew, with the reason; whatever else differs is a failure.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  adapted,
  fixture,
  fixturesAvailable,
  headerOf,
  type PushFlow,
  playPush,
  TODAY,
} from '../controls/scripted-peer-flow.ts';
import {
  BOUNDARY,
  CALL_ID,
  CONTACT,
  DATE,
  END_LINE,
  LENGTH,
  MESSAGE_ID,
  OUR_TAG,
  PATH,
  PRODUCT,
  RANGE,
  ROUTE,
  SDP_ADDRESS,
  SDP_ORIGIN,
  SDP_PORT,
  SOURCE,
  TID,
  TIMESTAMP,
  type Varying,
  VIA,
  wireLines,
} from '../controls/wire-lines.ts';

/** Each must be found in the fixture and in what was seen. */
const VARIES: Readonly<Record<string, readonly Varying[]>> = {
  a2_202: [SOURCE, OUR_TAG, DATE, PRODUCT],
  a4_200_REGISTER: [SOURCE, OUR_TAG, DATE, PRODUCT],
  a5_INVITE_push: [
    ...[VIA, ROUTE, OUR_TAG, CALL_ID, CONTACT, PRODUCT, DATE, LENGTH],
    ...[SDP_ORIGIN, SDP_ADDRESS, SDP_PORT, PATH],
  ],
  a7_ACK: [VIA, OUR_TAG, CALL_ID],
  x1_empty_SEND: [TID, END_LINE, PATH, MESSAGE_ID],
  a8s_MSRP_SEND_sipfrag: [TID, END_LINE, PATH, MESSAGE_ID, RANGE, BOUNDARY, TIMESTAMP],
  a10_BYE: [VIA, OUR_TAG, CALL_ID, PRODUCT],
};

describe.skipIf(!fixturesAvailable())('a deposit and its push, as they stand on the wire', () => {
  let flow: PushFlow;
  beforeAll(async () => {
    flow = await playPush();
  });
  afterAll(() => flow?.close());

  function expectLike(name: string, seen: string, text = fixture(name)): void {
    const rules = VARIES[name] ?? [];
    expect(wireLines(seen, rules)).toEqual(wireLines(text, rules));
  }
  const bodyOf = (text: string) => text.slice(text.indexOf('\r\n\r\n') + 4);

  it('a2: 202, no body and no Contact [REF-3428-1] [REF-3428-2]', () => {
    const answer = flow.deposits[0]?.answer ?? '';
    expectLike('a2_202', answer);
    expect(headerOf(answer, 'Contact')).toBe('');
    expect(bodyOf(answer)).toBe('');
  });

  it('a4: the S-CSCF has its 200 at once, Contact with expires [RFC 3261 §10.3]', () => {
    expectLike('a4_200_REGISTER', flow.registerAnswer);
  });

  it('a5: the INVITE [IM-11.3.2.3-4] [IM-11.3.2.3-5] [IM-11.3.2.3-6] [IM-11.3.2.3-7] [IM-11.3.2.3-8] [IM-11.3.2.3-9] [IM-11.3.2.3-10] [IM-11.3.2.3-11]', () => {
    expectLike('a5_INVITE_push', flow.invite);
  });

  it('a5: its offer, sendonly, of the length it says [IM-11.3.2.3-12] [IM-11.3.2.3-13]', () => {
    expect(headerOf(flow.invite, 'Content-Length')).toBe(`${bodyOf(flow.invite).length}`);
    expect(bodyOf(flow.invite)).toMatch(/^a=sendonly\r$/m);
    const { msrpPort } = flow.server;
    expect(bodyOf(flow.invite)).toContain(`m=message ${msrpPort} TCP/MSRP *\r\n`);
    expect(bodyOf(flow.invite)).toContain(`a=path:msrp://127.0.0.1:${msrpPort}/`);
  });

  it('a5: it leaves to the core, which its Route names [IM-11.3.2.3-14]', () => {
    const route = `<sip:127.0.0.1:${flow.corePort};transport=tcp;lr>`;
    expect(headerOf(flow.invite, 'Route')).toBe(route);
  });

  it('a7: the ACK, a transaction of its own, to the Contact of the 200 [RFC 3261 §13.2.2.4]', () => {
    expectLike('a7_ACK', flow.ack);
    expect(headerOf(flow.ack, 'Via')).not.toBe(headerOf(flow.invite, 'Via'));
    for (const name of ['From', 'Call-ID']) {
      expect(headerOf(flow.ack, name)).toBe(headerOf(flow.invite, name));
    }
  });

  it('x1: who connects binds the session with a SEND without a body [RFC 4975 §5.4]', () => {
    expectLike('x1_empty_SEND', flow.binding);
    expect(headerOf(flow.binding, 'To-Path')).toBe(
      `msrp://127.0.0.1:${flow.mediaPort}/2s93i9ek2a;tcp`,
    );
  });

  it('a8s: one SEND, multipart/mixed: its headers, then the deposit [IM-11.3.2.7-1] [IM-11.3.2.7-2] [IM-11.3.2.7-3] [IM-11.3.2.7-4] [IM-11.3.2.7-5] [IM-11.3.2.7-6] [IM-11.3.2.7-8]', () => {
    const [send = ''] = flow.sends;
    const text = adapted(fixture('a8s_MSRP_SEND_sipfrag'), [
      ['Sun, 22 Nov 2026 09:15:00 GMT', TODAY],
    ]);
    expectLike('a8s_MSRP_SEND_sipfrag', send, text);
    const path = /a=path:(\S+)/.exec(flow.invite)?.[1];
    expect(headerOf(send, 'From-Path')).toBe(path);
    expect(headerOf(send, 'To-Path')).toBe(headerOf(flow.binding, 'To-Path'));
  });

  it('a8s: the range is that of the body, the boundary that of the header [RFC 4975 §7.1.1]', () => {
    const [send = ''] = flow.sends;
    const body = bodyOf(send).replace(/\r\n-------\w+\$\r\n$/, '');
    const length = Buffer.byteLength(body);
    expect(headerOf(send, 'Byte-Range')).toBe(`1-${length}/${length}`);
    const boundary = /boundary="(.+)"/.exec(headerOf(send, 'Content-Type'))?.[1] ?? '';
    expect(body.split(`--${boundary}`)).toHaveLength(4);
    const [, tid] = send.split(' ');
    expect(send.endsWith(`\r\n-------${tid}$\r\n`)).toBe(true);
  });

  it('a8s: when it was received lies between deposit and answer [IM-11.3.2.7-4]', () => {
    const stamp = Number(/^Timestamp: (\S+)\r$/m.exec(flow.sends[0] ?? '')?.[1]) * 1000;
    const answered = Date.parse(headerOf(flow.deposits[0]?.answer ?? '', 'Date'));
    expect(stamp).toBeGreaterThanOrEqual(Date.parse(TODAY));
    expect(stamp).toBeLessThan(answered + 1000);
  });

  it('a10: the BYE, CSeq 2, in the dialog of the INVITE [IM-11.3.2.7-9] [RFC 3261 §15.1.1]', () => {
    expectLike('a10_BYE', flow.bye);
    for (const name of ['From', 'To', 'Call-ID']) {
      expect(headerOf(flow.bye, name)).toBe(headerOf(flow.ack, name));
    }
  });
});
