/** How a refresh of the client is judged: the session timer, what crosses, what cannot be read. */
import { afterEach, describe, expect, test } from 'vitest';
import type { SessionRefreshedData } from '../../../src/machines/delivery/events.ts';
import { clientSdp, type Headers, type PushStage, pushStage } from '../../controls/push-stage.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';

let push: PushStage;
afterEach(() => push.close());

const status = (answer: string) => Number(answer.split(' ')[1]);

/** The push stands; the 2xx said this of the session timer. */
async function standing(timer: readonly string[] = []): Promise<void> {
  push = await pushStage('udp');
  await push.accept({ headers: ['Allow: INVITE, UPDATE', ...timer] });
  await push.bind();
}

const refreshed = async () => (await push.event('SessionRefreshed')).data as SessionRefreshedData;

describe('who refreshes from now on [RFC 4028 §9, table 2]', () => {
  const ours = ['Session-Expires: 1800;refresher=uac', 'Require: timer'];
  const theirs = ['Session-Expires: 1800;refresher=uas'];
  const capable = { Supported: 'timer' };

  test.each<[string, readonly string[], Headers, string, 'uac' | 'uas']>([
    ['asks for none, cannot → we', theirs, {}, '600;refresher=uas', 'uac'],
    ['asks for none, can; we did → we', ours, capable, '600;refresher=uas', 'uac'],
    ['asks for none, can; it did → it', theirs, capable, '600;refresher=uac', 'uas'],
  ])('a client that %s', async (_, before, headers, answered, recorded) => {
    await standing(before);
    const asked = { ...headers, 'Session-Expires': '600' };
    const answer = await push.ask(push.within('UPDATE', 1, asked));
    expect(headerOf(answer, 'Session-Expires')).toBe(answered);
    expect(headerOf(answer, 'Require')).toBe(answered.endsWith('uac') ? 'timer' : '');
    expect(await refreshed()).toEqual({ sessionExpiresSeconds: 600, refresher: recorded });
  });

  test.each([
    ['uac', 'uas'],
    ['uas', 'uac'],
  ])('a client that asks for %s gets it', async (refresher, recorded) => {
    await standing(ours);
    const value = `600;refresher=${refresher}`;
    const headers = { ...capable, 'Session-Expires': value };
    const answer = await push.ask(push.within('INVITE', 1, headers, clientSdp()));
    expect(headerOf(answer, 'Session-Expires')).toBe(value);
    expect(await refreshed()).toEqual({ sessionExpiresSeconds: 600, refresher: recorded });
  });

  test('a client that says nothing of the timer leaves it as it is', async () => {
    await standing(ours);
    const answer = await push.ask(push.within('UPDATE', 1));
    expect(headerOf(answer, 'Session-Expires')).toBe('1800;refresher=uas');
    expect(await refreshed()).toEqual({ sessionExpiresSeconds: 1800, refresher: 'uac' });
  });

  test('a session without a timer gets none from us', async () => {
    await standing();
    const answer = await push.ask(push.within('UPDATE', 1, capable));
    expect([status(answer), headerOf(answer, 'Session-Expires')]).toEqual([200, '']);
    expect(await refreshed()).toEqual({});
  });
});

test.each<[string, Headers, string, number, Headers]>([
  [
    'an interval below 90 s → 422 [RFC 4028 §5]',
    { 'Session-Expires': '89' },
    '',
    422,
    { 'Min-SE': '90' },
  ],
  ['a timer that cannot be read → 400', { 'Session-Expires': 'soon' }, '', 400, {}],
  ['a Contact that cannot be sent to → 400', { Contact: '*' }, '', 400, {}],
  [
    'a body of another type → 415 [RFC 3261 §8.2.3]',
    { 'Content-Type': 'text/plain' },
    'hi',
    415,
    { Accept: 'application/sdp' },
  ],
  [
    'a body in an encoding that we lack → 415 [RFC 3261 §8.2.3]',
    { 'Content-Encoding': 'gzip' },
    'gz',
    415,
    { 'Accept-Encoding': 'identity' },
  ],
  [
    'an extension that we lack → 420 [RFC 3261 §8.2.2.3]',
    { Require: '100rel' },
    '',
    420,
    { Unsupported: '100rel' },
  ],
])('%s, and the session stays as it was', async (_, headers, body, expected, answered) => {
  await standing();
  const answer = await push.ask(push.within('UPDATE', 1, headers, body));
  expect(status(answer)).toBe(expected);
  for (const [name, value] of Object.entries(answered)) expect(headerOf(answer, name)).toBe(value);
  expect(headerOf(answer, 'Contact')).toBe('');
  expect(await push.stage.story()).not.toContain('delivery SessionRefreshed');
});

