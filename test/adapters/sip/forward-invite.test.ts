/** Our own push, handed back by a filter of the core: it passes through (A-36, RFC 3261 §16). */
import { afterEach, describe, expect, test } from 'vitest';
import {
  answerTo,
  type ForwardStage,
  forwardStage,
  message,
  statusOf,
} from '../../controls/forward-stage.ts';
import type { Line } from '../../controls/scripted-peer.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import { sipRequest } from '../../controls/sip-agent-stage.ts';
import { until } from '../../controls/transport-stage.ts';

let stage: ForwardStage;
afterEach(() => stage.close());

const SDP = [
  ...['v=0', 'o=- 1 1 IN IP4 127.0.0.9', 's=-', 'c=IN IP4 127.0.0.9', 't=0 0'],
  ...['m=message 7394 TCP/MSRP *', 'a=recvonly', 'a=accept-types:multipart/mixed *'],
  ...['a=path:msrp://127.0.0.9:7394/x;tcp', ''],
].join('\r\n');
const ANSWER = ['Contact: <sip:alice@127.0.0.9>', 'Content-Type: application/sdp'];

/** What an S-CSCF makes of a request that a filter hands to us: we, then it again. */
function byFilter(request: Buffer | string, branch: string, routes: readonly string[]): string {
  const via = `Via: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK${branch}\r\n`;
  const lines = routes.map((route) => `Route: ${route}\r\n`).join('');
  const without = request.toString().replace(/^Route:.*\r\n/gm, '');
  return without.replace(/^Via:/m, `${via}${lines}Via:`);
}

/** The response as the S-CSCF passes it on: its own Via is gone. */
function withoutVia(response: Buffer | string): string {
  return response.toString().replace(/^Via:.*\r\n/m, '');
}

/** Up to where the core has our push INVITE, and has handed it back to us. */
async function handedBack(routes?: readonly string[]) {
  stage = await forwardStage();
  stage.sender.send(message('m1'));
  await stage.sender.next();
  await stage.online();
  const core = await stage.core();
  const invite = await core.next();
  const filter = await stage.peer.datagrams(stage.udp);
  const back = routes ?? [
    `<sip:127.0.0.1:${stage.udp};lr>`,
    `<sip:odi-1@127.0.0.1:${stage.corePort};transport=tcp;lr>`,
  ];
  filter.send(byFilter(invite, 'f1', back));
  return { core, filter, invite: String(invite) };
}

async function statuses(line: Line, count: number): Promise<readonly number[]> {
  const all: number[] = [];
  for (let n = 0; n < count; n += 1) all.push(statusOf(await line.next()));
  return all;
}

