/** One REGISTER of the S-CSCF reaches every identity that was registered with it (TS 24.229 §5.4.1.7). */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Line } from '../../controls/scripted-peer.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import { partsOf, type Scscf, scscfOn, ueAnswer, ueRegister } from '../../controls/scscf.ts';
import {
  ALICE,
  type SipAgentStage,
  sipAgentStage,
  sipRequest,
} from '../../controls/sip-agent-stage.ts';

const NUMBER = 'tel:+15551234';
const ALIAS = 'sip:a.liddell@example.org';
const SET =
  '<sip:alice@example.org>, <tel:+1-555-1234>, "A. L." <sip:a.liddell@EXAMPLE.org;user=x>';

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
const both = partsOf(ueRegister(), ueAnswer({ 'P-Associated-URI': SET }));
const registers = (CSeq: number, headers = {}, content = both) =>
  scscf.thirdParty({ 'Call-ID': 'set', CSeq: `${CSeq} REGISTER`, ...headers }, content);
const bindingsOf = async (account: string) => (await stage.registration(account))?.bindings;
const typesOf = async (account: string) => (await stage.mailbox(account)).map(({ type }) => type);

async function takeInvite(): Promise<string> {
  const invite = String(await line.next());
  const mirrored = ['Via', 'From', 'Call-ID', 'CSeq'].map(
    (name) => `${name}: ${headerOf(invite, name)}`,
  );
  const to = `To: ${headerOf(invite, 'To')};tag=gone`;
  line.send(['SIP/2.0 480 Gone', ...mirrored, to, 'Content-Length: 0', '', ''].join('\r\n'));
  await line.next();
  return invite;
}

