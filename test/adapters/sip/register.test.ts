/** REGISTER as a client and an S-CSCF send it, over the engine in memory. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { judgeRegister } from '../../../src/adapters/sip/registration/judge-register.ts';
import { parseSip } from '../../../src/wire/sip/message.ts';
import type { Line } from '../../controls/scripted-peer.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import {
  register,
  type SipAgentStage,
  sipAgentStage,
  sipRequest,
} from '../../controls/sip-agent-stage.ts';

let stage: SipAgentStage;
let line: Line;
beforeEach(async () => {
  stage = await sipAgentStage();
  line = await stage.peer.datagrams(stage.udp);
});
afterEach(() => stage.close());

let sent = 0;
async function ask(request: string): Promise<string> {
  line.send(request);
  return String(await line.next());
}

/** A request with a branch of its own, so that it is never taken for a repetition. */
function branch(): string {
  sent += 1;
  return `b${sent}`;
}

const status = (answer: string) => Number(answer.split(' ')[1]);
const contact = () => `<sip:alice@127.0.0.1:${line.local.port}>;+g.oma.sip-im`;

function thirdParty(headers: Readonly<Record<string, string>> = {}, body = ''): string {
  const From = '<sip:scscf.example.org>;tag=s1';
  const Contact = `<sip:127.0.0.1:${line.local.port}>`;
  return sipRequest('REGISTER', branch(), { From, Contact, ...headers }, { body });
}

/** Answers what comes next, an INVITE, and takes the ACK. */
async function refuseInvite(): Promise<string> {
  const invite = String(await line.next());
  const mirrored = ['Via', 'From', 'Call-ID', 'CSeq'].map(
    (name) => `${name}: ${headerOf(invite, name)}`,
  );
  const to = `To: ${headerOf(invite, 'To')};tag=gone`;
  line.send(['SIP/2.0 480 Gone', ...mirrored, to, 'Content-Length: 0', '', ''].join('\r\n'));
  await line.next();
  return invite;
}

