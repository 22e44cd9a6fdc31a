/** Names looked up at a real DNS server: what comes back, how long it is kept, what a failure says. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { dnsLookup } from '../../../src/adapters/sip/routing/dns-lookup.ts';
import { type DnsRecords, dnsServer, dnsServerAvailable } from '../../controls/dns-server.ts';
import { hostClock } from '../../controls/transport-stage.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A clock whose `now` a test moves on; its timers are the host's. */
function movable() {
  let aheadMs = 0;
  const clock = { ...hostClock, now: () => hostClock.now() + aheadMs };
  return {
    clock,
    advance(ms: number) {
      aheadMs += ms;
    },
  };
}

async function lookupAt(records: DnsRecords) {
  const server = await dnsServer(records);
  const { clock, advance } = movable();
  const lookup = dnsLookup({ servers: [server.address], clock });
  closing.push(() => lookup.close(), server.close);
  return { server, lookup, advance };
}

describe.skipIf(!dnsServerAvailable())('over dnsmasq', () => {
  test('each kind of record', async () => {
    const { lookup } = await lookupAt({
      hosts: ['core.test,192.0.2.1,2001:db8::1'],
      services: ['_sip._udp.core.test,core.test,5070,1,2'],
      rules: ['core.test,10,20,s,SIP+D2U,,_sip._udp.core.test'],
    });
    const found = (...records: unknown[]) => ({ kind: 'found', records });
    expect(await lookup.a('core.test')).toEqual(found('192.0.2.1'));
    expect(await lookup.aaaa('core.test')).toEqual(found('2001:db8::1'));
    expect(await lookup.srv('_sip._udp.core.test')).toEqual(
      found({ target: 'core.test', port: 5070, priority: 1, weight: 2 }),
    );
    expect(await lookup.naptr('core.test')).toEqual(
      found({
        ...{ order: 10, preference: 20, flags: 's', service: 'SIP+D2U', regexp: '' },
        replacement: '_sip._udp.core.test',
      }),
    );
  });

  test('a name or a type that is not there → no records, which is remembered', async () => {
    const { lookup, server, advance } = await lookupAt({ hosts: ['core.test,192.0.2.1'] });
    const none = { kind: 'found', records: [] };
    expect(await lookup.a('other.test')).toEqual(none);
    expect(await lookup.aaaa('core.test')).toEqual(none);
    await lookup.a('other.test');
    expect(server.asked()).toEqual(['A other.test', 'AAAA core.test']);
    advance(30_001);
    await lookup.a('other.test');
    expect(server.asked()).toHaveLength(3);
  });

  test('many at a time → one question; again only when its TTL is over', async () => {
    const { lookup, server, advance } = await lookupAt({
      ...{ hosts: ['core.test,192.0.2.1'], ttlSeconds: 7 },
    });
    await Promise.all(Array.from({ length: 50 }, () => lookup.a('core.test')));
    advance(6_000);
    await lookup.a('core.test');
    expect(server.asked()).toEqual(['A core.test']);
    advance(1_001);
    await lookup.a('core.test');
    expect(server.asked()).toEqual(['A core.test', 'A core.test']);
  });

  test('a server that is gone → what it said last, for a day [RFC 8767 §5]', async () => {
    const server = await dnsServer({ hosts: ['core.test,192.0.2.1'] });
    const { clock, advance } = movable();
    const lookup = dnsLookup({ servers: [server.address], clock });
    closing.push(() => lookup.close());
    const found = { kind: 'found', records: ['192.0.2.1'] };
    expect(await lookup.a('core.test')).toEqual(found);
    await server.close();
    advance(3_600_000);
    expect(await lookup.a('core.test')).toEqual(found);
    advance(86_400_000);
    expect(await lookup.a('core.test')).toMatchObject({ kind: 'failed' });
  });

  test('a server that refuses → failed, with its name, and asked again soon', async () => {
    const { lookup, server, advance } = await lookupAt({});
    const failed = await lookup.a('core.example.org');
    expect(failed).toMatchObject({ kind: 'failed', reason: expect.stringContaining('REFUSED') });
    expect(failed).toMatchObject({ reason: expect.stringContaining('127.0.0.1:') });
    await lookup.a('core.example.org');
    expect(server.asked()).toHaveLength(1);
    advance(2_001);
    await lookup.a('core.example.org');
    expect(server.asked()).toHaveLength(2);
  });
});

test('a server that says nothing → failed within five seconds', async () => {
  const silent = createSocket('udp4').bind(0, '127.0.0.1');
  await once(silent, 'listening');
  const servers = [`127.0.0.1:${silent.address().port}`];
  const due: (() => void)[] = [];
  const clock = {
    ...hostClock,
    timer(delayMs: number, callback: () => void) {
      expect(delayMs).toBe(5_000);
      due.push(callback);
      return () => {};
    },
  };
  const lookup = dnsLookup({ servers, clock });
  closing.push(
    () => lookup.close(),
    () => silent.close(),
  );
  const asked = lookup.srv('_sip._udp.core.test');
  await once(silent, 'message');
  for (const callback of due) callback();
  expect(await asked).toMatchObject({
    kind: 'failed',
    reason: expect.stringContaining('ETIMEOUT'),
  });
});

test("the hosts file of the system counts, when the system's servers are asked", async () => {
  const lookup = dnsLookup({ servers: [], clock: hostClock });
  closing.push(() => lookup.close());
  expect(await lookup.a('localhost')).toEqual({ kind: 'found', records: ['127.0.0.1'] });
});
