/** Which Routes are ours, and how long the outcome of a message is remembered. */
import { afterEach, describe, expect, test } from 'vitest';
import { ownRoute } from '../../../src/adapters/sip/forward/own-route.ts';
import { recentMessages } from '../../../src/adapters/sip/forward/recent-messages.ts';
import { dnsServer, dnsServerAvailable } from '../../controls/dns-server.ts';
import { answerTo, forwardStage, message, statusOf } from '../../controls/forward-stage.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

test.each([
  ['sip:192.0.2.1;lr', true],
  ['sip:im@192.0.2.1:5060', true],
  ['sips:192.0.2.1', true],
  ['sip:192.0.2.1;transport=tls', true],
  ['sip:[2001:DB8::1]:5062', true],
  ['sip:192.0.2.1:5070', false],
  ['sip:192.0.2.2', false],
  ['sip:192.0.2.1;transport=ws', false],
  ['tel:+1', false],
])('%s names us: %s [RFC 3261 §16.4]', (uri, expected) => {
  const own = ownRoute(() => ['192.0.2.1:5060', '192.0.2.1:5061', '[2001:db8::1]:5062']);
  expect(own.isOwn(uri)).toBe(expected);
});

test('ownRoute: a hop to our own end leads here', () => {
  const own = ownRoute(() => ['192.0.2.1:5060', '[2001:db8::1]:5060']);
  const hop = { transport: 'tcp', port: 5060, local: '' } as const;
  const hosts = ['192.0.2.1', '2001:db8::1', '192.0.2.2'];
  expect(hosts.map((host) => own.leadsHere({ ...hop, host }))).toEqual([true, true, false]);
});

describe.skipIf(!dnsServerAvailable())('a Route by name', () => {
  test('that leads to us is ours, and taken off [RFC 3261 §16.4]', async () => {
    const dns = await dnsServer({ hosts: ['im.test,127.0.0.1'] });
    const stage = await forwardStage({}, { dnsServers: [dns.address] });
    closing.push(stage.close, dns.close);
    await stage.online();
    const odi = `<sip:odi@127.0.0.1:${stage.corePort};transport=tcp;lr>`;
    stage.sender.send(message('m1', { Route: `<sip:im.test:${stage.udp};lr>, ${odi}` }));
    const core = await stage.core();
    const forwarded = await core.next();
    expect(String(forwarded).match(/^Route:.*$/gm)).toEqual([`Route: ${odi}`]);
    core.send(answerTo(forwarded, '200 OK'));
    expect(statusOf(await stage.sender.next())).toBe(200);
  });
});

describe('what became of a message', () => {
  const said = { status: 486 };

  test('is told to who sends it again within 64*T1, and forgotten then', async () => {
    let nowMs = 0;
    const recent = recentMessages(() => nowMs);
    expect(recent.verdictOf('a')).toBeUndefined();
    const pending = recent.begin('a');
    const shared = recent.verdictOf('a');
    pending.settle(said, 'kept');
    expect(await shared).toBe(said);
    nowMs = 31_999;
    expect(recent.verdictOf('a')).toBe(said);
    nowMs = 32_000;
    expect(recent.verdictOf('a')).toBeUndefined();
  });

  test('is not told when it says nothing about the next', async () => {
    const recent = recentMessages(() => 0);
    const pending = recent.begin('a');
    const shared = recent.verdictOf('a');
    pending.settle(said, 'forgotten');
    expect(await shared).toBe(said);
    expect(recent.verdictOf('a')).toBeUndefined();
  });

  test('is remembered of the last 50,000', () => {
    const recent = recentMessages(() => 0);
    for (let n = 0; n <= 50_000; n += 1) recent.begin(`m${n}`).settle(said, 'kept');
    expect([recent.verdictOf('m0'), recent.verdictOf('m1')]).toEqual([undefined, said]);
  });
});
