/** Beside the table of deposit-invite: who is taken, when a refusal leaves, and what it leaves behind. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  type DepositCaller,
  depositCaller,
  type Said,
  senderSdp,
  statusOf,
} from '../../controls/deposit-caller.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';

const TAG = '+g.oma.sip-im.large-message';
const SERVICE = 'urn:urn-7:3gpp-service.ims.icsi.oma.cpm.largemsg';
/** Neither tagged nor one-way: only what is beside it can make it a message. */
const BOTH_WAYS = senderSdp({ direction: 'a=sendrecv' });

let caller: DepositCaller;
afterEach(async () => {
  expect(caller.stage.faults).toEqual([]);
  await caller.close();
});

async function invited(said: Said, options: Parameters<typeof depositCaller>[0] = {}) {
  caller = await depositCaller(options);
  const answer = await caller.ask('INVITE', 1, said);
  const to = headerOf(answer, 'To');
  if (statusOf(answer) >= 300) caller.say('ACK', 1, { branch: 'INVITE1', to });
  return answer;
}

describe('an INVITE that goes both ways is one for a message by [IM-11.3.2.2-1]', () => {
  it.each([
    ['the tag in Accept-Contact', { 'Accept-Contact': `*;${TAG};require;explicit` }],
    ['the tag in the compact form of it', { a: `*;${TAG};require` }],
    ['the tag behind another in Accept-Contact', { 'Accept-Contact': `*;audio, *;${TAG}` }],
    [
      'the service in Accept-Contact, escaped',
      { 'Accept-Contact': `*;+g.3gpp.icsi-ref="${SERVICE.replaceAll(':', '%3A')}"` },
    ],
    ['the service in P-Asserted-Service', { 'P-Asserted-Service': SERVICE }],
    ['the service in P-Preferred-Service', { 'P-Preferred-Service': SERVICE }],
  ] as const)('%s → 200, rule 2', async (_, headers) => {
    expect(statusOf(await invited({ headers, body: BOTH_WAYS }))).toBe(200);
    expect((await caller.event('DepositOffered')).data).toMatchObject({ rule: 2 });
  });

  it.each([
    ['the tag of a chat', { 'Accept-Contact': '*;+g.oma.sip-im;require;explicit' }],
    ['the service of a chat', { 'P-Asserted-Service': SERVICE.replace('largemsg', 'session') }],
  ] as const)('but not %s → 480', async (_, headers) => {
    expect(statusOf(await invited({ headers, body: BOTH_WAYS }))).toBe(480);
  });
});

