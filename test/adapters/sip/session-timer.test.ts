/** Our refreshes of a session as the client meets them (RFC 4028 §7.4, §10, RFC 3261 §14.1). */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RefreshRefusedData } from '../../../src/machines/delivery/events.ts';
import { clientSdp, type Parts, type PushStage, pushStage } from '../../controls/push-stage.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';

const TIMER = 'Session-Expires: 90;refresher=uac';
const UPDATES = ['Allow: INVITE, UPDATE', TIMER];
const bodyOf = (text: string) => text.slice(text.indexOf('\r\n\r\n') + 4);

let push: PushStage;
beforeEach(async () => {
  push = await pushStage('udp');
});
afterEach(() => push.close());

/** The next request; over UDP the one before may have come again. */
async function nextIs(method: string, cseq: number): Promise<string> {
  for (;;) {
    const request = await push.next();
    const [number, name] = headerOf(request, 'CSeq').split(' ');
    if (name !== 'ACK' && method !== 'ACK' && Number(number) < cseq) continue;
    expect([request.split(' ')[0], headerOf(request, 'CSeq')]).toEqual([
      method,
      `${cseq} ${method}`,
    ]);
    return request;
  }
}

/** The push is answered, and half of the interval of 90 s is over. */
async function refresh(headers: readonly string[], method: string): Promise<string> {
  await push.accept({ headers });
  await push.event('InviteAnswered');
  await push.pass(45_000);
  return nextIs(method, 2);
}

const granted = (parts: Parts = {}): Parts => ({
  ...parts,
  headers: [`Contact: ${push.contact}`, TIMER, ...(parts.headers ?? [])],
});

test('the client is to refresh and does not → BYE before it expires [RFC 4028 §10]', async () => {
  await push.accept({ headers: ['Allow: UPDATE', 'Session-Expires: 90;refresher=uas'] });
  await push.pass(59_999);
  expect(await push.heard()).toEqual(['INVITE 1', 'ACK 1']);
  await push.pass(1);
  await nextIs('BYE', 2);
});

test('an interval of 1 s → refreshed as one of 90 s, below which there is none [RFC 4028 §5]', async () => {
  const headers = ['Allow: UPDATE', 'Session-Expires: 1;refresher=uac'];
  await push.accept({ headers });
  await push.pass(44_999);
  expect(await push.heard()).toEqual(['INVITE 1', 'ACK 1']);
  await push.pass(1);
  push.reply(await nextIs('UPDATE', 2), '200 OK', { headers });
  await push.event('SessionRefreshed');
  await push.pass(44_999);
  expect((await push.heard()).at(-1)).toBe('UPDATE 2');
  await push.pass(1);
  await nextIs('UPDATE', 3);
});

describe('UPDATE at half of the interval', () => {
  test('200 → the next interval begins, with the timer and the target it names', async () => {
    const update = await refresh(UPDATES, 'UPDATE');
    expect([headerOf(update, 'Session-Expires'), bodyOf(update)]).toEqual(['90;refresher=uac', '']);
    const moved = push.contact.replace('alice@', 'moved@');
    push.reply(update, '200 OK', { headers: [`Contact: ${moved}`, TIMER] });
    await push.event('SessionRefreshed');
    await push.pass(45_000);
    const second = await nextIs('UPDATE', 3);
    expect(second).toMatch(/^UPDATE sip:moved@/);
    const theirs = 'Session-Expires: 90;refresher=uas';
    push.reply(second, '200 OK', { headers: [`Contact: ${moved}`, theirs] });
    await push.pass(60_000);
    expect(await nextIs('BYE', 4)).toMatch(/^BYE sip:moved@/);
  });

  test('491 → again after 2.1 to 4 s, in steps of 10 ms [RFC 3261 §14.1]', async () => {
    push.reply(await refresh(UPDATES, 'UPDATE'), '491 Request Pending');
    const { data } = await push.event('SessionExpired');
    const { retryAfterMs = 0 } = data as RefreshRefusedData;
    expect([retryAfterMs >= 2_100, retryAfterMs <= 4_000, retryAfterMs % 10]).toEqual([
      ...[true, true],
      0,
    ]);
    await push.pass(retryAfterMs);
    push.reply(await nextIs('UPDATE', 3), '200 OK', granted());
    expect((await push.event('SessionRefreshed')).data).toMatchObject({ refresher: 'uac' });
  });

  test('500 with Retry-After, as glare among UPDATEs → again then [RFC 3311 §5.2]', async () => {
    const headers = ['Retry-After: 7'];
    push.reply(await refresh(UPDATES, 'UPDATE'), '500 Server Internal Error', { headers });
    await push.event('SessionExpired');
    await push.pass(6_999);
    expect((await push.heard()).at(-1)).toBe('UPDATE 2');
    await push.pass(1);
    await nextIs('UPDATE', 3);
  });

  test('422 → again at once, for as long as is asked [RFC 4028 §7.4]', async () => {
    const headers = ['Min-SE: 120'];
    push.reply(await refresh(UPDATES, 'UPDATE'), '422 Session Interval Too Small', { headers });
    const again = await nextIs('UPDATE', 3);
    expect([headerOf(again, 'Session-Expires'), headerOf(again, 'Min-SE')]).toEqual([
      '120;refresher=uac',
      '120',
    ]);
  });

  test.each(['405 Method Not Allowed', '501 Not Implemented'])(
    '%s → by INVITE at once, and from then on [RFC 4028 §7.4]',
    async (status) => {
      push.reply(await refresh(UPDATES, 'UPDATE'), status);
      push.reply(await nextIs('INVITE', 3), '200 OK', granted({ sdp: clientSdp() }));
      await nextIs('ACK', 3);
      await push.event('SessionRefreshed');
      await push.pass(45_000);
      await nextIs('INVITE', 4);
    },
  );

  test('no answer at all → BYE [RFC 4028 §10]', async () => {
    await refresh(UPDATES, 'UPDATE');
    await push.pass(32_000);
    await nextIs('BYE', 3);
  });
});

