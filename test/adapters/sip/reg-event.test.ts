/** Registrations heard from a notifier of the package `reg` (RFC 3680), on the wire. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askAs, clients } from '../../controls/digest-client.ts';
import {
  type ContactOf,
  type RegNotifier,
  reginfoXml,
  registrationXml,
  regNotifierOn,
} from '../../controls/reg-notifier.ts';
import type { Line } from '../../controls/scripted-peer.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import { type Scscf, scscfOn, ueRegister } from '../../controls/scscf.ts';
import {
  ALICE,
  type SipAgentStage,
  sipAgentStage,
  sipRequest,
} from '../../controls/sip-agent-stage.ts';

const BOB = 'sip:bob@example.org';
const NUMBER = 'tel:+15551234';

let stage: SipAgentStage;
let line: Line;
let scscf: Scscf;
let notifier: RegNotifier;
beforeEach(async () => {
  stage = await sipAgentStage({ regEvent: true });
  line = await stage.peer.datagrams(stage.udp);
  scscf = scscfOn(line);
  notifier = regNotifierOn(line);
});
afterEach(async () => {
  await stage.close();
  expect(stage.faults).toEqual([]);
});

const status = (answer: string) => Number(answer.split(' ')[1]);
const types = async (account = ALICE) => (await stage.mailbox(account)).map(({ type }) => type);
const bindings = async (account = ALICE) => (await stage.registration(account))?.bindings;

/** Registers alice with nothing known of her tag, and takes what that asks for. */
async function subscribed(): Promise<string> {
  expect(status(await scscf.ask(scscf.thirdParty()))).toBe(200);
  return notifier.takeSubscribe();
}

const told = (
  subscribe: string,
  version: number,
  contacts?: readonly ContactOf[],
  state?: string,
) => notifier.notify(subscribe, { body: reginfoXml(version, registrationXml(contacts), state) });

describe('our SUBSCRIBE', () => {
  test('follows a REGISTER that leaves the tag open, as RFC 3680 §4 has it', async () => {
    const subscribe = await subscribed();
    expect(subscribe.split('\r\n')[0]).toBe(`SUBSCRIBE ${ALICE} SIP/2.0`);
    expect(headerOf(subscribe, 'Event')).toBe('reg');
    expect(headerOf(subscribe, 'Accept')).toBe('application/reginfo+xml');
    expect(headerOf(subscribe, 'Expires')).toBe('600000');
    expect(headerOf(subscribe, 'P-Asserted-Identity')).toBe('<sip:im-store@example.org>');
    expect(headerOf(subscribe, 'From')).toMatch(/^<sip:im-store@example\.org>;tag=.+/);
    expect(headerOf(subscribe, 'To')).toBe(`<${ALICE}>`);
    expect(headerOf(subscribe, 'Contact')).toContain(`:${stage.udp};transport=udp>`);
    expect(headerOf(subscribe, 'User-Agent')).toMatch(/^IM-serv\/OMA/);
  });

  test('is one for each user, however often the user is registered', async () => {
    await subscribed();
    expect(status(await scscf.ask(scscf.thirdParty()))).toBe(200);
    expect(status(await scscf.ask(scscf.thirdParty({ 'P-Associated-URI': `<${NUMBER}>` })))).toBe(
      200,
    );
    expect(status(await scscf.ask(scscf.thirdParty({ To: `<${NUMBER}>` })))).toBe(200);
    const before = (await stage.journal()).filter((one) => one.includes('SUBSCRIBE'));
    expect(before).toHaveLength(1);
  });

  test.each([
    ['that says it itself', {}, { type: 'message/sip', body: ueRegister() }],
    ['that deregisters', { Expires: '0' }, {}],
  ])('does not follow a REGISTER %s', async (_, headers, content) => {
    await scscf.ask(scscf.thirdParty(headers, content));
    await scscf.ask(sipRequest('OPTIONS', scscf.branch()));
    expect(await stage.journal()).not.toContain(`> SUBSCRIBE ${ALICE} SIP/2.0`);
  });

  test.each([403, 404, 405, 489, 603])(
    'refused with %i → not again until the next registration',
    async (code) => {
      await scscf.ask(scscf.thirdParty());
      const first = await notifier.takeSubscribe(code);
      await scscf.ask(scscf.thirdParty());
      const second = await notifier.takeSubscribe();
      expect(headerOf(second, 'Call-ID')).not.toBe(headerOf(first, 'Call-ID'));
    },
  );

  test('asks for too little → again with what is wanted [RFC 6665 §4.1.2.1]', async () => {
    await scscf.ask(scscf.thirdParty());
    const first = await notifier.takeSubscribe(423, { 'Min-Expires': '700000' });
    const second = await notifier.takeSubscribe();
    expect(headerOf(second, 'Expires')).toBe('700000');
    expect(headerOf(second, 'CSeq')).toBe('2 SUBSCRIBE');
    expect(headerOf(second, 'Call-ID')).toBe(headerOf(first, 'Call-ID'));
  });
});