describe('a line that no message could come by → 488 with Warning [RFC 3261 §21.4.26]', () => {
  it.each([
    ['an m-line of another kind', senderSdp({ media: 'm=audio 4000 RTP/AVP 0', path: '' }), /MSRP/],
    ['no path', senderSdp({ path: '' }), /path/],
    [
      'a path of TLS on a line without',
      senderSdp({ path: 'a=path:msrps://127.0.0.1:7394/s;tcp', setup: 'a=setup:passive' }),
      /./,
    ],
    [
      'TLS, which is not listened for',
      senderSdp({ media: 'm=message 7394 TCP/TLS/MSRP *' }),
      /TLS/,
    ],
    ['an SDP that cannot be read', 'v=1\r\n', /SDP .*RFC 8866 section 5\.1/],
    ['no SDP and no tag', '', /./],
  ] as const)('%s', async (_, body, why) => {
    const answer = await invited({ body });
    expect([statusOf(answer), headerOf(answer, 'Contact')]).toEqual([488, '']);
    expect(headerOf(answer, 'Warning')).toMatch(/^399 im-store "[^"]+"$/);
    expect(headerOf(answer, 'Warning')).toMatch(why);
    expect(await caller.types()).toEqual(['DepositRefused']);
  });

  it('no SDP, though tagged, where no offer of ours is allowed [A-02]', async () => {
    const headers = { 'Accept-Contact': `*;${TAG}` };
    const answer = await invited({ headers }, { large: { lateOffer: false } });
    expect([statusOf(answer), headerOf(answer, 'Warning')]).toEqual([
      488,
      expect.stringMatching(/^399 im-store "/),
    ]);
  });
});

describe('a refusal', () => {
  it('leaves when it is in the log [T-02]', async () => {
    caller = await depositCaller();
    caller.stage.slowAppends(150);
    caller.say('INVITE', 1, { body: BOTH_WAYS });
    await caller.pass(149);
    expect(await caller.heard()).toEqual([]);
    await caller.pass(1);
    const answer = await caller.answer('1 INVITE');
    caller.say('ACK', 1, { branch: 'INVITE1', to: headerOf(answer, 'To') });
    caller.stage.slowAppends(0);
    await caller.pass(300);
    const { data, octets } = await caller.event('DepositRefused');
    expect(data).toEqual({ account: 'sip:alice@example.org', status: 480, reason: 'rule 4' });
    expect(Buffer.from(octets ?? []).toString()).toMatch(/^INVITE sip:alice@example\.org SIP/);
  });

  it('has what every answer of the store has, and no Contact [IM-11.3.2.2-5] [IM-11.3.2.2-7] [IM-11.3.2.2-9] [A-07]', async () => {
    const answer = await invited({ body: BOTH_WAYS });
    const names = ['Server', 'Date', 'P-Asserted-Identity', 'Contact'];
    expect(names.map((name) => headerOf(answer, name))).toEqual([
      ...['IM-serv/OMA1.0 restante/test', 'Sun, 22 Nov 2026 09:20:00 GMT'],
      ...['<sip:im-store@example.org>', ''],
    ]);
    expect(headerOf(answer, 'To')).toMatch(/;tag=im-[0-9a-f]{24}$/);
  });

  it('opens no session, keeps no message, and makes no dialog', async () => {
    const answer = await invited({ body: BOTH_WAYS });
    const to = headerOf(answer, 'To');
    expect(statusOf(await caller.ask('BYE', 2, { to }))).toBe(481);
    expect(caller.stage.senders.opened.size).toBe(0);
    expect(await caller.stage.mailbox()).toEqual([]);
    expect(await caller.types()).toEqual(['DepositRefused']);
  });

  it('says which type and which coding would be taken [RFC 3261 §8.2.3]', async () => {
    const cpim = await invited({ body: 'hi', headers: { 'Content-Type': 'message/cpim' } });
    expect([statusOf(cpim), headerOf(cpim, 'Accept')]).toEqual([415, 'application/sdp']);
    await caller.close();
    const coded = await invited({ body: 'gz', headers: { 'Content-Encoding': 'gzip' } });
    expect([statusOf(coded), headerOf(coded, 'Accept-Encoding')]).toEqual([415, 'identity']);
  });
});

describe('before it is judged at all', () => {
  it.each([
    ['nobody is served by that name', 404, 'sip:alice@example.net'],
    ['the server itself is called', 404, 'sip:example.org'],
  ] as const)('%s → %i, in the journal alone', async (_, status, uri) => {
    expect(statusOf(await invited({ uri, body: senderSdp() }))).toBe(status);
    expect(await caller.types()).toEqual([]);
    expect(await caller.stage.journal()).toContain(`< INVITE ${uri} SIP/2.0`);
  });

  it('the server drains → 503 with Retry-After, and what is open goes on [RFC 3261 §21.5.4]', async () => {
    caller = await depositCaller();
    await caller.open();
    caller.stage.drain();
    const other = { body: senderSdp(), to: '<sip:alice@example.org>', branch: 'other' };
    const answer = await caller.ask('INVITE', 1, { ...other, headers: { 'Call-ID': 'o@h' } });
    expect([statusOf(answer), headerOf(answer, 'Retry-After')]).toEqual([503, '10']);
    caller.say('ACK', 1, { branch: 'other', headers: { 'Call-ID': 'o@h' } });
    expect(await caller.leave('mid1')).toBe(200);
    expect(statusOf(await caller.ask('BYE', 2))).toBe(200);
  });

  it('the core says whom it called [A-41]', async () => {
    const headers = { 'P-Called-Party-ID': '<sip:carol@example.org>' };
    const uri = 'sip:im-store@im.example.net';
    expect(statusOf(await invited({ uri, headers, body: senderSdp() }))).toBe(200);
    expect((await caller.event('DepositOffered')).data).toMatchObject({
      account: 'sip:carol@example.org',
    });
  });
});
