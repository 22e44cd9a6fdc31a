/** Our 200 to the INVITE of a sender: what it says, when it leaves, until when it is repeated. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  type DepositCaller,
  depositCaller,
  senderSdp,
  statusOf,
} from '../../controls/deposit-caller.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';

const T1_MS = 500;
/** RFC 3261 §13.3.1.4: T1, then twice as long up to T2, for 64·T1 in all. */
const REPEATED_AT_MS = [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];

let caller: DepositCaller;
afterEach(async () => {
  expect(caller.stage.faults).toEqual([]);
  await caller.close();
});

const bodyOf = (text: string) => text.slice(text.indexOf('\r\n\r\n') + 4);
const count = (told: readonly string[], what: string) =>
  told.filter((each) => each === what).length;

describe('what it says', () => {
  it('has the headers of a 2xx that makes a dialog, and those of the store [IM-11.3.2.2-4] [IM-11.3.2.2-5] [IM-11.3.2.2-6] [IM-11.3.2.2-7] [IM-11.3.2.2-9]', async () => {
    caller = await depositCaller();
    const via = `SIP/2.0/UDP scscf.example.org;rport;branch=z9hG4bKs1`;
    const headers = {
      Via: `${via}, SIP/2.0/TCP ua.example.org;branch=z9hG4bKu1`,
      'Record-Route': '<sip:p1.example.org;lr>, <sip:p2.example.org;lr>',
    };
    const success = await caller.ask('INVITE', 1, { headers, body: senderSdp() });
    const port = caller.target.split(':')[2];
    const vias = success.match(/^(?:Via: )(.*)$/gm)?.join(',');
    expect(vias).toContain('SIP/2.0/TCP ua.example.org;branch=z9hG4bKu1');
    expect(vias).toMatch(/^Via: SIP\/2\.0\/UDP scscf\.example\.org;[^,]*branch=z9hG4bKs1/);
    expect(vias).toContain(`rport=${port}`);
    expect(vias).toContain('received=127.0.0.1');
    const routes = success
      .match(/^Record-Route: .*$/gm)
      ?.join(', ')
      .replaceAll('Record-Route: ', '');
    expect(routes).toBe('<sip:p1.example.org;lr>, <sip:p2.example.org;lr>');
    expect(headerOf(success, 'To')).toMatch(/^<sip:alice@example\.org>;tag=im-[0-9a-f]{24}$/);
    const { udp } = caller.stage;
    const said = ['Contact', 'Server', 'Date', 'P-Asserted-Identity', 'Allow', 'Supported'];
    expect(said.map((name) => headerOf(success, name))).toEqual([
      `<sip:im-store@127.0.0.1:${udp};transport=udp>;+g.oma.sip-im;automata`,
      'IM-serv/OMA1.0 restante/test',
      'Sun, 22 Nov 2026 09:20:00 GMT',
      '<sip:im-store@example.org>',
      'INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE',
      'timer',
    ]);
    expect(headerOf(success, 'Content-Length')).toBe(`${bodyOf(success).length}`);
  });

  it('answers the MSRP line in its place and rejects all others [IM-11.3.2.2-8] [RFC 3264 §6]', async () => {
    caller = await depositCaller();
    const before = 'm=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000';
    const after = 'm=message 7395 TCP/MSRP *\r\na=path:msrp://127.0.0.1:7395/other;tcp';
    const success = await caller.ask('INVITE', 1, { body: senderSdp({ before, after }) });
    const [offered] = [...caller.stage.senders.opened.keys()];
    const seconds = caller.clock.now() / 1000 + 2_208_988_800;
    expect(bodyOf(success).split('\r\n')).toEqual([
      ...['v=0', `o=im-store ${seconds} ${seconds} IN IP4 127.0.0.1`, 's=-', 'c=IN IP4 127.0.0.1'],
      ...['t=0 0', 'm=audio 0 RTP/AVP 0 8', 'm=message 2855 TCP/MSRP *', 'a=recvonly'],
      ...['a=accept-types:*', 'a=setup:passive', 'a=max-size:10485760'],
      ...[`a=path:msrp://127.0.0.1:2855/s${offered};tcp`, 'm=message 0 TCP/MSRP *', ''],
    ]);
  });

  it('over TLS, where it is listened for: msrps with our fingerprint [RFC 4975 §14.4]', async () => {
    caller = await depositCaller({ msrpTls: true });
    const tls = {
      media: 'm=message 7394 TCP/TLS/MSRP *',
      path: 'a=path:msrps://127.0.0.1:7394/senderssession;tcp',
    };
    const answer = bodyOf(await caller.open({ body: senderSdp(tls) }));
    expect(answer).toContain('\r\nm=message 2855 TCP/TLS/MSRP *\r\n');
    expect(answer).toMatch(/^a=path:msrps:\/\/127\.0\.0\.1:2855\/s[0-9a-f]{24};tcp\r$/m);
    expect(answer).toContain('\r\na=fingerprint:SHA-256 AB:CD\r\n');
    const plain = { body: senderSdp(), headers: { 'Call-ID': 'plain@example.org' }, to: '' };
    const other = bodyOf(await caller.ask('INVITE', 1, { ...plain, branch: 'plain' }));
    expect(other).toContain('\r\nm=message 2855 TCP/MSRP *\r\n');
    expect(other).not.toContain('fingerprint');
  });
});