describe('a client', () => {
  test('comes back with the CSeq of old once its binding is gone → is pushed to again [RFC 3261 §10.3]', async () => {
    expect(status(await ask(sipRequest('MESSAGE', branch(), {}, { body: 'hi' })))).toBe(202);
    const again = (CSeq: number, Expires: string) =>
      register(branch(), { 'Call-ID': 'X', CSeq: `${CSeq} REGISTER`, Expires, Contact: contact() });
    expect(status(await ask(again(1, '600')))).toBe(200);
    const first = await refuseInvite();
    expect(status(await ask(again(2, '0')))).toBe(200);
    expect(status(await ask(again(1, '600')))).toBe(200);
    const second = await refuseInvite();
    expect(headerOf(second, 'Call-ID')).not.toBe(headerOf(first, 'Call-ID'));
  });

  test('has its Contact parameters back as it wrote them [RFC 3840 §6]', async () => {
    const written = ';+sip.instance="<urn:uuid:1>";reg-id=1;q=0.5;x="a\\\u0000b";methods="A;B"';
    const Contact = `${contact()}${written}`;
    const answer = await ask(register(branch(), { Contact: `${Contact};expires=90` }));
    expect(headerOf(answer, 'Contact')).toBe(
      `<sip:alice@127.0.0.1:${line.local.port}>;expires=90;+g.oma.sip-im${written}`,
    );
  });

  test('asks for too little → 423, with too old a CSeq → 500 [RFC 3261 §10.3]', async () => {
    const answer = await ask(register(branch(), { Contact: contact(), Expires: '30' }));
    expect(status(answer)).toBe(423);
    const ordered = (CSeq: string) =>
      register(branch(), { 'Call-ID': 'o', CSeq, Contact: contact() });
    expect(status(await ask(ordered('2 REGISTER')))).toBe(200);
    expect(status(await ask(ordered('1 REGISTER')))).toBe(500);
  });

  test.each([
    ['its own before the header', ';expires=90', '600', 90],
    ['the header where it has none', '', '600', 600],
    ['an hour where nothing is said', '', '', 3600],
    ['an hour for what cannot be read', ';expires=soon', '600', 3600],
    ['an hour for what is no delta-seconds', ';expires=-1', '600', 3600],
    ['a week at most', ';expires=99999999', '', 604_800],
  ])('is granted: %s [RFC 3261 §10.2.1.1]', async (_, own, Expires, granted) => {
    const answer = await ask(register(branch(), { Contact: `${contact()}${own}`, Expires }));
    expect(headerOf(answer, 'Contact')).toContain(`;expires=${granted};`);
    expect(headerOf(answer, 'Date')).toMatch(/ GMT$/);
  });

  test('asks for a little too little → 423; for nothing, it is removed [RFC 3261 §10.3]', async () => {
    for (const [seconds, expected] of [
      [1, 423],
      [59, 423],
      [60, 200],
      [0, 200],
    ] as const) {
      const Contact = `${contact()};expires=${seconds}`;
      const answer = await ask(register(branch(), { 'Call-ID': branch(), Contact }));
      expect([seconds, status(answer)]).toEqual([seconds, expected]);
      expect(headerOf(answer, 'Min-Expires')).toBe(expected === 423 ? '60' : '');
    }
    expect((await stage.registration())?.bindings).toEqual([]);
  });

  test('has all its contacts back, in their order, as each was written [RFC 3840 §6]', async () => {
    const a = '"Al, Ice" <sip:alice@192.0.2.1>;q=0.7;audio;video="TRUE"';
    const b = 'sip:alice@192.0.2.2;+g.oma.sip-im;description="<a;b,c>"';
    await ask(register(branch(), { Contact: `${a}, ${b}` }));
    const answer = await ask(register(branch()));
    expect(answer.match(/^Contact: .*$/gm)).toEqual([
      'Contact: <sip:alice@192.0.2.1>;expires=3600;q=0.7;audio;video="TRUE"',
      'Contact: <sip:alice@192.0.2.2>;expires=3600;+g.oma.sip-im;description="<a;b,c>"',
    ]);
  });

  test.each([
    ['* with an Expires that is not 0', '*', '60', 400],
    ['* without Expires', '*', '', 400],
    ['* beside a contact', '*\r\nContact: <sip:alice@192.0.2.1>', '0', 400],
    ['what is no address', '<oops', '600', 400],
    ['* with Expires: 0', '*', '0', 200],
  ])('names %s → %i [RFC 3261 §10.3 step 6]', async (_, Contact, Expires, expected) => {
    await ask(register(branch(), { 'Call-ID': 'old', Contact: contact() }));
    expect(status(await ask(register(branch(), { Contact, Expires })))).toBe(expected);
    const left = (await stage.registration())?.bindings;
    expect(left).toHaveLength(expected === 200 ? 0 : 1);
  });

  test('removes all with an old CSeq of one of them → none is [RFC 3261 §10.3 step 6]', async () => {
    const Contact = contact();
    await ask(register(branch(), { 'Call-ID': 'a', CSeq: '5 REGISTER', Contact }));
    const other = '<sip:alice@192.0.2.1>';
    await ask(register(branch(), { 'Call-ID': 'b', CSeq: '9 REGISTER', Contact: other }));
    const star = { 'Call-ID': 'a', CSeq: '4 REGISTER', Contact: '*', Expires: '0' };
    expect(status(await ask(register(branch(), star)))).toBe(500);
    expect((await stage.registration())?.bindings).toHaveLength(2);
  });

  test.each([
    ['gruu', 420],
    ['path, outbound', 420],
    ['path', 200],
    ['oops/', 400],
  ])('requires %s → %i [RFC 3261 §10.3 step 2]', async (Require, expected) => {
    const answer = await ask(register(branch(), { Contact: contact(), Require }));
    expect(status(answer)).toBe(expected);
    if (expected === 420)
      expect(headerOf(answer, 'Unsupported')).toBe(Require.replace('path, ', ''));
  });

  test('has more contacts than may be → 403, and keeps those it has', async () => {
    const some = (from: number) =>
      Array.from({ length: 16 }, (_, n) => `<sip:alice@192.0.2.${from + n}>`).join(', ');
    expect(status(await ask(register(branch(), { Contact: some(0) })))).toBe(200);
    expect(status(await ask(register(branch(), { Contact: some(16) })))).toBe(403);
    expect((await stage.registration())?.bindings).toHaveLength(16);
    const long = `<sip:alice@192.0.2.1>;x=${'y'.repeat(3_000)}`;
    expect(status(await ask(register(branch(), { Contact: long })))).toBe(513);
  });

  test('of a sips: identity names a sip: contact → 400 [RFC 3261 §10.2.1]', async () => {
    const secure = { To: '<sips:alice@example.org>', From: '<sips:alice@example.org>;tag=1' };
    const named = (Contact: string) => ask(register(branch(), { ...secure, Contact }));
    expect(status(await named('<sip:alice@192.0.2.1>'))).toBe(400);
    expect(status(await named('<sips:alice@192.0.2.1>'))).toBe(200);
  });

  test('has a telephone number; another domain’s is none of ours', async () => {
    const of = (uri: string) => ({ To: `<${uri}>`, From: `<${uri}>;tag=1`, Contact: contact() });
    expect(status(await ask(register(branch(), of('tel:+1-555-1234'))))).toBe(200);
    expect((await stage.registration('tel:+15551234'))?.bindings).toMatchObject([
      { via: 'direct' },
    ]);
    expect(status(await ask(register(branch(), of('sip:alice@elsewhere.example'))))).toBe(404);
  });

  test('registers nobody: the domain itself → 404', async () => {
    const headers = {
      To: '<sip:example.org>',
      From: '<sip:example.org>;tag=1',
      Contact: contact(),
    };
    expect(status(await ask(register(branch(), headers)))).toBe(404);
  });
});

