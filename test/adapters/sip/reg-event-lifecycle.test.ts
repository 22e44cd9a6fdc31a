/** How long our subscriptions to registrations last, and what ends them (RFC 6665 §4.1). */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hostDigest } from '../../../src/adapters/host/digest.ts';
import { ownIdentity } from '../../../src/adapters/sip/own-identity.ts';
import { regSubscriptions } from '../../../src/adapters/sip/registration/reg-subscriptions.ts';
import { memoryStore } from '../../../src/adapters/store/memory.ts';
import type { Binding } from '../../../src/machines/mailbox/events.ts';
import { projections } from '../../../src/projections/all.ts';
import { START_MS } from '../../controls/histories.ts';
import {
  type ContactOf,
  type RegNotifier,
  reginfoXml,
  registrationXml,
  regNotifierOn,
} from '../../controls/reg-notifier.ts';
import type { Line } from '../../controls/scripted-peer.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import { type Scscf, scscfOn } from '../../controls/scscf.ts';
import { type SimulatedClock, simulatedClock } from '../../controls/simulated-clock.ts';
import {
  ALICE,
  type SipAgentStage,
  sipAgentStage,
  sipRequest,
} from '../../controls/sip-agent-stage.ts';
import { pass } from '../../controls/turns.ts';

let clock: SimulatedClock;
let stage: SipAgentStage;
let line: Line;
let scscf: Scscf;
let notifier: RegNotifier;
beforeEach(async () => {
  clock = simulatedClock(START_MS);
  stage = await sipAgentStage({ regEvent: true, clock });
  line = await stage.peer.datagrams(stage.udp);
  scscf = scscfOn(line);
  notifier = regNotifierOn(line);
});
afterEach(() => stage.close());

const DAY_SECONDS = 86_400;
const status = (answer: string) => Number(answer.split(' ')[1]);
const told = (subscribe: string, version: number, contacts?: readonly ContactOf[], of?: string) =>
  notifier.notify(subscribe, { body: reginfoXml(version, registrationXml(contacts), of) });

/** Registers alice for a day with nothing known of her tag, and takes what that asks for. */
async function subscribed(code?: number, headers?: Record<string, string>): Promise<string> {
  const Expires = String(DAY_SECONDS);
  expect(status(await scscf.ask(scscf.thirdParty({ Expires })))).toBe(200);
  return notifier.takeSubscribe(code, headers);
}

/** The next message is the answer to this one: nothing else was sent before. */
async function isSilent(): Promise<boolean> {
  const answer = await scscf.ask(sipRequest('OPTIONS', scscf.branch()));
  return answer.startsWith('SIP/2.0 200');
}

