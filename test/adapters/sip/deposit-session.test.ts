/** What a sender's session brings, and how it ends, as its SIP, its MSRP and the log have it. */
import { afterEach, describe, expect, it } from 'vitest';
import type { MessageDeferredData } from '../../../src/machines/mailbox/events.ts';
import {
  type DepositCaller,
  depositCaller,
  senderSdp,
  statusOf,
} from '../../controls/deposit-caller.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';

const text = (octets: Uint8Array | undefined) => Buffer.from(octets ?? []).toString('latin1');

let caller: DepositCaller;
/** What the operator is told. */
let faults: readonly unknown[] = [];
afterEach(async () => {
  expect(caller.stage.faults).toEqual(faults);
  faults = [];
  await caller.close();
});

/** Types of the mailbox's and the session's events from the first message on. */
async function since(type: string): Promise<readonly string[]> {
  const types = await caller.types();
  return types.slice(types.indexOf(type));
}

describe('a message that came whole', () => {
  it('→ 200 once it is in the mailbox, held until the BYE [IM-11.3.2.2-3] [T-01] [A-25]', async () => {
    caller = await depositCaller();
    await caller.open();
    caller.stage.slowAppends(50);
    let told: number | undefined;
    const leaving = caller.leave('mid1').then((status) => {
      told = status;
    });
    await caller.pass(50);
    expect([told, await since('MessageCompleted')]).toEqual([undefined, ['MessageCompleted']]);
    await caller.pass(50);
    await leaving;
    expect(told).toBe(200);
    caller.stage.slowAppends(0);
    const deferred = await caller.event('MessageDeferred');
    expect(deferred.data).toMatchObject({ kind: 'large', held: true, bytes: 18 });
    expect(statusOf(await caller.ask('BYE', 2))).toBe(200);
    expect((await caller.event('MessageReleased')).data).toMatchObject({ from: 'held' });
    expect(await since('MessageCompleted')).toEqual([
      ...['MessageCompleted', 'MessageDeferred', 'ByeReceived', 'MessageReleased'],
    ]);
  });

  it('is kept with its INVITE, our 200 and its SEND as they were on the wire [IM-11.3.2.5-2] [IM-11.3.2.5-3] [IM-11.3.2.5-4]', async () => {
    caller = await depositCaller();
    const headers = {
      Contact: `<${caller.target}>;+g.oma.sip-im.large-message`,
      Subject: 'minutes of the meeting',
      Priority: 'urgent',
    };
    const invite = caller.say('INVITE', 1, { headers, body: senderSdp() });
    const success = await caller.answer('1 INVITE');
    caller.say('ACK', 1, { to: headerOf(success, 'To') });
    await caller.event('AckReceived');
    await caller.pass(2_345);
    const wholeAt = caller.clock.now();
    // The log takes its time; the message was whole before.
    caller.stage.slowAppends(700);
    const leaving = caller.leave('mid1', 'octets');
    await caller.pass(1_400);
    await leaving;
    caller.stage.slowAppends(0);
    const record = await caller.record();
    expect(text(record?.invite)).toBe(invite);
    expect(text(record?.answer)).toBe(success);
    expect(text(record?.head)).toMatch(/^MSRP t1d1 SEND\r\n.*Message-ID: mid1\r\n.*\r\n\r\n$/s);
    expect([text(record?.body), record?.receivedAt]).toEqual(['octets', wholeAt]);
    expect(record?.data).toMatchObject({ account: 'sip:alice@example.org', priority: 'urgent' });
    expect((await caller.event('MessageDeferred')).data).toMatchObject({ priority: 'urgent' });
  });

  it('each of two is a message of its own, released together [A-48] [IM-11.3.2.5-6]', async () => {
    caller = await depositCaller();
    await caller.open();
    const statuses = [await caller.leave('mid1', 'one'), await caller.leave('mid2', 'two')];
    expect(statuses).toEqual([200, 200]);
    await caller.ask('BYE', 2);
    await caller.event('MessageReleased');
    const events = await caller.stage.events();
    const deferred = events.filter(({ type }) => type === 'MessageDeferred');
    const ids = deferred.map(({ data }) => (data as MessageDeferredData).id);
    expect(new Set(ids).size).toBe(2);
    const released = events.filter(({ type }) => type === 'MessageReleased');
    expect(released.map(({ data }) => (data as MessageDeferredData).id)).toEqual(ids);
    expect(text((await caller.record())?.body)).toBe('two');
  });

  it('the same one sent again → 200, and kept once [T-03]', async () => {
    caller = await depositCaller();
    await caller.open();
    await caller.leave('mid1');
    expect(await caller.leave('mid1')).toBe(200);
    const types = await caller.types();
    expect(types.filter((type) => type === 'MessageDeferred')).toHaveLength(1);
  });

  it('behind the BYE → stored, and not held [T-03] [A-25]', async () => {
    caller = await depositCaller();
    await caller.open();
    await caller.ask('BYE', 2);
    expect(await caller.leave('mid1')).toBe(200);
    const { data } = await caller.event('MessageDeferred');
    expect(data).not.toHaveProperty('held');
    expect(await since('ByeReceived')).toEqual([
      ...['ByeReceived', 'MessageCompleted', 'MessageDeferred'],
    ]);
    // Its record has our 200, though the session is over.
    expect(text((await caller.record())?.answer)).toMatch(/^SIP\/2\.0 200 OK\r\n/);
  });

  it('before the ACK → kept and held as any other', async () => {
    caller = await depositCaller();
    await caller.ask('INVITE', 1, { body: senderSdp() });
    caller.session().on.bound('127.0.0.1:7394');
    expect(await caller.leave('mid1')).toBe(200);
    expect((await caller.event('MessageDeferred')).data).toMatchObject({ held: true });
    expect((await caller.event('ChannelBound')).data).toEqual({ remote: '127.0.0.1:7394' });
  });
});