describe('the Path of a client’s REGISTER [RFC 3327 §5.3]', () => {
  const source = {
    transport: 'udp',
    host: '192.0.2.9',
    port: 5060,
    local: '192.0.2.1:5060',
  } as const;
  const path = ['<sip:p1.example.org;lr>', '<sip:p2.example.org;lr>'];
  const client = { kind: 'client', account: 'sip:alice@example.org' } as const;
  const core = { kind: 'core' } as const;

  test.each([
    ['of the core', core, '', path],
    ['of a client that supports it', client, 'gruu, path', path],
    ['of a client that does not', client, 'gruu', undefined],
  ])('%s', (_, requester, Supported, expected) => {
    const text = register('p', { Path: path.join(', '), Supported, Contact: '<sip:a@192.0.2.9>' });
    const parsed = parseSip(new TextEncoder().encode(text), 'exact');
    if (parsed.kind !== 'message') throw new Error(parsed.reason);
    const judged = judgeRegister(parsed.message, source, { domain: 'example.org', requester });
    expect('path' in judged ? judged.path : undefined).toEqual(expected);
  });

  test('is in the answer and with the binding; one that is no address → 400', async () => {
    const answer = await ask(register(branch(), { Path: path.join(', '), Contact: contact() }));
    expect(answer.match(/^Path: .*$/gm)).toEqual(path.map((value) => `Path: ${value}`));
    expect((await stage.registration())?.bindings).toMatchObject([{ path }]);
    expect(status(await ask(register(branch(), { Path: 'oops', Contact: contact() })))).toBe(400);
  });
});

describe('an S-CSCF for a third party [TS 24.229 §5.4.1.7]', () => {
  test('is answered 200, whatever a client would be told', async () => {
    expect(status(await ask(thirdParty({ Expires: '30' })))).toBe(200);
    const many = Array.from({ length: 40 }, (_, n) => `<sip:127.0.0.1:${n + 1}>`).join(', ');
    expect(status(await ask(thirdParty({ Contact: many })))).toBe(200);
    const ordered = (CSeq: string) => thirdParty({ 'Call-ID': 'o', CSeq });
    expect(status(await ask(ordered('2 REGISTER')))).toBe(200);
    expect(status(await ask(ordered('1 REGISTER')))).toBe(200);
  });

  test('is answered 200 while the server drains; new work is not taken', async () => {
    stage.drain();
    expect(status(await ask(thirdParty()))).toBe(200);
    expect(await stage.story()).toEqual(['mailbox SubscriberRegistered']);
    expect(status(await ask(sipRequest('MESSAGE', branch(), {}, { body: 'hi' })))).toBe(503);
    const again = sipRequest('INVITE', branch(), { To: '<sip:alice@example.org>;tag=old' });
    expect(status(await ask(again))).toBe(481);
  });

  test('deregisters from another Contact, by another call → nothing stays', async () => {
    expect(status(await ask(thirdParty({ Expires: '600' })))).toBe(200);
    expect((await stage.registration())?.bindings).toHaveLength(1);
    const other = { Contact: '<sip:127.0.0.9:5060>', Expires: '0' };
    expect(headerOf(await ask(thirdParty(other)), 'Contact')).toBe('');
    expect((await stage.registration())?.bindings).toEqual([]);
  });

  test('leaves a client of its own alone', async () => {
    expect(status(await ask(register(branch(), { Contact: contact() })))).toBe(200);
    expect(status(await ask(thirdParty()))).toBe(200);
    expect(status(await ask(thirdParty({ Expires: '0' })))).toBe(200);
    expect((await stage.registration())?.bindings).toMatchObject([{ im: 'contact' }]);
  });

  test('names no Contact: with Expires it registers, without it asks', async () => {
    expect(status(await ask(thirdParty({ Contact: '' })))).toBe(200);
    expect(await stage.registration()).toBeUndefined();
    expect(status(await ask(thirdParty({ Contact: '', Expires: '600' })))).toBe(200);
    const registered = { contact: 'sip:scscf.example.org', im: 'assumed' };
    expect((await stage.registration())?.bindings).toMatchObject([registered]);
    expect(status(await ask(thirdParty({ Contact: '', Expires: '0' })))).toBe(200);
    expect((await stage.registration())?.bindings).toEqual([]);
  });

  test.each([
    ['+g.oma.sip-im', 'embedded'],
    ['audio', false],
  ])('puts the client’s REGISTER with %s beside other parts → %s', async (tag, im) => {
    const inner = register('ue', { Contact: `<sip:alice@192.0.2.9>;${tag}` });
    const body = [
      ...['--b', 'Content-Type: application/3gpp-ims+xml', '', '<ims-3gpp version="1"/>'],
      ...['--b', 'Content-Type: message/sip', '', inner, '--b--', ''],
    ].join('\r\n');
    const type = { 'Content-Type': 'multipart/mixed;boundary="b"' };
    expect(status(await ask(thirdParty(type, body)))).toBe(200);
    expect((await stage.registration())?.bindings).toMatchObject([{ im }]);
  });
});
