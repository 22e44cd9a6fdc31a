/** REGISTER as a client and an S-CSCF send it, over the engine in memory. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
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

  test('registers nobody: the domain itself → 404', async () => {
    const headers = {
      To: '<sip:example.org>',
      From: '<sip:example.org>;tag=1',
      Contact: contact(),
    };
    expect(status(await ask(register(branch(), headers)))).toBe(404);
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
