/** How much is taken of whom: one address, one sender, and of all together. */
import { afterEach, describe, expect, test } from 'vitest';
import { hostDigest } from '../../../src/adapters/host/digest.ts';
import { NONCE_MS, nonces } from '../../../src/adapters/sip/access/nonces.ts';
import { sourceOf, tokenBuckets } from '../../../src/adapters/sip/access/token-buckets.ts';
import { anew, ask, authorized, clients, statusOf } from '../../controls/digest-client.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import {
  register,
  type SipAgentStage,
  sipAgentStage,
  sipRequest,
} from '../../controls/sip-agent-stage.ts';
import { until } from '../../controls/transport-stage.ts';

describe('a bucket of tokens', () => {
  let nowMs = 0;
  const buckets = (burst: number, keysMax = 3) => {
    nowMs = 0;
    return tokenBuckets({ rate: { perSecond: 10, burst }, keysMax, now: () => nowMs });
  };
  const takes = (times: number, take: () => boolean) =>
    Array.from({ length: times }, take).filter(Boolean).length;

  test('gives a burst at once, then so many a second, and never saves up more', () => {
    const { take } = buckets(5);
    expect(takes(9, () => take('a'))).toBe(5);
    nowMs += 250;
    expect(takes(9, () => take('a'))).toBe(2);
    nowMs += 60_000;
    expect(takes(9, () => take('a'))).toBe(5);
    expect(takes(9, () => take('b'))).toBe(5);
  });

  test('a fine is paid before anything is given, at most one burst', () => {
    const { take, fine } = buckets(5);
    fine('a', 1_000);
    nowMs += 500;
    expect(take('a')).toBe(false);
    nowMs += 100;
    expect(take('a')).toBe(true);
  });

  test('as many keys as are remembered; the one used longest ago goes', () => {
    const { take, size } = buckets(1);
    for (const key of ['a', 'b', 'c', 'a', 'd']) take(key);
    expect(size()).toBe(3);
    expect(['a', 'c', 'd'].map((key) => take(key))).toEqual([false, false, false]);
    expect(take('b')).toBe(true);
  });

  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::7', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
  ])('%s counts as %s', (address, source) => {
    expect(sourceOf(address)).toBe(source);
  });
});

describe('nonces', () => {
  let nowMs = 0;
  const open = (noncesMax = 100, key = 'key') => {
    nowMs = 1_000;
    const octets = new TextEncoder().encode(key);
    return nonces({ digest: hostDigest, key: octets, now: () => nowMs, noncesMax });
  };

  test('are fresh for five minutes, and known by their key alone', () => {
    const { mint, isFresh } = open();
    const nonce = mint();
    expect(mint()).not.toBe(nonce);
    const forged = [nonce.replace(/^../, 'zz'), nonce.toUpperCase(), `${nonce}0`, '', '1.1.1'];
    for (const other of [...forged, open(100, 'other').mint()]) expect(isFresh(other)).toBe(false);
    nowMs += NONCE_MS;
    expect(isFresh(nonce)).toBe(true);
    nowMs += 1;
    expect(isFresh(nonce)).toBe(false);
  });

  test('counts may overtake each other a little; each serves once [RFC 7616 §3.4]', () => {
    const { mint, count } = open();
    const nonce = mint();
    const said = (nc: number, request = 'r') => count({ user: 'a', nonce, nc }, request);
    expect([1, 3, 2].map((nc) => said(nc))).toEqual(['new', 'new', 'new']);
    expect(said(2)).toBe('repeated');
    expect(said(2, 'other')).toBe('replayed');
    expect(said(40)).toBe('new');
    expect(said(25)).toBe('new');
    expect(said(24)).toBe('replayed');
    expect(said(2)).toBe('replayed');
    nowMs += 32_001;
    expect(said(40)).toBe('replayed');
  });

  test('take memory for so many; what may be forgotten is never new again', () => {
    const { mint, count, size } = open(2);
    const minted = [1, 2, 3].map(() => {
      nowMs += 10;
      return mint();
    });
    const said = (nonce: string) => count({ user: 'a', nonce, nc: 1 }, 'r');
    expect(minted.map(said)).toEqual(['new', 'new', 'new']);
    expect(size()).toBe(2);
    expect(said(minted[0] ?? '')).toBe('replayed');
    nowMs += 1;
    expect(said(mint())).toBe('new');
    nowMs += NONCE_MS + 10;
    expect(said(mint())).toBe('new');
    expect(size()).toBe(1);
  });
});