describe('a subscription', () => {
  test.each([
    ['active;expires=3600', 3_000],
    ['active;expires=600', 300],
    ['pending;expires=600', 300],
  ])('%s → refreshed in its dialog after %i s (TS 24.229 §5.1.1.3)', async (state, seconds) => {
    const first = await subscribed();
    expect(status(await notifier.notify(first, { state }))).toBe(200);
    await pass(clock, (seconds - 1) * 1000);
    expect(await isSilent()).toBe(true);
    await pass(clock, 2_000);
    const refresh = await notifier.takeSubscribe();
    expect(headerOf(refresh, 'Call-ID')).toBe(headerOf(first, 'Call-ID'));
    expect(headerOf(refresh, 'CSeq')).toBe('2 SUBSCRIBE');
    expect(headerOf(refresh, 'To')).toContain(';tag=notifier');
  });

  test('that the notifier does not know any more (481) → another one at once', async () => {
    const first = await subscribed();
    await notifier.notify(first, { state: 'active;expires=600' });
    await pass(clock, 301_000);
    await notifier.takeSubscribe(481);
    expect(await isSilent()).toBe(true);
    await pass(clock, 1_000);
    const second = await notifier.takeSubscribe();
    expect(headerOf(second, 'Call-ID')).not.toBe(headerOf(first, 'Call-ID'));
    expect(headerOf(second, 'To')).toBe(`<${ALICE}>`);
    expect(headerOf(second, 'CSeq')).toBe('1 SUBSCRIBE');
    // What still comes of the old one is none of ours.
    expect(status(await notifier.notify(first, {}))).toBe(481);
    expect(status(await notifier.notify(second, {}))).toBe(200);
  });

  test('of a user who is gone → not refreshed', async () => {
    const first = await subscribed();
    await notifier.notify(first, { state: 'active;expires=600' });
    await scscf.ask(scscf.thirdParty({ Expires: '0' }));
    // Nothing of it is kept for the days that it may still last.
    expect(status(await notifier.notify(first, {}))).toBe(481);
    await pass(clock, 600_000);
    expect(await isSilent()).toBe(true);
  });

  test.each([
    ['terminated;reason=deactivated', 6],
    ['terminated;reason=timeout', 6],
    ['terminated;reason=probation;retry-after=60', 60],
    ['terminated;reason=giveup', 30],
    ['terminated', 30],
  ])('%s → another one within %i s [RFC 6665 §4.1.3]', async (state, seconds) => {
    const first = await subscribed();
    await told(first, 0);
    expect(status(await notifier.notify(first, { state }))).toBe(200);
    if (seconds > 10) {
      await pass(clock, (seconds - 1) * 1000);
      expect(await isSilent()).toBe(true);
    }
    await pass(clock, seconds > 10 ? 2_000 : seconds * 1000);
    const second = await notifier.takeSubscribe();
    expect(headerOf(second, 'Call-ID')).not.toBe(headerOf(first, 'Call-ID'));
  });

  test.each(['rejected', 'noresource', 'invariant'])(
    'terminated;reason=%s → not again until the next registration [RFC 6665 §4.1.3]',
    async (reason) => {
      const first = await subscribed();
      await notifier.notify(first, { state: `terminated;reason=${reason}` });
      await pass(clock, 7_200_000);
      expect(await isSilent()).toBe(true);
      await subscribed();
    },
  );

  test('that is granted without a NOTIFY for 32 s (Timer N) → another one after a pause', async () => {
    const first = await subscribed();
    expect(await isSilent()).toBe(true);
    await pass(clock, 33_000 + 29_000);
    expect(await isSilent()).toBe(true);
    await pass(clock, 2_000);
    const second = await notifier.takeSubscribe();
    expect(headerOf(second, 'Call-ID')).not.toBe(headerOf(first, 'Call-ID'));
  });

  test('refused for now → again when the notifier says, or the next registration', async () => {
    const first = await subscribed(503, { 'Retry-After': '90' });
    expect(await isSilent()).toBe(true);
    await pass(clock, 88_000);
    expect(await isSilent()).toBe(true);
    await pass(clock, 3_000);
    const second = await notifier.takeSubscribe(500);
    expect(headerOf(second, 'Call-ID')).not.toBe(headerOf(first, 'Call-ID'));
    expect(await isSilent()).toBe(true);
    await pass(clock, 1_000);
    await subscribed();
  });

  test('refused for now, to be tried at once → after the pause all the same', async () => {
    await subscribed(503, { 'Retry-After': '0' });
    await pass(clock, 29_000);
    expect(await isSilent()).toBe(true);
    await pass(clock, 3_000);
    const second = await notifier.takeSubscribe();
    await notifier.notify(second, { state: 'terminated;retry-after=0' });
    await pass(clock, 25_000);
    expect(await isSilent()).toBe(true);
  });

  test('that nobody answers → another one after 32 s and a pause', async () => {
    expect(status(await scscf.ask(scscf.thirdParty({ Expires: '9999' })))).toBe(200);
    const first = headerOf(String(await line.next()), 'Call-ID');
    await pass(clock, 70_000);
    let next = first;
    while (next === first) next = headerOf(String(await line.next()), 'Call-ID');
    expect(next).toMatch(/^reg-/);
  });

  test('is partial, and one before it is missing → it counts, and the full state is asked for', async () => {
    const subscribe = await subscribed();
    await told(subscribe, 0);
    const tablet: ContactOf = { uri: 'sip:alice@192.0.2.10' };
    await told(subscribe, 2, [tablet], 'partial');
    await pass(clock, 6_000);
    const again = await notifier.takeSubscribe();
    expect(headerOf(again, 'CSeq')).toBe('2 SUBSCRIBE');
    expect(headerOf(again, 'To')).toBe(`<${ALICE}>;tag=notifier`);
    expect(headerOf(again, 'Call-ID')).toBe(headerOf(subscribe, 'Call-ID'));
    expect(again.split(' ')[1]).toBe(`sip:127.0.0.1:${line.local.port}`);
  });

  test('makes the dialog with its Record-Route, before the 200 as well [RFC 6665 §4.4.1]', async () => {
    expect(status(await scscf.ask(scscf.thirdParty()))).toBe(200);
    const subscribe = String(await line.next());
    const own = `127.0.0.1:${line.local.port}`;
    const headers = {
      'Record-Route': `<sip:${own};lr>, <sip:b.example.org;lr>`,
      Contact: `<sip:n@${own}>`,
    };
    const body = reginfoXml(1, registrationXml(), 'partial');
    expect(status(await notifier.notify(subscribe, { body, headers }))).toBe(200);
    await pass(clock, 500);
    await notifier.takeSubscribe();
    expect(await isSilent()).toBe(true);
    await pass(clock, 6_000);
    const again = await notifier.takeSubscribe();
    expect(again.split(' ')[1]).toBe(`sip:n@${own}`);
    expect(again.match(/^Route: .*$/gm)).toEqual([
      `Route: <sip:${own};lr>`,
      'Route: <sip:b.example.org;lr>',
    ]);
  });
});

