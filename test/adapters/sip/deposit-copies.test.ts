/** The INVITE of a sender that comes more than once, or with many others. */
import { afterEach, describe, expect, it } from 'vitest';
import { memoryBlobs } from '../../../src/adapters/blob/memory.ts';
import { hostDigest } from '../../../src/adapters/host/digest.ts';
import { OPEN_SESSIONS_MAX } from '../../../src/adapters/sip/deposit/observe-invite.ts';
import {
  type DepositCaller,
  depositCaller,
  senderSdp,
  statusOf,
} from '../../controls/deposit-caller.ts';
import { scriptedDeposits } from '../../controls/scripted-deposits.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';

let caller: DepositCaller;
afterEach(async () => {
  expect(caller.stage.faults).toEqual([]);
  await caller.close();
});

const offers = async () =>
  (await caller.types()).filter((type) => type === 'DepositOffered').length;
const TIMER_L_MS = 32_000;

describe('the same INVITE again', () => {
  it('after its transaction has ended → our 200 again, and the session goes on', async () => {
    caller = await depositCaller();
    const success = await caller.open();
    await caller.pass(TIMER_L_MS);
    expect(await caller.ask('INVITE', 1, { body: senderSdp(), to: '' })).toBe(success);
    expect([await offers(), caller.stage.senders.closed]).toEqual([1, []]);
    expect(await caller.leave('mid1')).toBe(200);
    expect(statusOf(await caller.ask('BYE', 2))).toBe(200);
  });

  it('after its session has ended → 500, and no other session', async () => {
    caller = await depositCaller();
    await caller.open();
    await caller.ask('BYE', 2);
    await caller.pass(TIMER_L_MS);
    const again = await caller.ask('INVITE', 1, { body: senderSdp(), to: '' });
    expect([statusOf(again), headerOf(again, 'Retry-After')]).toEqual([500, '5']);
    caller.say('ACK', 1, { branch: 'INVITE1' });
    expect(await offers()).toBe(1);
  });

  it('after it was refused → refused again, and is in the log once', async () => {
    caller = await depositCaller();
    const chat = { body: senderSdp({ direction: 'a=sendrecv' }) };
    const failure = await caller.ask('INVITE', 1, chat);
    caller.say('ACK', 1, { branch: 'INVITE1', to: headerOf(failure, 'To') });
    await caller.pass(TIMER_L_MS);
    const again = await caller.ask('INVITE', 1, chat);
    caller.say('ACK', 1, { branch: 'INVITE1', to: headerOf(again, 'To') });
    expect([statusOf(failure), statusOf(again)]).toEqual([480, 480]);
    expect(await caller.types()).toEqual(['DepositRefused']);
  });
});

describe('the same INVITE by another way [RFC 3261 §8.2.2.2]', () => {
  const copy = (branch: string, uri?: string) => ({
    ...{ body: senderSdp(), to: '', branch },
    ...(uri === undefined ? {} : { uri }),
  });
  /** Statuses of all answers but 100. */
  async function answers(number: number): Promise<readonly number[]> {
    const all: string[] = [];
    while (all.length < number) all.push(await caller.answer('1 INVITE'));
    return all.map(statusOf).toSorted();
  }

  it('while the first waits for the log → 482, with its reason in the log', async () => {
    caller = await depositCaller();
    caller.stage.slowAppends(50);
    caller.say('INVITE', 1, copy('way1'));
    caller.say('INVITE', 1, copy('way2'));
    await caller.heard();
    await caller.pass(100);
    caller.stage.slowAppends(0);
    expect(await answers(2)).toEqual([200, 482]);
    expect((await caller.event('DepositRefused')).data).toMatchObject({
      ...{ status: 482, reason: 'merged' },
    });
  });

  it('while both wait for the disk to say whether there is room → one is taken', async () => {
    const { port } = scriptedDeposits();
    const waiting: (() => void)[] = [];
    const hasRoom = () => new Promise<boolean>((resolve) => waiting.push(() => resolve(true)));
    caller = await depositCaller({
      msrp: {
        channels: { offer: unused, open: unused, send: unused, close: unused },
        deposits: { ...port, hasRoom },
        blobs: memoryBlobs({ digest: hostDigest, now: () => 0 }),
      },
    });
    caller.say('INVITE', 1, copy('way1'));
    caller.say('INVITE', 1, copy('way2'));
    await caller.heard();
    expect(waiting).toHaveLength(2);
    for (const found of waiting) found();
    expect(await answers(2)).toEqual([200, 482]);
  });

  it('for another subscriber → is no copy: each has the message left', async () => {
    caller = await depositCaller();
    caller.stage.slowAppends(50);
    caller.say('INVITE', 1, copy('way1'));
    caller.say('INVITE', 1, copy('way2', 'sip:carol@example.org'));
    await caller.heard();
    await caller.pass(100);
    caller.stage.slowAppends(0);
    expect(await answers(2)).toEqual([200, 200]);
  });
});

function unused(): never {
  throw new Error('nothing is pushed here');
}

describe('many sessions', () => {
  const AT_ONCE = 100;
  const numbers = (from: number) => Array.from({ length: AT_ONCE }, (_, at) => from + at);
  const named = (at: number) => ({ headers: { 'Call-ID': `many${at}@example.org` } });
  const invite = (at: number) => ({ ...named(at), body: senderSdp(), branch: `many${at}` });

  it('2,000 are open → 480 to one more', async () => {
    caller = await depositCaller({ transport: 'tcp' });
    for (let from = 0; from < 2_000; from += AT_ONCE) {
      for (const at of numbers(from)) caller.say('INVITE', 1, invite(at));
      for (const _ of numbers(from)) expect(statusOf(await caller.answer('1 INVITE'))).toBe(200);
    }
    expect(statusOf(await caller.ask('INVITE', 1, invite(2_000)))).toBe(480);
  });

  it('that have ended keep no other out, as many as there were', async () => {
    caller = await depositCaller({ transport: 'tcp' });
    for (let from = 0; from < OPEN_SESSIONS_MAX; from += AT_ONCE) {
      for (const at of numbers(from)) caller.say('INVITE', 1, invite(at));
      for (const _ of numbers(from)) {
        const success = await caller.answer('1 INVITE');
        const headers = { 'Call-ID': headerOf(success, 'Call-ID') };
        const within = { headers, to: headerOf(success, 'To') };
        const branch = headers['Call-ID'];
        caller.say('ACK', 1, { ...within, branch: `ack${branch}` });
        caller.say('BYE', 2, { ...within, branch: `bye${branch}` });
      }
      for (const _ of numbers(from)) await caller.answer('2 BYE');
    }
    expect(statusOf(await caller.ask('INVITE', 1, invite(OPEN_SESSIONS_MAX)))).toBe(200);
  });
});
