/** The session timer of a push as the client sees it: an interval of a second, on loopback. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { answerOf, type PushedClient, pushedClient } from '../../controls/pushed-client.ts';
import type { Line } from '../../controls/scripted-peer.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import { type SipAgentStage, sipAgentStage } from '../../controls/sip-agent-stage.ts';

let stage: SipAgentStage;
let line: Line;
let client: PushedClient;
beforeEach(async () => {
  stage = await sipAgentStage();
  line = await stage.peer.datagrams(stage.udp);
  client = pushedClient(line);
});
afterEach(() => stage.close());

const BY_US = 'Session-Expires: 1;refresher=uac';
const UPDATES = ['Allow: INVITE, UPDATE', BY_US];
const bodyOf = (text: string) => text.slice(text.indexOf('\r\n\r\n') + 4);

/** The push is answered, with an interval of one second. */
async function answered(headers: readonly string[]): Promise<string> {
  const invite = await client.invited();
  client.answer(invite, '200 OK', { headers, sdp: client.sdp });
  expect(await client.next()).toMatch(/^ACK /);
  return invite;
}

async function nextIs(method: string, cseq: number): Promise<string> {
  const request = await client.next();
  expect(request.split('\r\n')[0]).toMatch(new RegExp(`^${method} `));
  expect(headerOf(request, 'CSeq')).toBe(`${cseq} ${method}`);
  return request;
}

test('the client refreshes, and does not → BYE before it expires [RFC 4028 §10]', async () => {
  await answered(['Allow: INVITE, UPDATE', 'Session-Expires: 1;refresher=uas']);
  await nextIs('BYE', 2);
});

describe('UPDATE at half of the interval [RFC 4028 §7.4]', () => {
  test('200 → the next interval begins, with the timer, the refresher and the target it names', async () => {
    await answered(UPDATES);
    const first = await nextIs('UPDATE', 2);
    expect(headerOf(first, 'Session-Expires')).toBe('1;refresher=uac');
    const moved = `Contact: <sip:moved@127.0.0.1:${line.local.port}>`;
    client.answer(first, '200 OK', { headers: ['Session-Expires: 1;refresher=uac', moved] });
    const second = await nextIs('UPDATE', 3);
    expect(second).toMatch(/^UPDATE sip:moved@/);
    client.answer(second, '200 OK', { headers: ['Session-Expires: 1;refresher=uas', moved] });
    expect(await nextIs('BYE', 4)).toMatch(/^BYE sip:moved@/);
  });

  test('491 → it pauses 2.1 to 4 s; the session ends before [RFC 3261 §14.1]', async () => {
    await answered(UPDATES);
    client.answer(await nextIs('UPDATE', 2), '491 Request Pending');
    await nextIs('BYE', 3);
    const refused = (await stage.events()).find(({ type }) => type === 'SessionExpired');
    const { retryAfterMs } = (refused?.data ?? {}) as { readonly retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThanOrEqual(2_100);
    expect(retryAfterMs).toBeLessThanOrEqual(4_000);
    expect(retryAfterMs % 10).toBe(0);
  });

  test('422 → again at once, for as long as is asked [RFC 4028 §7.4]', async () => {
    await answered(UPDATES);
    client.answer(await nextIs('UPDATE', 2), '422 Session Interval Too Small', {
      headers: ['Min-SE: 120'],
    });
    const again = await nextIs('UPDATE', 3);
    expect([headerOf(again, 'Session-Expires'), headerOf(again, 'Min-SE')]).toEqual([
      '120;refresher=uac',
      '120',
    ]);
  });

  test.each(['408 Request Timeout', '481 Call Does Not Exist'])('%s → BYE', async (status) => {
    await answered(UPDATES);
    client.answer(await nextIs('UPDATE', 2), status);
    await nextIs('BYE', 3);
  });
});

describe('INVITE where UPDATE is not allowed [RFC 4028 §7.4]', () => {
  const refreshed = { headers: [BY_US] };

  test('the description is that of the push, octet for octet, o= too [RFC 3264 §8]', async () => {
    const invite = await answered(['Allow: INVITE, ACK, BYE', BY_US]);
    const again = await nextIs('INVITE', 2);
    expect(bodyOf(again)).toBe(bodyOf(invite));
    expect(headerOf(again, 'To')).toBe(`${headerOf(invite, 'To')};tag=ue`);
  });

  test('200 with the same session → ACK of its own, repeated; the push goes on [RFC 3261 §13.2.2.4]', async () => {
    await answered([BY_US]);
    const again = await nextIs('INVITE', 2);
    client.answer(again, '200 OK', { ...refreshed, sdp: client.sdp });
    const ack = await nextIs('ACK', 2);
    expect(headerOf(ack, 'Via')).not.toBe(headerOf(again, 'Via'));
    client.answer(again, '200 OK', { ...refreshed, sdp: client.sdp });
    expect(await client.next()).toBe(ack);
    expect(await stage.story()).toContain('delivery SessionRefreshed');
    await nextIs('INVITE', 3);
  });

  test('200 with another session → ACK, then BYE [RFC 3264 §8]', async () => {
    await answered([BY_US]);
    const sdp = client.sdp.replace('/abc;tcp', '/other;tcp');
    client.answer(await nextIs('INVITE', 2), '200 OK', { ...refreshed, sdp });
    const both = [await client.next(), await client.next()];
    expect(both.map((one) => headerOf(one, 'CSeq')).sort()).toEqual(['2 ACK', '3 BYE']);
    expect(await stage.story()).toContain('delivery ChannelLost');
  });

  test('488 → ACK in its transaction; the session lives on until it ends [RFC 3261 §14.1]', async () => {
    await answered([BY_US]);
    const again = await nextIs('INVITE', 2);
    client.answer(again, '488 Not Acceptable Here');
    expect(headerOf(await nextIs('ACK', 2), 'Via')).toBe(headerOf(again, 'Via'));
    await nextIs('BYE', 3);
  });

  test('the BYE overtakes it, its 200 comes after → ACK all the same [REF-3261-1]', async () => {
    await answered([BY_US]);
    const again = await nextIs('INVITE', 2);
    stage.channels.get([...stage.channels.keys()][0] ?? '')?.lost('cut');
    const bye = await nextIs('BYE', 3);
    client.answer(again, '200 OK', { ...refreshed, sdp: client.sdp });
    await nextIs('ACK', 2);
    line.send(answerOf(bye, '200 OK'));
    expect(stage.faults).toEqual([]);
  });
});