test('at the start all who are registered with an assumed tag are subscribed to, 50 in a second', async () => {
  const store = memoryStore({ projections, clock });
  const binding = (more: Partial<Binding>): Binding => ({
    ...{ contact: 'sip:scscf.example.org', callId: 's', cseq: 1, im: 'assumed', via: 'thirdParty' },
    ...{ expiresAt: START_MS + 3_600_000 },
    ...more,
  });
  const register = async (account: string, more: Partial<Binding> = {}) => {
    const bindings = [binding(more)];
    const data = { via: 'thirdParty', bindings, expiresAt: START_MS + 3_600_000, asOf: 0 };
    const event = { id: account, type: 'SubscriberRegistered', at: START_MS, data, meta: {} };
    await store.append(`mailbox-${account}`, 'none', [event]);
  };
  for (let n = 0; n < 2_150; n += 1) await register(`sip:u${n}@example.org`);
  await register('sip:embedded@example.org', { im: 'embedded' });
  await register('sip:late@example.org', { expiresAt: START_MS - 1 });
  const identities = ['sip:set@example.org', 'tel:+1'];
  for (const account of identities) await register(account, { identities });
  const asked: string[] = [];
  const random = (octets: number) => crypto.getRandomValues(new Uint8Array(octets));
  const subscriptions = regSubscriptions({
    ...{ clock, views: store, domain: 'example.org' },
    identifiers: { messageId: () => '', random },
    identity: ownIdentity({
      ...{
        imAddress: 'sip:im-store@example.org',
        product: 'IM-serv/OMA1.0',
        host: 'im.example.org',
      },
      ...{ digest: hostDigest, secret: new Uint8Array(1), random },
    }),
    signals: { sent() {}, received() {}, evidence: (octets) => octets, flushed: async () => {} },
    routing: () => ({
      router: {
        async toSubscriber(account) {
          asked.push(account);
          return undefined;
        },
        toUri: async () => [],
      },
      sendRequest: () => {},
    }),
    onFault: (where, fault) => {
      throw new Error(`${where}: ${fault}`);
    },
  });
  await subscriptions.renew();
  await pass(clock, 2_000);
  expect(asked.length).toBeGreaterThan(50);
  expect(asked.length).toBeLessThanOrEqual(100);
  await pass(clock, 60_000);
  expect(new Set(asked).size).toBe(2_151);
  expect(asked).toHaveLength(2_151);
  expect(asked).toContain('sip:set@example.org');
  subscriptions.close();
});
