/** Each form of third-party REGISTER that an S-CSCF sends (TS 24.229 §5.4.1.7), on the wire. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Line } from '../../controls/scripted-peer.ts';
import { fixture, fixturesAvailable, headerOf } from '../../controls/scripted-peer-flow.ts';
import { partsOf, type Scscf, scscfOn, ueAnswer, ueRegister } from '../../controls/scscf.ts';
import { type SipAgentStage, sipAgentStage, sipRequest } from '../../controls/sip-agent-stage.ts';

let stage: SipAgentStage;
let line: Line;
let scscf: Scscf;
beforeEach(async () => {
  stage = await sipAgentStage();
  line = await stage.peer.datagrams(stage.udp);
  scscf = scscfOn(line);
});
afterEach(() => stage.close());

const status = (answer: string) => Number(answer.split(' ')[1]);
const bindings = async () => (await stage.registration())?.bindings;
const types = async () => (await stage.mailbox()).map(({ type }) => type);

const SERVICE_INFO = [
  'application/3gpp-ims+xml',
  '<?xml version="1.0"?><ims-3gpp version="1"><service-info>x</service-info></ims-3gpp>',
] as const;
const sip = (body: string) => ({ type: 'message/sip', body });
const UNTAGGED = { Contact: '<sip:alice@192.0.2.9>;audio' };
const GONE = { Contact: '<sip:alice@192.0.2.9>;+g.oma.sip-im;expires=0' };

describe('the IM tag of a third-party REGISTER', () => {
  test.each([
    ['with nothing inside', undefined, 'assumed'],
    ['with the client’s REGISTER', sip(ueRegister()), 'embedded'],
    ['with the client’s REGISTER, untagged', sip(ueRegister(UNTAGGED)), false],
    ['with the answer alone', sip(ueAnswer()), 'embedded'],
    ['with the answer alone, untagged', sip(ueAnswer(UNTAGGED)), false],
    ['with both', partsOf(ueRegister(), ueAnswer()), 'embedded'],
    ['with both, another client tagged', partsOf(ueRegister(UNTAGGED), ueAnswer()), 'embedded'],
    ['with HSS data', { type: SERVICE_INFO[0], body: SERVICE_INFO[1] }, 'assumed'],
    ['with HSS data and both', partsOf(SERVICE_INFO, ueRegister(), ueAnswer()), 'embedded'],
    ['with HSS data that is broken', { type: SERVICE_INFO[0], body: '<ims' }, 'assumed'],
    ['with what cannot be read', sip('REGISTER oops'), 'assumed'],
    ['with a multipart without end', { type: 'multipart/mixed', body: '--b' }, 'assumed'],
    ['with the client taking one device away', sip(ueRegister(GONE)), 'assumed'],
    ['with another device left', partsOf(ueRegister(GONE), ueAnswer(UNTAGGED)), false],
  ] as const)('%s → %s', async (_, content, im) => {
    expect(status(await scscf.ask(scscf.thirdParty({ Expires: '600' }, content)))).toBe(200);
    expect(await bindings()).toMatchObject([{ im, via: 'thirdParty' }]);
    expect((await stage.registration())?.expiresAt === null).toBe(im === false);
    expect(await types()).toEqual([
      im === false ? 'SubscriberDeregistered' : 'SubscriberRegistered',
    ]);
  });

  test.each(['+g.oma.sip-im="TRUE"', '+G.OMA.SIP-IM'])('as %s → embedded', async (tag) => {
    const inner = ueRegister({ Contact: `<sip:alice@192.0.2.9>;audio;${tag}` });
    await scscf.ask(scscf.thirdParty({}, sip(inner)));
    expect(await bindings()).toMatchObject([{ im: 'embedded' }]);
  });

  test.each(['+g.oma.sip-im="FALSE"', '+g.oma.sip-im="!TRUE"', '+g.oma.sip-im.large-message'])(
    'as %s → none [RFC 3840 §9]',
    async (tag) => {
      const inner = ueRegister({ Contact: `<sip:alice@192.0.2.9>;${tag}` });
      await scscf.ask(scscf.thirdParty({}, sip(inner)));
      expect(await bindings()).toMatchObject([{ im: false }]);
    },
  );

  test('gone at a refresh → the IM service is lost, and no push follows', async () => {
    await scscf.ask(scscf.thirdParty({}, sip(ueRegister())));
    await scscf.ask(scscf.thirdParty({}, sip(ueRegister(UNTAGGED))));
    expect(await stage.registration()).toMatchObject({
      expiresAt: null,
      bindings: [{ im: false }],
    });
    const deposit = sipRequest('MESSAGE', scscf.branch(), {}, { body: 'hi' });
    expect(status(await scscf.ask(deposit))).toBe(202);
    expect(await stage.story()).not.toContain('delivery DeliveryOpened');
  });
});

describe('a third-party REGISTER', () => {
  test.each([
    ['Event: registration', { Event: 'registration' }],
    ['a Require that nobody knows', { Require: 'foo, path' }],
    ['a Proxy-Require', { 'Proxy-Require': 'sec-agree' }],
    ['an Authorization', { Authorization: 'Digest username="alice"' }],
    ['less than a client may ask for', { Expires: '5' }],
    ['an Expires that is no number', { Expires: 'soon' }],
    ['a Contact that cannot be read', { Contact: '<oops' }],
    ['a Contact of port 0', { Contact: '<sip:192.0.2.1:0>' }],
    ['a Contact that is far too long', { Contact: `<sip:${'x'.repeat(3_000)}@192.0.2.1>` }],
    ['a Path that cannot be read', { Path: 'oops' }],
    ['* that is none', { Contact: '*' }],
    [
      'P-headers of the core',
      { 'P-Visited-Network-ID': '"v"', 'P-Charging-Vector': 'icid-value=1' },
    ],
  ])('with %s is answered 200, and registers', async (_, headers) => {
    const answer = await scscf.ask(scscf.thirdParty({ Expires: '600', ...headers }));
    expect(status(answer)).toBe(200);
    expect(await bindings()).toHaveLength(1);
    expect(await types()).toEqual(['SubscriberRegistered']);
  });

  test('is answered before any push that it causes (T-32)', async () => {
    await scscf.ask(sipRequest('MESSAGE', scscf.branch(), {}, { body: 'hi' }));
    line.send(scscf.thirdParty());
    expect(status(String(await line.next()))).toBe(200);
    expect(String(await line.next())).toMatch(/^INVITE sip:alice@example.org /);
  });

  test('again, word for word in a new transaction → the same answer, no second trigger', async () => {
    const once = { 'Call-ID': 'o', CSeq: '7 REGISTER', Expires: '600' };
    const first = await scscf.ask(scscf.thirdParty(once));
    const second = await scscf.ask(scscf.thirdParty(once));
    expect(headerOf(second, 'Contact')).toBe(headerOf(first, 'Contact'));
    expect(await types()).toEqual(['SubscriberRegistered']);
  });

  test('with a lower CSeq → 200, and nothing happens, also when it deregisters', async () => {
    const ordered = (CSeq: string, Expires: string) =>
      scscf.ask(scscf.thirdParty({ 'Call-ID': 'o', CSeq, Expires }));
    expect(status(await ordered('7 REGISTER', '600'))).toBe(200);
    expect(status(await ordered('6 REGISTER', '0'))).toBe(200);
    expect(await bindings()).toMatchObject([{ cseq: 7 }]);
    expect(await types()).toHaveLength(1);
  });

  test('that refreshes without any change is a trigger like the first (A-33)', async () => {
    const ordered = (CSeq: string) =>
      scscf.ask(scscf.thirdParty({ 'Call-ID': 'o', CSeq, Expires: '600' }));
    await ordered('1 REGISTER');
    await ordered('2 REGISTER');
    await scscf.ask(scscf.thirdParty({ Expires: '600' }));
    expect(await types()).toEqual(Array.from({ length: 3 }, () => 'SubscriberRegistered'));
    expect(await bindings()).toHaveLength(1);
  });

  test.each([
    ['by the client', sip(ueRegister({ Expires: '0' }))],
    ['by the network, with nothing inside', undefined],
    ['with the tag inside all the same', sip(ueRegister())],
  ])('with Expires: 0, %s → deregistered', async (_, content) => {
    await scscf.ask(scscf.thirdParty({ Expires: '600' }, sip(ueRegister())));
    const answer = await scscf.ask(scscf.thirdParty({ Expires: '0' }, content));
    expect([status(answer), headerOf(answer, 'Contact')]).toEqual([200, '']);
    expect(await stage.registration()).toMatchObject({ bindings: [], expiresAt: null });
    // There is nothing left to deregister.
    await scscf.ask(scscf.thirdParty({ Expires: '0' }, content));
    expect(await types()).toEqual(['SubscriberRegistered', 'SubscriberDeregistered']);
  });

  test('leaves its Path with the binding, and finds it in the answer [RFC 3327 §5.3]', async () => {
    const values = ['<sip:term@192.0.2.1:6060;lr>', '"P" <sip:p.example.org;lr;x=y>'];
    const answer = await scscf.ask(scscf.thirdParty({ Path: values.join(', ') }));
    expect(answer.match(/^Path: .*$/gm)).toEqual(values.map((value) => `Path: ${value}`));
    expect(await bindings()).toMatchObject([{ path: values }]);
  });

  const available = fixturesAvailable();
  test.skipIf(!available)(
    `of the worked example a3, answered as a4${available ? '' : ' (SKIPPED: no fixtures)'}`,
    async () => {
      const stream = scscfOn(await stage.peer.connect(stage.tcp));
      const answer = await stream.ask(fixture('a3_third_party_REGISTER'));
      for (const name of ['From', 'Call-ID', 'CSeq', 'Contact']) {
        expect(headerOf(answer, name)).toBe(headerOf(fixture('a4_200_REGISTER'), name));
      }
      expect(headerOf(answer, 'Date')).toMatch(/ GMT$/);
      expect(await bindings()).toMatchObject([{ im: 'embedded' }]);
    },
  );
});