describe('an implicit registration set', () => {
  test('of P-Associated-URI in the embedded 200 → each identity is registered [RFC 7315 §4.1]', async () => {
    expect(status(await scscf.ask(registers(1)))).toBe(200);
    const identities = [ALIAS, ALICE, NUMBER];
    for (const account of identities) {
      const binding = { im: 'embedded', via: 'thirdParty', callId: 'set', cseq: 1, identities };
      expect(await bindingsOf(account)).toMatchObject([binding]);
    }
  });

  test('the octets stand with the event of the registered one, the others name it', async () => {
    await scscf.ask(registers(1));
    const [first] = await stage.mailbox(ALICE);
    expect(new TextDecoder().decode(first?.octets)).toMatch(/^REGISTER /);
    expect(first?.meta.evidence).toMatchObject({ protocol: 'sip', transport: 'udp' });
    for (const account of [ALIAS, NUMBER]) {
      const [other] = await stage.mailbox(account);
      expect(other?.octets).toBeUndefined();
      expect(other?.meta.causation).toBe(first?.id);
    }
    expect(await stage.journal()).toEqual(['> SIP/2.0 200 OK']);
  });

  test.each([
    [NUMBER, NUMBER, {}],
    [ALIAS, ALIAS, {}],
    // Addressed to this server: the core says whom it called.
    [NUMBER, 'sip:im.example.org', { 'P-Called-Party-ID': '<tel:+1(555)1234>' }],
    [ALIAS, 'sip:im.example.org', { 'P-Called-Party-ID': `<${ALIAS};user=ip>` }],
  ])('a deposit for %s at %s is pushed to that identity (A-41)', async (account, uri, more) => {
    const To = `<${uri}>`;
    const deposit = sipRequest('MESSAGE', scscf.branch(), { To, ...more }, { uri, body: 'hi' });
    expect(status(await scscf.ask(deposit))).toBe(202);
    expect(status(await scscf.ask(registers(1)))).toBe(200);
    const invite = await takeInvite();
    expect(invite.split('\r\n')[0]).toBe(`INVITE ${account} SIP/2.0`);
    expect(headerOf(invite, 'To')).toBe(`<${account}>`);
  });

  test('deposits for all of them → a push for each, after the one answer (T-32)', async () => {
    for (const uri of [ALICE, NUMBER, ALIAS]) {
      const To = `<${uri}>`;
      await scscf.ask(sipRequest('MESSAGE', scscf.branch(), { To }, { uri, body: 'hi' }));
    }
    expect(status(await scscf.ask(registers(1)))).toBe(200);
    const called = new Set<string>();
    while (called.size < 3) called.add(String(await line.next()).split('\r\n')[0] ?? '');
    const invites = [ALIAS, ALICE, NUMBER].map((account) => `INVITE ${account} SIP/2.0`);
    expect([...called].sort()).toEqual(invites);
  });

  test('one of them is deregistered, by the network too → all are', async () => {
    await scscf.ask(registers(1));
    const To = `<${NUMBER}>`;
    const over = { To, 'Call-ID': 'network', Expires: '0' };
    expect(status(await scscf.ask(scscf.thirdParty(over)))).toBe(200);
    for (const account of [ALIAS, ALICE, NUMBER]) {
      expect(await stage.registration(account)).toMatchObject({ bindings: [], expiresAt: null });
    }
  });

  test('a refresh without a word of the set → reaches the recorded one, and triggers', async () => {
    await scscf.ask(registers(1));
    await scscf.ask(registers(2, { Expires: '9999' }, { type: 'message/sip', body: ueRegister() }));
    for (const account of [ALIAS, ALICE, NUMBER]) {
      expect(await bindingsOf(account)).toMatchObject([{ cseq: 2, identities: { length: 3 } }]);
      expect(await typesOf(account)).toEqual(['SubscriberRegistered', 'SubscriberRegistered']);
    }
  });

  test('an identity leaves the set → it alone is deregistered', async () => {
    await scscf.ask(registers(1));
    const smaller = { 'P-Associated-URI': `<${ALICE}>, <${ALIAS}>` };
    expect(status(await scscf.ask(registers(2, smaller, partsOf(ueRegister()))))).toBe(200);
    expect(await bindingsOf(NUMBER)).toEqual([]);
    expect(await bindingsOf(ALICE)).toMatchObject([{ cseq: 2, identities: [ALIAS, ALICE] }]);
    await scscf.ask(registers(3, { 'P-Associated-URI': '' }, partsOf(ueAnswer())));
    expect(await bindingsOf(ALIAS)).toMatchObject([{ cseq: 3 }]);
  });

  test('the same REGISTER again → the same answer, and nothing happens', async () => {
    const first = await scscf.ask(registers(1, { Expires: '9999' }));
    const again = await scscf.ask(registers(1, { Expires: '9999' }));
    expect(headerOf(again, 'Contact').split(';')[0]).toBe(headerOf(first, 'Contact').split(';')[0]);
    expect(status(await scscf.ask(registers(0)))).toBe(200);
    for (const account of [ALIAS, ALICE, NUMBER]) {
      expect(await typesOf(account)).toEqual(['SubscriberRegistered']);
      expect(await bindingsOf(account)).toMatchObject([{ cseq: 1 }]);
    }
  });

  test('a crash came between the identities → the repetition registers those that lack it', async () => {
    // What a crash leaves: one mailbox knows, the others do not.
    await scscf.ask(registers(1, { To: `<${ALIAS}>` }, partsOf(ueRegister())));
    expect(await bindingsOf(ALICE)).toBeUndefined();
    expect(status(await scscf.ask(registers(1)))).toBe(200);
    expect(await typesOf(ALIAS)).toEqual(['SubscriberRegistered']);
    expect(await typesOf(ALICE)).toEqual(['SubscriberRegistered']);
    // The octets of the repetition stand with the first event that it made.
    const [[alice], [number]] = [await stage.mailbox(ALICE), await stage.mailbox(NUMBER)] as const;
    expect(alice?.octets).toBeDefined();
    expect(number?.meta.causation).toBe(alice?.id);
  });

  test('the registered one is deregistered last: a crash before leaves the set known', async () => {
    await scscf.ask(registers(1));
    await scscf.ask(scscf.thirdParty({ 'Call-ID': 'network', Expires: '0' }));
    const last = async (account: string) => (await stage.mailbox(account)).at(-1)?.position ?? '';
    const own = await last(ALICE);
    expect([await last(ALIAS), await last(NUMBER)].every((position) => position < own)).toBe(true);
  });

  test('a deregistration comes while the set is being registered → all are deregistered', async () => {
    stage.slowAppends(50);
    const [first, second] = [await stage.peer.datagrams(stage.udp), line];
    first.send(registers(1));
    second.send(scscf.thirdParty({ 'Call-ID': 'network', Expires: '0' }));
    expect([status(String(await first.next())), status(String(await second.next()))]).toEqual([
      200, 200,
    ]);
    for (const account of [ALIAS, ALICE, NUMBER]) {
      expect(await bindingsOf(account)).toEqual([]);
    }
  });

  test('many for the identities of one set at the same time → all are answered', async () => {
    stage.slowAppends(2);
    const lines = await Promise.all(
      Array.from({ length: 12 }, () => stage.peer.datagrams(stage.udp)),
    );
    const answers = await Promise.all(
      lines.map((one, n) => {
        const To = `<${[ALICE, NUMBER, ALIAS][n % 3]}>`;
        const Expires = n % 4 === 3 ? '0' : '600';
        const headers = { To, Expires, 'Call-ID': `c${n}`, 'P-Associated-URI': SET };
        return scscfOn(one).ask(scscfOn(one).thirdParty(headers));
      }),
    );
    expect(answers.map(status)).toEqual(answers.map(() => 200));
    const rows = await Promise.all([ALICE, NUMBER, ALIAS].map((one) => stage.registration(one)));
    const last = rows.map((row) => row?.bindings.map(({ callId }) => callId));
    expect(last[1]).toEqual(last[0]);
    expect(last[2]).toEqual(last[0]);
  });

  test.each([
    ['of another domain', `<${ALICE}>, <sip:alice@elsewhere.example>`],
    ['that is a wildcard', `<${ALICE}>, <sip:room!.*!@example.org>`],
    ['that is none', `<${ALICE}>, <sip:example.org>, <urn:service:sos>`],
    ['that cannot be read', `<${ALICE}>, <oops`],
    ['but the registered one', ''],
  ])('an identity %s is not registered here', async (_, value) => {
    const content = partsOf(ueAnswer({ 'P-Associated-URI': value }));
    expect(status(await scscf.ask(registers(1, {}, content)))).toBe(200);
    const [binding] = (await bindingsOf(ALICE)) ?? [];
    expect(binding?.identities).toBeUndefined();
    expect(await stage.registration('sip:alice@elsewhere.example')).toBeUndefined();
  });

  test('more identities than any subscriber has → so many are registered, and no more', async () => {
    const many = Array.from({ length: 100 }, (_, n) => `<sip:a${n}@example.org>`).join(', ');
    expect(
      status(await scscf.ask(registers(1, { 'P-Associated-URI': many }, partsOf(ueRegister())))),
    ).toBe(200);
    expect(await bindingsOf(ALICE)).toMatchObject([{ identities: { length: 32 } }]);
    expect(await bindingsOf('sip:a99@example.org')).toBeUndefined();
  });
});