describe('our own push, handed back', () => {
  test('is passed on by the Route that is left, and its answers come back: the push goes on', async () => {
    const { core, filter, invite } = await handedBack();
    const passed = String(await core.next());
    expect(passed.match(/^Route:.*$/gm)).toEqual([
      `Route: <sip:odi-1@127.0.0.1:${stage.corePort};transport=tcp;lr>`,
    ]);
    expect(headerOf(passed, 'Max-Forwards')).toBe('69');
    expect(passed).not.toContain('Record-Route');
    expect(passed.split('\r\n\r\n')[1]).toBe(invite.split('\r\n\r\n')[1]);
    // The core passes it to the client, and each answer back on the way that it came.
    core.send(answerTo(passed, '100 Trying'));
    core.send(answerTo(passed, '180 Ringing'));
    const ringing = String(await filter.next());
    expect(statusOf(ringing)).toBe(180);
    core.send(withoutVia(ringing));
    core.send(answerTo(passed, '200 OK', ANSWER, SDP));
    const accepted = String(await filter.next());
    expect(accepted.match(/^Via:/gm)).toHaveLength(2);
    core.send(withoutVia(accepted));
    // It does not come by us: there is no Record-Route of ours (RFC 3261 §16.6 step 4).
    const ack = String(await core.next());
    expect(ack).toMatch(/^ACK sip:alice@127\.0\.0\.9 SIP/);
    await until(() => stage.channels.size === 1);
    expect(await stage.story()).toContain('delivery InviteAnswered');
    const journal = await stage.journal();
    expect(journal.filter((line) => / INVITE /.test(line)).map((line) => line[0])).toEqual([
      ...['>', '<', '>'],
    ]);
    expect(stage.faults).toEqual([]);
  });

  test('each 2xx of a fork comes back, and a late one too [RFC 3261 §16.7 step 5]', async () => {
    const { core, filter } = await handedBack();
    const passed = String(await core.next());
    core.send(answerTo(passed, '200 OK', ANSWER, SDP));
    core.send(answerTo(passed, '200 OK', ANSWER, SDP).replaceAll(';tag=ue', ';tag=other'));
    const tags = [await filter.next(), await filter.next()].map((answer) => headerOf(answer, 'To'));
    expect(tags.map((to) => to.split('tag=')[1])).toEqual(['ue', 'other']);
  });

  test('a refusal is acknowledged on each hop, and comes back [RFC 3261 §17.1.1.3]', async () => {
    const { core, filter } = await handedBack();
    const passed = String(await core.next());
    core.send(answerTo(passed, '486 Busy Here'));
    const ack = String(await core.next());
    expect(ack).toMatch(/^ACK /);
    expect(headerOf(ack, 'Via')).toBe(headerOf(passed, 'Via'));
    const refused = String(await filter.next());
    expect(statusOf(refused)).toBe(486);
    filter.send(
      refused
        .replace(/^SIP.*/, 'ACK sip:alice@example.org SIP/2.0')
        .replace(/^CSeq.*/m, 'CSeq: 1 ACK'),
    );
    core.send(withoutVia(refused));
    expect(String(await core.next())).toMatch(/^ACK /);
    expect(await stage.mailboxStory(3)).toContain('DeliveryEnded');
  });

  test('a 503 behind us is a 500 before us, with its Retry-After [RFC 3261 §16.7 step 6]', async () => {
    const { core, filter } = await handedBack();
    core.send(answerTo(await core.next(), '503 Overloaded', ['Retry-After: 7']));
    const refused = String(await filter.next());
    expect([statusOf(refused), headerOf(refused, 'Retry-After')]).toEqual([500, '7']);
  });

  test('CANCEL is passed on when the client rings, and its 487 comes back [RFC 3261 §16.10]', async () => {
    const { core, filter, invite } = await handedBack();
    const passed = String(await core.next());
    core.send(answerTo(passed, '180 Ringing'));
    await filter.next();
    const asked = byFilter(invite, 'f1', []).split('\r\n\r\n')[0] ?? '';
    const cancelled = asked
      .replace(/^INVITE/, 'CANCEL')
      .replace(/^CSeq: 1 INVITE/m, 'CSeq: 1 CANCEL')
      .replace(/^Content-Length: \d+/m, 'Reason: SIP;cause=200\r\nContent-Length: 0');
    filter.send(`${cancelled}\r\n\r\n`);
    expect(statusOf(await filter.next())).toBe(200);
    const cancel = String(await core.next());
    expect(cancel).toMatch(/^CANCEL /);
    expect(headerOf(cancel, 'Via')).toBe(headerOf(passed, 'Via'));
    expect(headerOf(cancel, 'Reason')).toBe('SIP;cause=200');
    core.send(answerTo(cancel, '200 OK'));
    core.send(answerTo(passed, '487 Request Terminated'));
    expect(statusOf(await filter.next())).toBe(487);
  });

  test('a response to what is over goes nowhere, and says nothing of the push [RFC 6026 §8.9]', async () => {
    const { core, filter } = await handedBack();
    const passed = String(await core.next());
    core.send(answerTo(passed, '486 Busy Here').replace('branch=z9hG4bK', 'branch=z9hG4bKold'));
    core.send(answerTo(passed, '180 Ringing'));
    expect(statusOf(await filter.next())).toBe(180);
    expect(await stage.journal()).toContain('< SIP/2.0 486 Busy Here');
    expect(await stage.story()).not.toContain('delivery InviteRefused');
  });

  test("another node's push is known by the identity of the message store", async () => {
    stage = await forwardStage();
    const line = await stage.peer.datagrams(stage.udp);
    const other = { 'P-Asserted-Identity': '<sip:im-store@example.org>' };
    line.send(sipRequest('INVITE', 'i1', other));
    const core = await stage.core();
    expect(String(await core.next())).toMatch(/^INVITE sip:alice@example\.org SIP/);
    line.send(sipRequest('INVITE', 'i2', { 'P-Asserted-Identity': '<sip:bob@example.org>' }));
    expect(statusOf(await line.next())).toBe(488);
  });

  test('what a proxy is required to do cannot be done → 420 [RFC 3261 §16.3 step 5]', async () => {
    stage = await forwardStage();
    const line = await stage.peer.datagrams(stage.udp);
    const asserted = { 'P-Asserted-Identity': '<sip:im-store@example.org>' };
    line.send(sipRequest('INVITE', 'i1', { ...asserted, 'Proxy-Require': 'foo' }));
    const refused = String(await line.next());
    expect([statusOf(refused), headerOf(refused, 'Unsupported')]).toEqual([420, 'foo']);
  });
});

describe('a core that goes in circles [RFC 3261 §16.3, RFC 5393 §4.2]', () => {
  test('handed back as it was passed on → 482, once; the push is tried later', async () => {
    const { core, filter } = await handedBack([]);
    const passed = await core.next();
    filter.send(byFilter(passed, 'f2', []));
    const [looped] = await statuses(filter, 1);
    expect(looped).toBe(482);
    core.send(answerTo(passed, '482 Loop Detected'));
    await core.next();
    const back = String(await filter.next());
    expect(statusOf(back)).toBe(482);
    core.send(withoutVia(back));
    expect((await stage.mailboxStory(3)).at(-1)).toBe('DeliveryEnded');
    expect((await stage.journal()).filter((line) => line.startsWith('> INVITE'))).toHaveLength(2);
  });

  test('handed back with another Route each time → 483 at the end', async () => {
    const { core, filter } = await handedBack();
    let passed = await core.next();
    let turns = 1;
    for (; Number(headerOf(passed, 'Max-Forwards')) > 0; turns += 1) {
      const odi = `<sip:odi-x${turns}@127.0.0.1:${stage.corePort};transport=tcp;lr>`;
      filter.send(byFilter(passed, `t${turns}`, [odi]));
      passed = await core.next();
    }
    filter.send(byFilter(passed, 'last', ['<sip:odi-last@127.0.0.1;lr>']));
    await until(() => filter.received.some((answer) => statusOf(answer) === 483));
    expect(turns).toBe(70);
  });
});
