/**
 * A domain with two servers, listed by a real DNS server, the first of them dead in one way or
 * another: the push reaches the second, and the next one goes there at once.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { type DnsRecords, dnsServer, dnsServerAvailable } from '../../controls/dns-server.ts';
import { type Line, scriptedPeer } from '../../controls/scripted-peer.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import { freePort } from '../../controls/server.ts';
import { simulatedClock } from '../../controls/simulated-clock.ts';
import {
  register,
  type SipAgentStage,
  sipAgentStage,
  sipRequest,
} from '../../controls/sip-agent-stage.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const HOSTS = ['one.core.test,127.0.0.1', 'two.core.test,127.0.0.1'];

async function ask(line: Line, request: string): Promise<string> {
  line.send(request);
  return String(await line.next());
}

async function opened(nextHop: string | undefined, records: DnsRecords) {
  const server = await dnsServer({ hosts: HOSTS, ...records });
  closing.push(server.close);
  const stage = await sipAgentStage({
    ...(nextHop === undefined ? {} : { nextHop }),
    dnsServers: [server.address],
  });
  closing.push(() => stage.close());
  const line = await stage.peer.datagrams(stage.udp);
  return { server, stage, line };
}

/** A message waits, and the client comes: its push begins. */
async function push(line: Line, user: string, contact = 'sip:192.0.2.200'): Promise<void> {
  const uri = `sip:${user}@example.org`;
  const [To, From] = [`<${uri}>`, `<${uri}>;tag=a`];
  await ask(line, sipRequest('MESSAGE', `m${user}`, { To }, { uri, body: 'hi' }));
  const Contact = `<${contact}>;+g.oma.sip-im`;
  const answer = await ask(line, register(`r${user}`, { To, From, Contact }));
  expect(answer).toMatch(/^SIP\/2\.0 200 /);
}

/** Two servers of the domain: priority 0 and 1. */
function listed(transport: 'udp' | 'tcp', first: number, second: number): DnsRecords {
  const service = `_sip._${transport}.core.test`;
  return {
    services: [`${service},one.core.test,${first},0,0`, `${service},two.core.test,${second},1,0`],
  };
}

async function sentTo(stage: SipAgentStage): Promise<number> {
  return (await stage.journal()).filter((entry) => entry.startsWith('> INVITE')).length;
}

describe.skipIf(!dnsServerAvailable())('a next hop with two servers (RFC 3263 §4.3)', () => {
  test('the first refuses the connection → the second; the next push goes there at once', async () => {
    const peer = scriptedPeer();
    closing.push(() => peer.close());
    // Not one that the system gives to others, nor to the connection that is to be refused.
    const dead = await freePort();
    const second = await peer.listen();
    const records = listed('tcp', dead, second.port);
    const { stage, line, server } = await opened('sip:core.test;transport=tcp', records);
    await ask(line, sipRequest('MESSAGE', 'early', {}, { body: 'hi' }));
    expect(server.asked()).toEqual([]);
    await push(line, 'alice');
    const core = await second.accepted();
    const invite = String(await core.next());
    expect(invite).toMatch(/^INVITE sip:alice@example\.org SIP/);
    expect(headerOf(invite, 'Route')).toBe('<sip:core.test;transport=tcp;lr>');
    expect(await sentTo(stage)).toBe(2);
    await push(line, 'bob');
    expect(String(await core.next())).toMatch(/^INVITE sip:bob@/);
    expect(await sentTo(stage)).toBe(3);
    // One look-up of each name serves both.
    expect(server.asked().filter((asked) => asked.startsWith('SRV'))).toEqual([
      'SRV _sip._tcp.core.test',
    ]);
  });

  test.each(['503 Service Unavailable', '100 Trying then 503'])(
    'the first answers %s → the second, identical but for the branch',
    async (answer) => {
      const peer = scriptedPeer();
      closing.push(() => peer.close());
      const [one, two] = [await peer.listen(), await peer.listen()];
      const records = listed('tcp', one.port, two.port);
      const { line, stage } = await opened('sip:core.test;transport=tcp', records);
      await push(line, 'alice');
      const first = await one.accepted();
      const invite = String(await first.next());
      const mirrored = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map(
        (name) => `${name}: ${headerOf(invite, name)}`,
      );
      for (const status of answer.split(' then ')) {
        const lines = [`SIP/2.0 ${status}`, ...mirrored, 'Content-Length: 0'];
        first.send(`${lines.join('\r\n')}\r\n\r\n`);
      }
      const again = String(await (await two.accepted()).next());
      const branch = /branch=z9hG4bK[^\r;]+/;
      expect(again.replace(branch, '')).toBe(invite.replace(branch, ''));
      expect(branch.exec(again)).not.toEqual(branch.exec(invite));
      expect(String(await first.next())).toMatch(/^ACK /);
      expect(await stage.story()).not.toContain('delivery InviteRefused');
    },
  );

  test('the first says nothing over UDP for 4 s → the second', async () => {
    const peer = scriptedPeer();
    closing.push(() => peer.close());
    const [silent, second] = [await peer.datagrams(1), await peer.datagrams(1)];
    const records = {
      ...listed('udp', silent.local.port, second.local.port),
      rules: ['core.test,10,10,s,SIP+D2U,,_sip._udp.core.test'],
    };
    const { line, stage } = await opened('sip:core.test', records);
    await push(line, 'alice');
    expect(String(await second.next())).toMatch(/^INVITE sip:alice@/);
    expect(String(silent.received[0])).toMatch(/^INVITE sip:alice@/);
    expect(silent.received.length).toBe(4);
    expect(await sentTo(stage)).toBe(2);
  });

  test('its name cannot be looked up → told, with what to do', async () => {
    const { line, stage } = await opened('sip:core.example.org', {});
    await push(line, 'alice');
    await expect
      .poll(() => stage.faults.join('\n'))
      .toMatch(/look-up of sip:core\.example\.org: .*REFUSED/);
    // As after a 503 it is tried again by itself, without a registration.
    await expect
      .poll(async () => (await stage.events()).find(({ type }) => type === 'InviteRefused')?.data)
      .toMatchObject({ status: 503 });
  });
});