describe('INVITE where UPDATE is not allowed', () => {
  const reinvited = () => refresh(['Allow: INVITE, ACK, BYE', TIMER], 'INVITE');

  test('the description is that of the push, octet for octet, o= too [RFC 3264 §8]', async () => {
    const again = await reinvited();
    expect(bodyOf(again)).toBe(bodyOf(push.invite));
    expect(headerOf(again, 'To')).toBe(`${headerOf(push.invite, 'To')};tag=ue`);
    expect(headerOf(again, 'Via')).not.toBe(headerOf(push.invite, 'Via'));
  });

  test('200, the same session → ACK of its own; repeated → the same ACK [RFC 3261 §13.2.2.4]', async () => {
    const again = await reinvited();
    push.reply(again, '200 OK', granted({ sdp: clientSdp() }));
    const ack = await nextIs('ACK', 2);
    expect(headerOf(ack, 'Via')).not.toBe(headerOf(again, 'Via'));
    push.reply(again, '200 OK', granted({ sdp: clientSdp() }));
    expect(await push.next()).toBe(ack);
    await push.event('SessionRefreshed');
    await push.pass(45_000);
    await nextIs('INVITE', 3);
  });

  test.each([
    ['another path', { path: 'a=path:msrp://127.0.0.1:7394/other;tcp' }],
    ['port 0', { port: 'm=message 0 TCP/MSRP *' }],
    ['inactive', { direction: 'a=inactive' }],
  ])('200, but %s → ACK, then BYE [RFC 3264 §8]', async (_, changes) => {
    push.reply(await reinvited(), '200 OK', granted({ sdp: clientSdp(changes) }));
    const both = [await push.next(), await push.next()];
    expect(both.map((one) => headerOf(one, 'CSeq')).sort()).toEqual(['2 ACK', '3 BYE']);
    expect((await push.event('SessionExpired')).data).toEqual({ status: 200 });
    push.reply(both.find((one) => one.startsWith('BYE')) ?? '', '200 OK');
    expect(await push.fate()).toEqual({ end: 'sessionExpired', mailbox: 'back-off 30 s' });
  });

  test('200 from another Contact → ACK and all that follows go there [RFC 3261 §12.2.1.2]', async () => {
    const moved = push.contact.replace('alice@', 'moved@');
    const headers = [`Contact: ${moved}`, TIMER];
    push.reply(await reinvited(), '200 OK', { headers, sdp: clientSdp() });
    expect(await nextIs('ACK', 2)).toMatch(/^ACK sip:moved@/);
  });

  test('488 → ACK in its transaction; the session lives on until it ends [RFC 3261 §14.1]', async () => {
    const again = await reinvited();
    push.reply(again, '488 Not Acceptable Here');
    expect(headerOf(await nextIs('ACK', 2), 'Via')).toBe(headerOf(again, 'Via'));
    await push.pass(14_999);
    expect((await push.heard()).at(-1)).toBe('ACK 2');
    await push.pass(1);
    await nextIs('BYE', 3);
  });

  test('the BYE overtakes it, its 200 comes after → ACK all the same [REF-3261-1]', async () => {
    const again = await reinvited();
    [...push.stage.channels.values()][0]?.lost('cut');
    push.reply(await nextIs('BYE', 3), '200 OK');
    push.reply(again, '200 OK', granted({ sdp: clientSdp() }));
    await nextIs('ACK', 2);
    expect(push.stage.faults).toEqual([]);
  });

  test('a 200 that no process of ours remembers to have asked for → ACK with its CSeq', async () => {
    await push.accept();
    [...push.stage.channels.values()][0]?.lost('cut');
    await nextIs('BYE', 2);
    const foreign = push.invite
      .replace(/branch=\S+/, 'branch=z9hG4bKbefore')
      .replace('CSeq: 1 ', 'CSeq: 3 ');
    push.reply(foreign, '200 OK', granted({ sdp: clientSdp() }));
    await nextIs('ACK', 3);
    push.reply(foreign, '488 Not Acceptable Here');
    expect((await push.heard()).at(-1)).toBe('ACK 3');
  });
});