it('a message that was given up → DepositAborted, and nothing is stored [A-09] [T-03]', async () => {
  caller = await depositCaller();
  await caller.open();
  const given = { messageId: 'mid1', bytes: 5, reason: 'the sender gave it up' };
  caller.session().on.aborted(given);
  expect((await caller.event('DepositAborted')).data).toEqual(given);
  await caller.ask('BYE', 2);
  expect(await caller.stage.mailbox()).toEqual([]);
});

describe('the BYE of the sender', () => {
  it('comes twice → 200 again, and is in the log once [IM-11.3.2.5-5] [RFC 3261 §17.2.2]', async () => {
    caller = await depositCaller();
    await caller.open();
    const bye = caller.say('BYE', 2, { headers: { Reason: 'SIP ;cause=200' } });
    const answer = await caller.answer('2 BYE');
    caller.say('BYE', 2, { headers: { Reason: 'SIP ;cause=200' } });
    expect(await caller.answer('2 BYE')).toBe(answer);
    const recorded = await caller.event('ByeReceived');
    expect(text(recorded.octets)).toBe(bye);
    expect(recorded.data).toEqual({ reason: 'SIP ;cause=200' });
    expect((await caller.types()).filter((type) => type === 'ByeReceived')).toHaveLength(1);
  });

  it.each([
    ['From-tag', { From: '<sip:bob@example.org>;tag=b2' }, {}],
    ['Call-ID', { 'Call-ID': 'large2@example.org' }, {}],
    ['To-tag', {}, { to: '<sip:alice@example.org>;tag=im-000000000000000000000000' }],
    ['To-tag, which is none of ours', {}, { to: '<sip:alice@example.org>;tag=x' }],
  ] as const)(
    'of another %s → 481, and the session goes on [RFC 3261 §15.1.2]',
    async (_, headers, to) => {
      caller = await depositCaller();
      await caller.open();
      expect(statusOf(await caller.ask('BYE', 2, { headers, ...to }))).toBe(481);
      expect(caller.stage.senders.closed).toEqual([]);
      expect(statusOf(await caller.ask('BYE', 3))).toBe(200);
    },
  );

  it('before its ACK → 200, our 200 is not repeated any more, and no BYE of ours [RFC 3261 §15]', async () => {
    caller = await depositCaller();
    const success = await caller.ask('INVITE', 1, { body: senderSdp() });
    await caller.leave('mid1');
    const to = headerOf(success, 'To');
    expect(statusOf(await caller.ask('BYE', 2, { to }))).toBe(200);
    await caller.event('MessageReleased');
    await caller.pass(40_000);
    expect(await caller.heard()).toEqual(['200 INVITE', '200 BYE']);
  });
});

/** The sender behind two proxies, where its Contact cannot be reached but by them. */
const behindProxies = (port: number) => ({
  Contact: '<sip:bob@ua.invalid;transport=udp>;+g.oma.sip-im.large-message',
  'Record-Route': `<sip:127.0.0.1:${port};lr>, "b" <sip:p2.invalid;lr;x=1>`,
});