describe.skipIf(!dnsServerAvailable())('without a next hop', () => {
  test('a Contact with a name → where the DNS says; so do ACK and BYE [RFC 3263 §4]', async () => {
    const peer = scriptedPeer();
    closing.push(() => peer.close());
    const client = await peer.listen();
    const { line, server } = await opened(undefined, {
      services: [`_sip._tcp.phone.test,one.core.test,${client.port},0,0`],
    });
    await push(line, 'alice', 'sip:alice@phone.test;transport=tcp');
    const dialog = await client.accepted();
    const invite = String(await dialog.next());
    expect(invite).toMatch(/^INVITE sip:alice@example\.org SIP/);
    const mirrored = ['Via', 'From', 'Call-ID', 'CSeq'].map(
      (name) => `${name}: ${headerOf(invite, name)}`,
    );
    const lines = [
      ...['SIP/2.0 200 OK', ...mirrored, `To: ${headerOf(invite, 'To')};tag=ue`],
      ...['Contact: <sip:alice@phone.test;transport=tcp>', 'Content-Length: 0'],
    ];
    dialog.send(`${lines.join('\r\n')}\r\n\r\n`);
    expect(String(await dialog.next())).toMatch(/^ACK sip:alice@phone\.test;transport=tcp /);
    expect(String(await dialog.next())).toMatch(/^BYE /);
    expect(server.asked().filter((asked) => asked.startsWith('SRV'))).toHaveLength(1);
  });

  test('a Contact whose name is unknown → where its REGISTER came from', async () => {
    const { line } = await opened(undefined, {});
    await push(line, 'alice', 'sip:alice@unknown.test');
    expect(String(await line.next())).toMatch(/^INVITE sip:alice@example\.org SIP/);
  });
});

test('a try that was given up is refused late → acknowledged, and the other one goes on', async () => {
  const clock = simulatedClock(1_800_000_000_000);
  // Time goes on by itself, and leaps where the test says so.
  const going = setInterval(() => clock.advance(5), 5);
  const stage = await sipAgentStage({ clock });
  closing.push(
    () => clearInterval(going),
    () => stage.close(),
  );
  const client = await stage.peer.listen();
  const silent = await stage.peer.connect(stage.tcp);
  const Contact = `<sip:alice@127.0.0.1:${client.port};transport=tcp>;+g.oma.sip-im`;
  const via = (branch: string) => ({ Via: `SIP/2.0/TCP x;branch=z9hG4bK${branch}` });
  await ask(silent, sipRequest('MESSAGE', 'm1', via('m1'), { body: 'hi' }));
  await ask(silent, register('r1', { ...via('r1'), Contact }));
  const first = String(await silent.next());
  clock.advance(4_000);
  const answering = await client.accepted();
  const second = String(await answering.next());
  const answer = (invite: string, status: string) => {
    const mirrored = ['Via', 'From', 'Call-ID', 'CSeq'].map(
      (name) => `${name}: ${headerOf(invite, name)}`,
    );
    const to = `To: ${headerOf(invite, 'To')};tag=${status.slice(0, 3)}`;
    return `${[`SIP/2.0 ${status}`, ...mirrored, to, 'Content-Length: 0'].join('\r\n')}\r\n\r\n`;
  };
  answering.send(answer(second, '180 Ringing'));
  await expect.poll(() => stage.story()).toContain('delivery InviteProgressed');
  clock.advance(40_000);
  silent.send(answer(first, '480 Gone'));
  const ack = String(await silent.next());
  expect(ack).toMatch(/^ACK sip:alice@example\.org SIP/);
  expect(headerOf(ack, 'Via').split(';branch=')[1]).toBe(
    headerOf(first, 'Via').split(';branch=')[1],
  );
  expect(await stage.story()).not.toContain('delivery InviteRefused');
  answering.send(answer(second, '486 Busy Here'));
  expect(String(await answering.next())).toMatch(/^ACK /);
  await expect
    .poll(async () => (await stage.events()).find(({ type }) => type === 'InviteRefused')?.data)
    .toMatchObject({ status: 486 });
});