describe('on the wire', () => {
  let stage: SipAgentStage;
  afterEach(() => stage.close());
  const LARGE = { 'User-Agent': 'x'.repeat(600) };
  const slowly = { perSecond: 0.01, burst: 3 };

  test('a stranger who sends too much is not answered, and told of once', async () => {
    stage = await sipAgentStage({ trusted: () => false, access: { sourceRate: slowly } });
    const line = await stage.peer.datagrams(stage.udp);
    for (let n = 0; n < 9; n += 1) line.send(sipRequest('OPTIONS', `o${n}`, LARGE));
    await until(() => stage.refused.length === 9 && line.received.length >= 3);
    expect(line.received.map((octets) => statusOf(String(octets)))).toEqual([403, 403, 403]);
    expect(stage.refused.filter((reason) => reason === 'source rate')).toHaveLength(6);
    expect(stage.faults).toHaveLength(1);
    expect(stage.faults[0]).toContain('more than 0.01 a second');
  });

  test('a wrong password costs as much as ten requests', async () => {
    const sourceRate = { perSecond: 0.01, burst: 12 };
    stage = await sipAgentStage({
      trusted: () => false,
      access: { sourceRate, clients: clients() },
    });
    const line = await stage.peer.datagrams(stage.udp);
    const request = register('g1', LARGE);
    const challenged = await ask(line, request);
    const as = { username: 'alice', password: 'guess' };
    expect(statusOf(await ask(line, authorized(anew(request, 'g2'), challenged, as)))).toBe(401);
    line.send(register('g3', LARGE));
    await until(() => stage.refused.includes('source rate'));
  });

  test('the core has no rate, a sender behind it has: 480, never 503 [A-08]', async () => {
    stage = await sipAgentStage({ access: { sourceRate: slowly, senderRate: slowly } });
    const line = await stage.peer.datagrams(stage.udp);
    const from = (name: string, n: number) =>
      sipRequest('MESSAGE', `${name}${n}`, {
        'P-Asserted-Identity': `<sip:${name}@example.org>`,
      });
    const statuses: number[] = [];
    for (let n = 0; n < 5; n += 1) statuses.push(statusOf(await ask(line, from('bob', n))));
    expect(statuses).toEqual([202, 202, 202, 480, 480]);
    expect(headerOf(await ask(line, from('bob', 3)), 'Retry-After')).toBe('100');
    expect(statusOf(await ask(line, from('carol', 1)))).toBe(202);
    for (let n = 0; n < 5; n += 1) {
      expect(statusOf(await ask(line, from('im-store', n)))).toBe(202);
    }
    expect(statusOf(await ask(line, sipRequest('OPTIONS', 'o1')))).toBe(200);
  });

  test('more without an answer than is taken → 503 before it takes memory', async ({ task }) => {
    const inFlightMax = 50;
    const sent = 400;
    stage = await sipAgentStage({ access: { inFlightMax } });
    const line = await stage.peer.connect(stage.tcp);
    stage.slowAppends(20);
    let unansweredMost = 0;
    const over = (branch: string) => ({ Via: `SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK${branch}` });
    for (let n = 0; n < sent; n += 1) {
      line.send(sipRequest('MESSAGE', `m${n}`, over(`m${n}`), { body: `${n}` }));
      if (n % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      unansweredMost = Math.max(unansweredMost, stage.agent.counts().unanswered);
    }
    line.send(register('r1', over('r1')));
    await until(() => line.received.length > sent);
    const answers = line.received.map(String);
    const by = (status: number) => answers.filter((answer) => statusOf(answer) === status);
    const isOf = (method: string) => (answer: string) => headerOf(answer, 'CSeq').endsWith(method);
    expect(by(200).filter(isOf('REGISTER'))).toHaveLength(1);
    expect(by(202).length + by(503).length).toBe(sent);
    expect(by(202).length).toBeGreaterThanOrEqual(inFlightMax);
    expect(unansweredMost).toBeLessThanOrEqual(inFlightMax + 1);
    const seconds = new Set(by(503).map((answer) => headerOf(answer, 'Retry-After')));
    expect(seconds.size).toBeGreaterThan(1);
    expect(stage.faults.filter((fault) => fault.includes('have no answer'))).toHaveLength(1);
    const stored = (await stage.story()).filter((event) => event === 'mailbox MessageDeferred');
    expect(stored.length).toBe(by(202).length);
    expect(await stage.journal()).not.toContain('> SIP/2.0 503 Service Unavailable');
    const told = `${by(202).length} of ${sent} stored, at most ${unansweredMost} open`;
    Object.assign(task.meta, { measured: told });
  });
});