describe('our BYE [RFC 3261 §§12.2.1.1, 15.1.1]', () => {
  const portOf = () => Number(caller.target.split(':')[2]);

  it('goes to the Contact by the way of the INVITE, as the first request of ours [IM-11.3.2.2-2]', async () => {
    caller = await depositCaller();
    const success = await caller.open({ headers: behindProxies(portOf()) });
    caller.session().on.idle(60_000);
    const bye = await caller.requested('BYE');
    expect(bye).toMatch(/^BYE sip:bob@ua\.invalid;transport=udp SIP\/2\.0\r\n/);
    expect(bye.match(/^Route: .*$/gm)?.join(', ')).toBe(
      `Route: <sip:127.0.0.1:${portOf()};lr>, Route: "b" <sip:p2.invalid;lr;x=1>`,
    );
    const values = ['From', 'To', 'Call-ID', 'CSeq', 'Max-Forwards'];
    expect(values.map((name) => headerOf(bye, name))).toEqual([
      ...[headerOf(success, 'To'), headerOf(success, 'From'), 'large1@example.org', '1 BYE', '70'],
    ]);
    expect(headerOf(bye, 'User-Agent')).toMatch(/^IM-serv\/OMA1\.0 /);
  });

  it('answered → the session is over at once, and what was left is released [A-10]', async () => {
    caller = await depositCaller();
    await caller.open();
    await caller.leave('mid1');
    caller.session().on.idle(60_000);
    caller.reply(await caller.requested('BYE'), '200 OK');
    expect((await caller.event('ByeAnswered')).data).toEqual({ status: 200 });
    await caller.event('MessageReleased');
    await caller.pass(2_000);
    expect(await caller.types()).not.toContain('GraceElapsed');
    expect((await caller.heard()).filter((told) => told.startsWith('BYE'))).toEqual(['BYE 1']);
  });

  it('not answered → over after 2 s, and it is repeated [RFC 3261 §17.1.2.1] [A-10]', async () => {
    caller = await depositCaller();
    await caller.open();
    caller.session().on.idle(60_000);
    await caller.requested('BYE');
    await caller.pass(1_999);
    expect(await caller.types()).not.toContain('GraceElapsed');
    await caller.pass(1);
    const { stream } = await caller.event('GraceElapsed');
    expect((await caller.stage.state(stream)).value).toBe('ended');
    expect((await caller.heard()).filter((told) => told === 'BYE 1').length).toBeGreaterThan(1);
  });

  it('reaches nobody → ByeAnswered 503, and the session is over [RFC 3261 §8.1.3.1]', async () => {
    caller = await depositCaller();
    await caller.open({ headers: { Contact: '<sip:bob@192.0.2.1:1;transport=ws>' } });
    caller.session().on.idle(60_000);
    const { data, stream } = await caller.event('ByeAnswered');
    expect(data).toEqual({ status: 503 });
    faults = [expect.stringMatching(/no way to sip:bob@192\.0\.2\.1:1;transport=ws is known/)];
    expect((await caller.stage.state(stream)).value).toBe('ended');
  });

  it('crosses that of the sender → 200, and what was left is released once', async () => {
    caller = await depositCaller();
    await caller.open();
    await caller.leave('mid1');
    caller.session().on.idle(60_000);
    const ours = await caller.requested('BYE');
    expect(statusOf(await caller.ask('BYE', 2))).toBe(200);
    caller.reply(ours, '481 Call/Transaction Does Not Exist');
    const types = await caller.types();
    expect(types.filter((type) => type === 'MessageReleased')).toHaveLength(1);
    expect(types).toContain('ByeReceived');
  });
});

describe('the connection is lost', () => {
  it('→ released at once; 2 s for the sender to say BYE, then ours [A-10]', async () => {
    caller = await depositCaller();
    await caller.open();
    await caller.leave('mid1');
    caller.session().on.lost('the peer closed the connection');
    await caller.event('MessageReleased');
    await caller.pass(1_999);
    expect(await caller.heard()).not.toContain('BYE 1');
    await caller.pass(1);
    await caller.requested('BYE');
    expect(await since('ChannelLost')).toEqual(['ChannelLost', 'MessageReleased', 'GraceElapsed']);
  });

  it('and the sender says BYE within 2 s → 200, and none of ours', async () => {
    caller = await depositCaller();
    await caller.open();
    caller.session().on.lost('the peer closed the connection');
    await caller.event('ChannelLost');
    await caller.pass(1_000);
    expect(statusOf(await caller.ask('BYE', 2))).toBe(200);
    await caller.pass(10_000);
    expect(await caller.heard()).not.toContain('BYE 1');
  });

  it('before the ACK → released at once, no BYE until 2 s after it [RFC 3261 §15] [T-21]', async () => {
    caller = await depositCaller();
    const success = await caller.ask('INVITE', 1, { body: senderSdp() });
    await caller.leave('mid1');
    caller.session().on.lost('the peer closed the connection');
    await caller.event('MessageReleased');
    await caller.pass(5_000);
    expect(await caller.heard()).not.toContain('BYE 1');
    caller.say('ACK', 1, { to: headerOf(success, 'To') });
    await caller.event('AckReceived');
    await caller.pass(1_999);
    expect(await caller.heard()).not.toContain('BYE 1');
    await caller.pass(1);
    await caller.requested('BYE');
  });
});