describe('a NOTIFY', () => {
  test('names the client with the tag → that is what is known; 200 once it is flushed', async () => {
    const subscribe = await subscribed();
    stage.slowAppends(60);
    const answered = told(subscribe, 0);
    expect(await types()).toEqual(['SubscriberRegistered']);
    expect(status(await answered)).toBe(200);
    expect(await types()).toEqual(['SubscriberRegistered', 'SubscriberRegistered']);
    expect(await bindings()).toMatchObject([
      { im: 'assumed', via: 'thirdParty' },
      { contact: 'sip:alice@192.0.2.9', im: 'regEvent', via: 'regEvent', callId: 'ue', cseq: 1 },
    ]);
    const [, event] = await stage.mailbox();
    expect(new TextDecoder().decode(event?.octets)).toMatch(/^NOTIFY /);
  });

  test('names no client with the tag → what was assumed is lost, and no push follows', async () => {
    const subscribe = await subscribed();
    expect(status(await told(subscribe, 0, [{ tags: ['audio'] }]))).toBe(200);
    expect(await stage.registration()).toMatchObject({ expiresAt: null });
    await scscf.ask(sipRequest('MESSAGE', scscf.branch(), {}, { body: 'hi' }));
    await scscf.ask(scscf.thirdParty());
    expect(await stage.story()).not.toContain('delivery DeliveryOpened');
  });

  test('pushes go where the core is, to the public identity (A-41)', async () => {
    const subscribe = await subscribed();
    await told(subscribe, 0, [{ tags: ['audio'] }]);
    expect(status(await scscf.ask(sipRequest('MESSAGE', scscf.branch(), {}, { body: 'hi' })))).toBe(
      202,
    );
    line.send(
      notifyText(
        subscribe,
        1,
        registrationXml([{ event: 'refreshed', attributes: { callid: 'ue', cseq: '2' } }]),
      ),
    );
    const next = [String(await line.next()), String(await line.next())];
    expect(next.map((one) => one.split('\r\n')[0]).sort()).toEqual([
      `INVITE ${ALICE} SIP/2.0`,
      'SIP/2.0 200 OK',
    ]);
  });

  test('tells of an identity by itself → it is called where the core is as well', async () => {
    const subscribe = await subscribed();
    const content = { uri: NUMBER, body: 'hi' };
    const deposit = sipRequest('MESSAGE', scscf.branch(), { To: `<${NUMBER}>` }, content);
    expect(status(await scscf.ask(deposit))).toBe(202);
    const elsewhere = await stage.peer.datagrams(stage.udp);
    const uri = `sip:alice@127.0.0.1:${elsewhere.local.port}`;
    const both = registrationXml([{ uri }]) + registrationXml([{ uri }], { aor: NUMBER });
    line.send(notifyText(subscribe, 0, both));
    const next = [String(await line.next()), String(await line.next())];
    expect(next.map((one) => one.split('\r\n')[0]).sort()).toEqual([
      `INVITE ${NUMBER} SIP/2.0`,
      'SIP/2.0 200 OK',
    ]);
  });

  test('lists what is known with its old event → nothing happens; a new CSeq → a trigger', async () => {
    const subscribe = await subscribed();
    await told(subscribe, 0);
    await told(subscribe, 1);
    expect(await types()).toHaveLength(2);
    await told(
      subscribe,
      2,
      [{ event: 'refreshed', attributes: { callid: 'ue', cseq: '2', expires: '600' } }],
      'partial',
    );
    expect(await types()).toEqual(Array.from({ length: 3 }, () => 'SubscriberRegistered'));
    await told(subscribe, 3, [{ state: 'terminated', event: 'unregistered' }], 'partial');
    expect(await stage.registration()).toMatchObject({ bindings: [], expiresAt: null });
  });

  test('is older than what is known → 200, and is discarded [RFC 3680 §5.2]', async () => {
    const subscribe = await subscribed();
    await told(subscribe, 4);
    const gone: ContactOf = { state: 'terminated', event: 'expired' };
    for (const version of [4, 3, 0])
      expect(status(await told(subscribe, version, [gone]))).toBe(200);
    expect(await bindings()).toHaveLength(2);
  });

  test('tells of the implicit set → each identity has its bindings', async () => {
    const subscribe = await subscribed();
    const both = registrationXml() + registrationXml([{}], { aor: 'tel:+1-555-1234' });
    const foreign = registrationXml([{}], { aor: 'sip:alice@elsewhere.example' });
    await notifier.notify(subscribe, { body: reginfoXml(0, both + foreign) });
    const identities = [ALICE, NUMBER];
    expect(await bindings()).toMatchObject([{ im: 'assumed' }, { im: 'regEvent', identities }]);
    expect(await bindings(NUMBER)).toMatchObject([{ im: 'regEvent', identities }]);
    // The next word of the core for one of them reaches both.
    await scscf.ask(scscf.thirdParty({ To: `<${NUMBER}>`, Expires: '0' }));
    expect(await bindings()).toEqual([]);
    expect(await bindings(NUMBER)).toEqual([]);
  });

  test('speaks of a user whom the core registered apart → what the core said stands', async () => {
    await scscf.ask(
      scscf.thirdParty({ To: `<${BOB}>`, 'P-Associated-URI': `<${BOB}>, <${NUMBER}>` }),
    );
    await notifier.takeSubscribe(403);
    const subscribe = await subscribed();
    const contact = registrationXml([{}], { aor: BOB });
    const gone = registrationXml([], { aor: NUMBER, state: 'terminated' });
    const body = reginfoXml(0, registrationXml() + contact + gone);
    expect(status(await notifier.notify(subscribe, { body }))).toBe(200);
    expect(await bindings()).toMatchObject([{ im: 'assumed' }, { im: 'regEvent' }]);
    for (const account of [BOB, NUMBER]) {
      expect(await bindings(account)).toMatchObject([{ im: 'assumed', via: 'thirdParty' }]);
    }
  });

  test('of a client that proved who it is → 403: it is no notifier', async () => {
    const clientsOnly = { trusted: () => false, access: { clients: clients() } };
    const apart = await sipAgentStage({ regEvent: true, ...clientsOnly });
    const headers = { From: `<${ALICE}>;tag=a`, Event: 'reg', 'User-Agent': 'x'.repeat(600) };
    const client = await apart.peer.datagrams(apart.udp);
    const notify = sipRequest('NOTIFY', 'n1', { ...headers, 'Subscription-State': 'active' });
    expect(status(await askAs(client, 'alice', notify))).toBe(403);
    await apart.close();
  });

  test.each([
    ['of another event', 489, { Event: 'presence' }],
    ['without an event', 489, { Event: '' }],
    ['without a state', 400, { 'Subscription-State': '' }],
    ['of another call', 481, { 'Call-ID': 'other' }],
    ['for another tag', 481, { To: '<sip:im-store@example.org>;tag=other' }],
    ['without our tag', 481, { To: '<sip:im-store@example.org>' }],
    ['of another type', 415, { 'Content-Type': 'text/plain' }],
  ])('%s → %i', async (_, code, headers) => {
    const subscribe = await subscribed();
    const body = reginfoXml(0, registrationXml());
    const answer = await notifier.notify(subscribe, {
      body,
      headers: headers as Record<string, string>,
    });
    expect(status(answer)).toBe(code);
    if (code === 489) expect(headerOf(answer, 'Allow-Events')).toBe('reg');
    if (code === 415) expect(headerOf(answer, 'Accept')).toBe('application/reginfo+xml');
    expect(await types()).toHaveLength(1);
  });

  test('of a fork → 481; out of order → 500; unreadable → 400; without a body → 200', async () => {
    const subscribe = await subscribed();
    expect(status(await notifier.notify(subscribe, {}))).toBe(200);
    const From = `<${ALICE}>;tag=fork`;
    expect(status(await notifier.notify(subscribe, { headers: { From } }))).toBe(481);
    const CSeq = '1 NOTIFY';
    expect(status(await notifier.notify(subscribe, { headers: { CSeq } }))).toBe(500);
    expect(status(await notifier.notify(subscribe, { body: '<!DOCTYPE r><r/>' }))).toBe(400);
    expect(status(await told(subscribe, 0))).toBe(200);
    expect(await types()).toHaveLength(2);
  });
});