describe('when it leaves', () => {
  it('not before DepositOffered is in the log [T-02]', async () => {
    caller = await depositCaller();
    caller.stage.slowAppends(150);
    caller.say('INVITE', 1, { body: senderSdp() });
    await caller.pass(149);
    caller.stage.slowAppends(0);
    expect([await caller.heard(), await caller.types()]).toEqual([[], []]);
    await caller.pass(1);
    expect(statusOf(await caller.answer('1 INVITE'))).toBe(200);
    expect(await caller.types()).toEqual(['DepositOffered']);
  });

  it('behind a 100 when the log takes longer than 200 ms [RFC 3261 §17.2.1]', async () => {
    caller = await depositCaller();
    caller.stage.slowAppends(400);
    caller.say('INVITE', 1, { body: senderSdp() });
    await caller.pass(400);
    expect(await caller.heard()).toEqual(['100 INVITE', '200 INVITE']);
    // What is journaled waits for the same log.
    caller.stage.slowAppends(0);
    await caller.pass(800);
  });

  it('the sender is expected by MSRP before it is invited to come [IM-11.3.2.2-8]', async () => {
    caller = await depositCaller();
    await caller.ask('INVITE', 1, { body: senderSdp() });
    expect(caller.session().end).toEqual({
      path: ['msrp://127.0.0.1:7394/send...;tcp'],
      setup: 'active',
    });
  });
});

describe.each(['udp', 'tcp'] as const)('over %s', (transport) => {
  it('is repeated until the ACK, octet for octet [RFC 3261 §13.3.1.4] [T-21]', async () => {
    caller = await depositCaller({ transport });
    const success = await caller.ask('INVITE', 1, { body: senderSdp() });
    await caller.pass(3 * T1_MS);
    expect(await caller.answer('1 INVITE')).toBe(success);
    expect(await caller.answer('1 INVITE')).toBe(success);
    caller.say('ACK', 1, { to: headerOf(success, 'To') });
    await caller.event('AckReceived');
    await caller.pass(60 * T1_MS);
    expect(count(await caller.heard(), '200 INVITE')).toBe(3);
  });

  it('never acknowledged: repeated for 64·T1, then our BYE and the end [RFC 3261 §13.3.1.4] [T-21]', async () => {
    caller = await depositCaller({ transport });
    await caller.ask('INVITE', 1, { body: senderSdp() });
    await caller.leave('mid1');
    await caller.pass(64 * T1_MS - 1);
    expect(count(await caller.heard(), '200 INVITE')).toBe(1 + REPEATED_AT_MS.length);
    expect(await caller.heard()).not.toContain('BYE 1');
    await caller.pass(1);
    caller.reply(await caller.requested('BYE'), '481 Call/Transaction Does Not Exist');
    await caller.event('ByeAnswered');
    expect(await caller.types()).toEqual([
      ...['DepositOffered', 'MessageCompleted', 'MessageDeferred', 'AckMissed'],
      ...['MessageReleased', 'ByeAnswered'],
    ]);
  });
});

describe('what comes meanwhile', () => {
  it('an ACK of another CSeq or dialog → does not end the repetitions', async () => {
    caller = await depositCaller();
    const to = headerOf(await caller.ask('INVITE', 1, { body: senderSdp() }), 'To');
    caller.say('ACK', 2, { to });
    caller.say('ACK', 1, { to: '<sip:alice@example.org>;tag=im-000000000000000000000000' });
    await caller.pass(T1_MS);
    expect(count(await caller.heard(), '200 INVITE')).toBe(2);
    expect(await caller.types()).toEqual(['DepositOffered']);
  });

  it('a CANCEL behind it → 200, and the session goes on [RFC 3261 §9.2]', async () => {
    caller = await depositCaller();
    await caller.open();
    const cancel = { branch: 'INVITE1', to: '<sip:alice@example.org>' };
    expect(statusOf(await caller.ask('CANCEL', 1, cancel))).toBe(200);
    expect(await caller.leave('mid1')).toBe(200);
    expect(await caller.types()).not.toContain('DepositInterrupted');
  });

  it('a CANCEL before it → 487, cancelled in the log, no BYE and nothing stored [RFC 3261 §9.2]', async () => {
    caller = await depositCaller();
    caller.stage.slowAppends(100);
    caller.say('INVITE', 1, { body: senderSdp() });
    await caller.heard();
    caller.say('CANCEL', 1, { branch: 'INVITE1' });
    expect(statusOf(await caller.answer('1 CANCEL'))).toBe(200);
    const failure = await caller.answer('1 INVITE');
    expect(statusOf(failure)).toBe(487);
    caller.say('ACK', 1, { branch: 'INVITE1', to: headerOf(failure, 'To') });
    await caller.pass(100);
    caller.stage.slowAppends(0);
    await caller.pass(100);
    const interrupted = await caller.event('DepositInterrupted');
    expect(interrupted.data).toEqual({ cause: 'cancelled' });
    await caller.pass(64 * T1_MS);
    expect(await caller.types()).toEqual(['DepositOffered', 'DepositInterrupted']);
    expect(await caller.heard()).not.toContain('200 INVITE');
    expect(await caller.heard()).not.toContain('BYE 1');
  });
});
