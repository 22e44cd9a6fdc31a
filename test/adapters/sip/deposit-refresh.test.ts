/** What a sender says within the dialog of its session: offers, timers, and what has no place. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  type DepositCaller,
  depositCaller,
  type Headers,
  senderSdp,
  statusOf,
} from '../../controls/deposit-caller.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';

let caller: DepositCaller;
afterEach(async () => {
  expect(caller.stage.faults).toEqual([]);
  await caller.close();
});

const bodyOf = (text: string) => text.slice(text.indexOf('\r\n\r\n') + 4);
const offer = (version: number, changes: Headers = {}) =>
  senderSdp({ origin: `o=bob 1 ${version} IN IP4 127.0.0.1`, ...changes });
const TIMER = { Supported: 'timer', 'Session-Expires': '1800;refresher=uac' };

describe.each(['INVITE', 'UPDATE'])('%s', (method) => {
  it('with the same offer → 200 with our description as it was [RFC 3264 §8]', async () => {
    caller = await depositCaller();
    const success = await caller.open();
    const answer = await caller.ask(method, 2, { body: offer(1) });
    expect([statusOf(answer), bodyOf(answer)]).toEqual([200, bodyOf(success)]);
    expect(headerOf(answer, 'Contact')).toBe(headerOf(success, 'Contact'));
    expect(headerOf(answer, 'Content-Type')).toBe('application/sdp');
    expect(headerOf(answer, 'Record-Route')).toBe('');
    expect((await caller.event('SessionRefreshed')).data).toMatchObject({
      remoteTarget: caller.target,
    });
    if (method === 'INVITE') caller.say('ACK', 2);
  });

  it('without an offer → 200, and no description but to an INVITE [RFC 3261 §14.2]', async () => {
    caller = await depositCaller();
    const success = await caller.open();
    const answer = await caller.ask(method, 2);
    const expected = method === 'INVITE' ? bodyOf(success) : '';
    expect([statusOf(answer), bodyOf(answer)]).toEqual([200, expected]);
    if (method === 'INVITE') caller.say('ACK', 2, { body: offer(1) });
  });

  it.each([
    ['another path', { path: 'a=path:msrp://127.0.0.1:7394/another;tcp' }],
    ['another direction', { direction: 'a=recvonly' }],
    ['nothing comes any more', { direction: 'a=inactive' }],
    ['a port of 0', { media: 'm=message 0 TCP/MSRP *' }],
    ['an m-line of another kind', { media: 'm=audio 4000 RTP/AVP 0' }],
  ])('%s → 488 with Warning, and the session goes on [RFC 3261 §14.2]', async (_, changes) => {
    caller = await depositCaller();
    await caller.open();
    const answer = await caller.ask(method, 2, { body: offer(2, changes) });
    expect([statusOf(answer), headerOf(answer, 'Contact')]).toEqual([488, '']);
    expect(headerOf(answer, 'Warning')).toMatch(/^399 im-store "/);
    if (method === 'INVITE') {
      caller.say('ACK', 2, { branch: 'INVITE2', to: headerOf(answer, 'To') });
    }
    expect(await caller.types()).not.toContain('SessionRefreshed');
    expect(await caller.leave('mid1')).toBe(200);
    expect(caller.stage.senders.closed).toEqual([]);
  });

  it('a body that is no SDP → 415 with Accept [RFC 3261 §8.2.3]', async () => {
    caller = await depositCaller();
    await caller.open();
    const headers = { 'Content-Type': 'text/plain' };
    const answer = await caller.ask(method, 2, { headers, body: 'hi' });
    expect([statusOf(answer), headerOf(answer, 'Accept')]).toEqual([415, 'application/sdp']);
    if (method === 'INVITE') {
      caller.say('ACK', 2, { branch: 'INVITE2', to: headerOf(answer, 'To') });
    }
  });

  it.each(['*', '<mailto:bob@example.org>'])('Contact: %s → 400', async (Contact) => {
    caller = await depositCaller();
    await caller.open();
    const answer = await caller.ask(method, 2, { headers: { Contact }, body: offer(1) });
    expect(statusOf(answer)).toBe(400);
    if (method === 'INVITE') caller.say('ACK', 2, { branch: 'INVITE2' });
  });

  it('an offer while ours waits for its answer → 491, and later 200 [RFC 3311 §5.2]', async () => {
    caller = await depositCaller();
    await caller.open();
    await caller.ask('INVITE', 2);
    expect(statusOf(await caller.ask(method, 3, { body: offer(1) }))).toBe(491);
    if (method === 'INVITE') caller.say('ACK', 3, { branch: 'INVITE3' });
    caller.say('ACK', 2, { body: offer(1) });
    await caller.heard();
    expect(statusOf(await caller.ask(method, 4, { body: offer(1) }))).toBe(200);
    if (method === 'INVITE') caller.say('ACK', 4);
  });

  it('before the ACK → 491, and our 200 is repeated [RFC 3311 §5.2]', async () => {
    caller = await depositCaller();
    const to = headerOf(await caller.ask('INVITE', 1, { body: senderSdp() }), 'To');
    const answer = await caller.ask(method, 2, { to, body: offer(2) });
    expect(statusOf(answer)).toBe(491);
    if (method === 'INVITE') caller.say('ACK', 2, { branch: 'INVITE2', to });
    await caller.pass(500);
    expect(statusOf(await caller.answer('1 INVITE'))).toBe(200);
  });

  it('when the session is over → 481', async () => {
    caller = await depositCaller();
    await caller.open();
    await caller.ask('BYE', 2);
    const answer = await caller.ask(method, 3, { body: offer(1) });
    expect(statusOf(answer)).toBe(481);
    if (method === 'INVITE') caller.say('ACK', 3, { branch: 'INVITE3' });
  });

  it('from another place → our BYE goes there [RFC 3261 §12.2.2] [IM-11.3.2.2-2]', async () => {
    caller = await depositCaller();
    const elsewhere = 'sip:bob@moved.invalid';
    const route = `<${caller.target.replace('bob@', '')};lr>`;
    await caller.open({ headers: { 'Record-Route': route } });
    await caller.ask(method, 2, { headers: { Contact: `<${elsewhere}>` }, body: offer(1) });
    if (method === 'INVITE') caller.say('ACK', 2);
    caller.session().on.idle(60_000);
    const bye = await caller.requested('BYE');
    expect(bye).toMatch(/^BYE sip:bob@moved\.invalid SIP\/2\.0\r\n/);
    expect(headerOf(bye, 'Route')).toBe(route);
  });
});

it('our 200 to a re-INVITE is repeated until its ACK [RFC 3261 §13.3.1.4]', async () => {
  caller = await depositCaller();
  await caller.open();
  const answer = await caller.ask('INVITE', 2, { body: offer(1) });
  await caller.pass(500);
  expect(await caller.answer('2 INVITE')).toBe(answer);
  caller.say('ACK', 2);
  await caller.pass(40_000);
  expect((await caller.heard()).filter((told) => told === '200 INVITE')).toHaveLength(3);
});

it('our BYE waits for the ACK of a re-INVITE, what came is released at once [RFC 3261 §15] [T-21]', async () => {
  caller = await depositCaller();
  await caller.open();
  await caller.leave('mid1');
  await caller.ask('INVITE', 2, { body: offer(1) });
  caller.session().on.idle(60_000);
  await caller.event('MessageReleased');
  await caller.pass(1_000);
  expect(await caller.heard()).not.toContain('BYE 1');
  caller.say('ACK', 2);
  caller.reply(await caller.requested('BYE'), '200 OK');
  await caller.event('ByeAnswered');
});

describe('what asks for nothing', () => {
  it('OPTIONS → 200 with what applies within the dialog [RFC 3261 §11.2]', async () => {
    caller = await depositCaller();
    await caller.open();
    const answer = await caller.ask('OPTIONS', 2);
    expect(['Allow', 'Supported', 'Accept'].map((name) => headerOf(answer, name))).toEqual([
      'INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE',
      'timer',
      'application/sdp',
    ]);
    expect(statusOf(answer)).toBe(200);
  });

  it.each(['MESSAGE', 'INFO', 'REFER', 'PRACK', 'SUBSCRIBE'])(
    '%s → 405 with what is allowed, and nothing is stored [RFC 3261 §8.2.1]',
    async (method) => {
      caller = await depositCaller();
      await caller.open();
      const answer = await caller.ask(method, 2);
      expect(statusOf(answer)).toBe(405);
      expect(headerOf(answer, 'Allow')).toContain('BYE, OPTIONS, UPDATE');
      expect(await caller.stage.mailbox()).toEqual([]);
    },
  );

  it.each(['BYE', 'UPDATE', 'OPTIONS', 'INVITE'])(
    '%s of a lower CSeq → 500, and nothing happens [RFC 3261 §12.2.2] [T-20]',
    async (method) => {
      caller = await depositCaller();
      await caller.open();
      await caller.ask('OPTIONS', 9);
      const answer = await caller.ask(method, 8);
      expect(statusOf(answer)).toBe(500);
      if (method === 'INVITE') caller.say('ACK', 8, { branch: 'INVITE8' });
      expect(await caller.types()).toEqual(['DepositOffered', 'AckReceived']);
      expect(statusOf(await caller.ask('BYE', 10))).toBe(200);
    },
  );
});

describe('a session timer [RFC 4028 §9] [A-49]', () => {
  it.each([
    ['the sender refreshes', TIMER, '1800;refresher=uac'],
    [
      'nobody is named, and the sender can',
      { ...TIMER, 'Session-Expires': '600' },
      '600;refresher=uac',
    ],
    ['we should refresh', { ...TIMER, 'Session-Expires': '1800;refresher=uas' }, ''],
    ['nobody is named, and the sender cannot', { 'Session-Expires': '1800' }, ''],
    ['none is asked for', { Supported: 'timer' }, ''],
  ] as const)('%s → granted only as "%s"', async (_, headers: Headers, granted) => {
    caller = await depositCaller();
    const success = await caller.open({ headers });
    expect(headerOf(success, 'Session-Expires')).toBe(granted);
    expect(headerOf(success, 'Require')).toBe(granted === '' ? '' : 'timer');
    const { data } = await caller.event('DepositOffered');
    expect('timer' in (data as object)).toBe(granted !== '');
  });

  it('below 90 s → 422 with Min-SE, in the INVITE and later [RFC 4028 §5]', async () => {
    caller = await depositCaller();
    const short = { Supported: 'timer', 'Session-Expires': '89' };
    const refused = await caller.ask('INVITE', 1, { headers: short, body: senderSdp() });
    expect([statusOf(refused), headerOf(refused, 'Min-SE')]).toEqual([422, '90']);
    caller.say('ACK', 1, { branch: 'INVITE1' });
    await caller.open({ headers: { 'Call-ID': 'large2@example.org' }, branch: 'again' });
    const headers = { ...short, 'Call-ID': 'large2@example.org' };
    const later = await caller.ask('UPDATE', 2, { headers });
    expect([statusOf(later), headerOf(later, 'Min-SE')]).toEqual([422, '90']);
  });

  it('that runs out → SessionExpired and our BYE, 32 s before [RFC 4028 §10]', async () => {
    caller = await depositCaller();
    await caller.open({ headers: TIMER });
    await caller.pass(1_800_000 - 32_000 - 1);
    expect(await caller.heard()).not.toContain('BYE 1');
    await caller.pass(1);
    caller.reply(await caller.requested('BYE'), '200 OK');
    await caller.event('ByeAnswered');
    expect(await caller.types()).toContain('SessionExpired');
  });

  it('is not asked for again, though it can be → stays in force', async () => {
    caller = await depositCaller();
    await caller.open({ headers: TIMER });
    await caller.pass(900_000);
    const answer = await caller.ask('UPDATE', 2, { headers: { Supported: 'timer' } });
    expect(headerOf(answer, 'Session-Expires')).toBe('1800;refresher=uac');
    await caller.pass(1_700_000);
    expect(await caller.types()).not.toContain('SessionExpired');
  });

  it('is not granted again → there is none any more [RFC 4028 §7.2]', async () => {
    caller = await depositCaller();
    await caller.open({ headers: TIMER });
    const headers = { ...TIMER, 'Session-Expires': '1800;refresher=uas' };
    const answer = await caller.ask('UPDATE', 2, { headers });
    expect([statusOf(answer), headerOf(answer, 'Session-Expires')]).toEqual([200, '']);
    await caller.pass(1_800_000);
    expect(await caller.types()).not.toContain('SessionExpired');
    expect(statusOf(await caller.ask('BYE', 3))).toBe(200);
  });
});