test('behind a next hop our SUBSCRIBE goes there, to the public identity', async () => {
  const core = await stage.peer.datagrams(stage.udp);
  const nextHop = `sip:127.0.0.1:${core.local.port}`;
  const behind = await sipAgentStage({ regEvent: true, nextHop });
  const other = scscfOn(await behind.peer.datagrams(behind.udp));
  expect(status(await other.ask(other.thirdParty()))).toBe(200);
  const subscribe = await regNotifierOn(core).takeSubscribe();
  expect(subscribe.split(' ')[1]).toBe(ALICE);
  expect(headerOf(subscribe, 'Route')).toContain(`${nextHop}`);
  await behind.close();
});

test('without the setting there is no SUBSCRIBE, and a NOTIFY is none of ours', async () => {
  const without = await sipAgentStage();
  const other = scscfOn(await without.peer.datagrams(without.udp));
  await other.ask(other.thirdParty());
  const answer = await other.ask(sipRequest('NOTIFY', other.branch(), { Event: 'reg' }));
  expect(status(answer)).toBe(405);
  expect(headerOf(answer, 'Allow')).not.toContain('NOTIFY');
  expect(headerOf(await scscf.ask(sipRequest('OPTIONS', scscf.branch())), 'Allow')).toContain(
    'NOTIFY',
  );
  await without.close();
});

function notifyText(subscribe: string, version: number, registrations: string): string {
  const body = reginfoXml(version, registrations);
  const headers = {
    From: `<${ALICE}>;tag=notifier`,
    To: headerOf(subscribe, 'From'),
    'Call-ID': headerOf(subscribe, 'Call-ID'),
    CSeq: `${100 + version} NOTIFY`,
    Event: 'reg',
    'Subscription-State': 'active;expires=600000',
    'Content-Type': 'application/reginfo+xml',
  };
  return sipRequest('NOTIFY', scscf.branch(), headers, { body });
}