test('a refresh while another is being recorded → 500 with Retry-After of 0 to 10 s [RFC 3261 §14.2]', async () => {
  await standing();
  push.stage.slowAppends(50);
  push.send(push.within('UPDATE', 1));
  const crossed = await push.ask(push.within('UPDATE', 2));
  expect([status(crossed), headerOf(crossed, 'CSeq')]).toEqual([500, '2 UPDATE']);
  expect(Number(headerOf(crossed, 'Retry-After'))).toBeLessThanOrEqual(10);
  push.stage.slowAppends(0);
  await push.pass(500);
  expect(status(await push.next())).toBe(200);
});

test('an offer while ours waits for its answer → 491, no offer → 200 [RFC 3311 §5.2]', async () => {
  await standing();
  await push.ask(push.within('INVITE', 1));
  expect(status(await push.ask(push.within('UPDATE', 2, {}, clientSdp())))).toBe(491);
  expect(status(await push.ask(push.within('UPDATE', 3)))).toBe(200);
  expect(status(await push.ask(push.within('INVITE', 4, {}, clientSdp())))).toBe(491);
  push.send(push.within('ACK', 1, {}, clientSdp()));
  expect(status(await push.ask(push.within('UPDATE', 5, {}, clientSdp())))).toBe(200);
});

test('another re-INVITE shows that our 2xx arrived: it is not repeated [RFC 3261 §14.1]', async () => {
  await standing();
  await push.ask(push.within('INVITE', 1, {}, clientSdp()));
  const second = await push.ask(push.within('INVITE', 2, {}, clientSdp()));
  await push.pass(500);
  expect(await push.next()).toBe(second);
  push.send(push.within('ACK', 2));
  expect(await push.heard()).not.toContain('BYE 2');
});

test('further media of an offer → rejected in the answer, in their place [RFC 3264 §6]', async () => {
  await standing();
  const audio = 'm=audio 4000 RTP/AVP 0\r\n';
  const offer = clientSdp().replace('m=message', `${audio}m=message`);
  const answer = await push.ask(push.within('UPDATE', 1, {}, offer));
  expect(answer.match(/^m=.*$/gm)).toEqual(['m=audio 0 RTP/AVP 0', 'm=message 2855 TCP/MSRP *']);
});

test.each(['INFO', 'REFER', 'PRACK', 'MESSAGE', 'SUBSCRIBE', 'PUBLISH'])(
  '%s within the dialog → 405 with what is allowed [RFC 3261 §8.2.1]',
  async (method) => {
    await standing();
    const answer = await push.ask(push.within(method, 1));
    expect(status(answer)).toBe(405);
    expect(headerOf(answer, 'Allow')).toContain('BYE, OPTIONS, UPDATE');
  },
);

test('OPTIONS within the dialog → 200 with what applies in it [RFC 3261 §11.2]', async () => {
  await standing();
  const answer = await push.ask(push.within('OPTIONS', 1));
  expect(status(answer)).toBe(200);
  expect(headerOf(answer, 'Allow')).toBe('INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE');
  expect(headerOf(answer, 'Supported')).toBe('timer');
  const other = push.within('OPTIONS', 2, { From: `${headerOf(push.invite, 'To')};tag=fork` });
  expect(status(await push.ask(other))).toBe(481);
});
