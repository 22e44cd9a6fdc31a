/** A MESSAGE for a client that is there: passed on through the core, or kept when it gets nowhere. */
import { afterEach, describe, expect, test } from 'vitest';
import {
  answerTo,
  type ForwardStage,
  forwardStage,
  message,
  statusOf,
} from '../../controls/forward-stage.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import { ALICE, sipRequest } from '../../controls/sip-agent-stage.ts';
import { until } from '../../controls/transport-stage.ts';

let stage: ForwardStage;
afterEach(() => stage.close());

const KEPT = ['SubscriberRegistered', 'MessageDeferred'];

/** Sends it and plays the client; what the core got, and what the sender was told. */
async function through(request: string, answer: (forwarded: Buffer) => string) {
  stage.sender.send(request);
  const core = await stage.core();
  const forwarded = await core.next();
  core.send(answer(forwarded));
  return { forwarded: String(forwarded), answer: String(await stage.sender.next()) };
}

/** Resolves when so many lines of the journal match. */
async function journaled(line: RegExp, count: number): Promise<void> {
  for (let looks = 0; looks < 400; looks += 1) {
    if ((await stage.journal()).filter((one) => line.test(one)).length >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`the journal has not ${count} of ${line}`);
}

/** What a core makes of it that hands it back. */
function onceMore(forwarded: string, branch: string): string {
  const via = `Via: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK${branch}\r\n`;
  return forwarded.replace(/^Route:.*\r\n/m, '').replace('Via:', `${via}Via:`);
}

describe('online: passed on', () => {
  test("with our Via and one hop less; the sender has the client's 200 [RFC 3261 §16.6, §16.7]", async () => {
    stage = await forwardStage();
    await stage.online();
    const sent = message('m1', { Subject: 'a,  b', 'X-Odd': ';' });
    const { forwarded, answer } = await through(sent, (request) =>
      answerTo(request, '200 Received', ['Server: phone']),
    );
    const [, via = ''] = forwarded.split('\r\n');
    expect(via).toMatch(/^Via: SIP\/2\.0\/TCP 127\.0\.0\.1:\d+;branch=z9hG4bK/);
    const mine = new RegExp(`^${via}\\r\\n|;received=[^\\r]+|^Route:.*\\r\\n`, 'gm');
    const back = forwarded.replace(mine, '').replace(/rport=\d+/, 'rport');
    expect(back.replace('Max-Forwards: 69', 'Max-Forwards: 70')).toBe(sent);
    expect(answer).toMatch(/^SIP\/2\.0 200 Received\r\n/);
    expect(headerOf(answer, 'Server')).toBe('phone');
    expect(headerOf(answer, 'Via')).toContain('branch=z9hG4bKm1');
    expect(answer.match(/^Via:/gm)).toHaveLength(1);
    expect(await stage.story()).toEqual(['mailbox SubscriberRegistered']);
    expect((await stage.journal()).slice(1)).toEqual([
      ...[`< MESSAGE ${ALICE} SIP/2.0`, `> MESSAGE ${ALICE} SIP/2.0`],
      ...['< SIP/2.0 200 Received', '> SIP/2.0 200 Received'],
    ]);
    expect(stage.forwards).toEqual(['relayed 200']);
  });

  test.each([
    '202 Accepted',
    '302 Moved',
    '403 Forbidden',
    '415 No',
    '486 Busy Here',
    '488 No',
    '600 Busy',
    '603 Decline',
  ])("%s is the sender's, and nothing is kept [A-47]", async (status) => {
    stage = await forwardStage();
    await stage.online();
    const { answer } = await through(message('m1'), (request) => answerTo(request, status));
    expect(answer).toMatch(`SIP/2.0 ${status}`);
    expect(await stage.story()).toEqual(['mailbox SubscriberRegistered']);
  });

  test("a challenge is the sender's, word for word [RFC 3261 §16.7 step 7]", async () => {
    stage = await forwardStage();
    await stage.online();
    const challenge = 'Proxy-Authenticate: Digest realm="a", nonce="b"';
    const { answer } = await through(message('m1'), (request) =>
      answerTo(request, '407 Proxy Authentication Required', [challenge]),
    );
    expect(answer).toContain(`\r\n${challenge}\r\n`);
  });

  test('Expires: 0 is delivered now or never [RFC 3428 §7]', async () => {
    stage = await forwardStage();
    await stage.online();
    const now = await through(message('m1', { Expires: '0' }), (r) => answerTo(r, '200 OK'));
    const never = await through(message('m2', { Expires: '0' }), (r) => answerTo(r, '480 Away'));
    expect([now, never].map(({ answer }) => statusOf(answer))).toEqual([200, 480]);
    expect(await stage.story()).toEqual(['mailbox SubscriberRegistered']);
  });
});

describe('not passed on', () => {
  const past = new Date(Date.now() - 60_000).toUTCString();
  test.each([
    ['too large → 413 [RFC 3428 §8]', {}, 'x'.repeat(66_000), 413],
    ['no longer valid → 480 [RFC 3428 §7]', { Date: past, Expires: '5' }, 'hi', 480],
    ['no hop left → 483 [RFC 3261 §16.3]', { 'Max-Forwards': '0' }, 'hi', 483],
    ['a Route that cannot be read → 400 [RFC 3261 §16.3]', { Route: 'x y' }, 'hi', 400],
    [
      'what is required of a proxy cannot be done → kept [RFC 3261 §16.3]',
      { 'Proxy-Require': 'x' },
      'hi',
      202,
    ],
  ])('%s', async (_, headers, body, expected) => {
    stage = await forwardStage();
    await stage.online();
    const line = await stage.peer.connect(stage.tcp);
    line.send(message('m1', { Via: 'SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKm1', ...headers }, body));
    expect(statusOf(await line.next())).toBe(expected);
    expect(stage.forwards).toEqual([]);
  });

  test('while draining → 503 [RFC 3261 §21.5.4]', async () => {
    stage = await forwardStage();
    await stage.online();
    stage.drain();
    stage.sender.send(message('m1'));
    expect(statusOf(await stage.sender.next())).toBe(503);
  });

  test('offline → kept', async () => {
    stage = await forwardStage();
    stage.sender.send(message('m1'));
    expect(statusOf(await stage.sender.next())).toBe(202);
    expect(stage.forwards).toEqual([]);
  });

  test('behind a push that is under way → kept, so that order is [A-32]', async () => {
    stage = await forwardStage();
    stage.sender.send(message('m1'));
    await stage.sender.next();
    await stage.online();
    const core = await stage.core();
    expect(String(await core.next())).toMatch(/^INVITE /);
    stage.sender.send(message('m2'));
    expect(statusOf(await stage.sender.next())).toBe(202);
    expect(stage.forwards).toEqual([]);
    expect(core.received).toHaveLength(1);
  });

  test('a mailbox that waits for a registration is no hindrance', async () => {
    stage = await forwardStage();
    stage.sender.send(message('m1'));
    await stage.sender.next();
    await stage.online();
    const core = await stage.core();
    core.send(answerTo(await core.next(), '480 Temporarily Unavailable'));
    await core.next();
    await stage.mailboxStory(3);
    const { answer } = await through(message('m2'), (request) => answerTo(request, '200 OK'));
    expect(statusOf(answer)).toBe(200);
  });
});

describe('passed on in vain: kept', () => {
  test.each(['404', '408', '410', '430', '480', '487', '503', '504'])(
    '%s → 202; the push comes with the next registration, not at once [A-47]',
    async (status) => {
      stage = await forwardStage();
      await stage.online();
      const { answer } = await through(message('m1'), (r) => answerTo(r, `${status} No`));
      expect(statusOf(answer)).toBe(202);
      expect(await stage.mailboxStory(2)).toEqual(KEPT);
      expect(stage.forwards).toEqual([`deferred ${status}`]);
      // Another message right after it waits with it: nobody is asked again so soon.
      stage.sender.send(message('m2'));
      expect(statusOf(await stage.sender.next())).toBe(202);
      expect(await stage.mailboxStory(3)).toEqual([...KEPT, 'MessageDeferred']);
      await stage.online();
      expect(String(await (await stage.core()).next())).toMatch(/^INVITE /);
    },
  );

  test('the client is gone meanwhile: the message waits for it', async () => {
    stage = await forwardStage();
    await stage.online();
    stage.sender.send(message('m1'));
    const core = await stage.core();
    const forwarded = await core.next();
    await stage.online({ Expires: '0' });
    core.send(answerTo(forwarded, '480 Gone'));
    expect(statusOf(await stage.sender.next())).toBe(202);
    expect(await stage.story()).toEqual([
      ...['mailbox SubscriberRegistered', 'mailbox SubscriberDeregistered'],
      'mailbox MessageDeferred',
    ]);
  });

  test('the core is not there → 202 [RFC 3261 §8.1.3.1]', async () => {
    stage = await forwardStage();
    await stage.online();
    await stage.closeCore();
    stage.sender.send(message('m1'));
    expect(statusOf(await stage.sender.next())).toBe(202);
    expect(stage.forwards).toEqual(['deferred 503']);
  });

  test('nobody answers in time → 202; a late 200 withdraws it [RFC 4320 §4.2]', async () => {
    stage = await forwardStage({ seconds: 1 });
    await stage.online();
    stage.sender.send(message('m1'));
    const core = await stage.core();
    const forwarded = await core.next();
    expect(statusOf(await stage.sender.next())).toBe(202);
    expect(stage.forwards).toEqual(['deferred 408']);
    core.send(answerTo(forwarded, '200 OK'));
    await until(() => stage.forwards.length === 2);
    expect(stage.forwards[1]).toBe('withdrawn 200');
    expect(await stage.mailboxStory(3)).toEqual([...KEPT, 'MessageDeleted']);
    expect(stage.faults).toEqual([]);
  });

  test('stopped before the client answered: no 202 was said', async () => {
    stage = await forwardStage();
    await stage.online();
    stage.sender.send(message('m1'));
    const core = await stage.core();
    await core.next();
    await stage.agent.close();
    expect(stage.sender.received).toEqual([]);
    expect(await stage.story()).toEqual(['mailbox SubscriberRegistered']);
  });
});

test('a drain waits for the answer of a client that is asked', async () => {
  stage = await forwardStage();
  await stage.online();
  stage.sender.send(message('m1'));
  const core = await stage.core();
  const forwarded = await core.next();
  stage.drain();
  const drained = stage.agent.drain(10_000);
  core.send(answerTo(forwarded, '200 OK'));
  await drained;
  expect(statusOf(await stage.sender.next())).toBe(200);
});

test('2,000 clients that say nothing: who comes then is kept at once, nobody gets 503', async () => {
  stage = await forwardStage();
  await stage.online();
  const line = await stage.peer.connect(stage.tcp);
  for (let n = 0; n <= 2_000; n += 1) {
    line.send(message(`m${n}`, { Via: `SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKm${n}` }));
  }
  const answer = String(await line.next());
  expect(statusOf(answer)).toBe(202);
  expect(headerOf(answer, 'Call-ID')).toMatch(/^m2000@/);
  expect(line.received).toHaveLength(1);
});

describe('the same message again', () => {
  test('by another way while the client is asked: asked once, one answer for both', async () => {
    stage = await forwardStage();
    await stage.online();
    const same = { 'Call-ID': 'one' };
    stage.sender.send(message('m1', same));
    const core = await stage.core();
    const forwarded = await core.next();
    stage.sender.send(message('m2', same));
    stage.sender.send(message('m1', same));
    await journaled(/^< MESSAGE/, 2);
    core.send(answerTo(forwarded, '486 Busy Here'));
    const answers = [await stage.sender.next(), await stage.sender.next()];
    expect(answers.map(statusOf)).toEqual([486, 486]);
    stage.sender.send(message('m3', same));
    expect(statusOf(await stage.sender.next())).toBe(486);
    expect(core.received).toHaveLength(1);
  });

  test('hears what the client takes instead, like the first [RFC 3261 §21.4.13]', async () => {
    stage = await forwardStage();
    await stage.online();
    const same = { 'Call-ID': 'one' };
    await through(message('m1', same), (r) => answerTo(r, '415 No', ['Accept: text/html']));
    stage.sender.send(message('m2', same));
    const answer = await stage.sender.next();
    expect([statusOf(answer), headerOf(answer, 'Accept')]).toEqual([415, 'text/html']);
  });

  test('after it was kept: 202 again, kept once', async () => {
    stage = await forwardStage();
    await stage.online();
    const same = { 'Call-ID': 'one' };
    await through(message('m1', same), (request) => answerTo(request, '480 Away'));
    stage.sender.send(message('m2', same));
    expect(statusOf(await stage.sender.next())).toBe(202);
    expect((await stage.mailboxStory(2)).filter((type) => type === 'MessageDeferred')).toHaveLength(
      1,
    );
  });

  test('from the core that was to take it on: 482 there, kept here, no storm [RFC 3261 §16.3]', async () => {
    stage = await forwardStage();
    await stage.online();
    stage.sender.send(message('m1'));
    const core = await stage.core();
    const forwarded = String(await core.next());
    const other = await stage.peer.datagrams(stage.udp);
    other.send(onceMore(forwarded, 'core'));
    expect(statusOf(await other.next())).toBe(482);
    core.send(answerTo(forwarded, '482 Loop Detected'));
    expect(statusOf(await stage.sender.next())).toBe(202);
    expect(stage.forwards).toEqual(['looped 482', 'deferred 482']);
    expect(await stage.mailboxStory(2)).toEqual(KEPT);
  });

  test('a spiral to another subscriber is no loop [RFC 3261 §16.6 step 8]', async () => {
    stage = await forwardStage();
    await stage.online();
    stage.sender.send(message('m1'));
    const core = await stage.core();
    const forwarded = String(await core.next());
    const carol = onceMore(forwarded, 'spiral').replace(ALICE, 'sip:carol@example.org');
    const other = await stage.peer.datagrams(stage.udp);
    other.send(carol);
    expect(statusOf(await other.next())).toBe(202);
  });
});

test('a request that is no MESSAGE is not passed on: OPTIONS is answered here', async () => {
  stage = await forwardStage();
  await stage.online();
  stage.sender.send(sipRequest('OPTIONS', 'o1'));
  expect(statusOf(await stage.sender.next())).toBe(200);
});
