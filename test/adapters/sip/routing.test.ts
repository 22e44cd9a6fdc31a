/** Where requests for a subscriber go, on the wire: by size, by Path, by connection, by Route. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { type Line, scriptedPeer } from '../../controls/scripted-peer.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import { freePort } from '../../controls/server.ts';
import {
  register,
  type SipAgentStage,
  sipAgentStage,
  sipRequest,
} from '../../controls/sip-agent-stage.ts';
import { until } from '../../controls/transport-stage.ts';

let stage: SipAgentStage;
afterEach(() => stage.close());

async function ask(line: Line, request: string): Promise<string> {
  line.send(request);
  return String(await line.next());
}

/** A client's answer to an INVITE, without SDP: it is acknowledged, and the dialog ended. */
function accepted(invite: string, headers: readonly string[]): string {
  const mirrored = ['Via', 'From', 'Call-ID', 'CSeq'].map(
    (name) => `${name}: ${headerOf(invite, name)}`,
  );
  const to = `To: ${headerOf(invite, 'To')};tag=ue`;
  return `${['SIP/2.0 200 OK', ...mirrored, to, ...headers, 'Content-Length: 0'].join('\r\n')}\r\n\r\n`;
}

describe('a push INVITE above 1300 octets [RFC 3261 §18.1.1]', () => {
  async function pushedTo(port: number, line: Line): Promise<void> {
    await ask(line, sipRequest('MESSAGE', 'm1', {}, { body: 'hi' }));
    const Path = `<sip:127.0.0.1:${port};lr>,<sip:${'p'.repeat(600)}@p2.example.org;lr>`;
    const Contact = '<sip:alice@192.0.2.200>;+g.oma.sip-im';
    const answer = await ask(line, register('r1', { Contact, Path, Supported: 'path' }));
    expect(answer).toMatch(/^SIP\/2\.0 200 /);
  }

  test('by TCP to the same host and port; Via and Contact say TCP', async () => {
    stage = await sipAgentStage();
    const client = await stage.peer.listen();
    const line = await stage.peer.datagrams(stage.udp);
    await pushedTo(client.port, line);
    const invite = String(await (await client.accepted()).next());
    expect(invite.length).toBeGreaterThan(1_300);
    expect(headerOf(invite, 'Via')).toMatch(
      new RegExp(`^SIP/2\\.0/TCP 127\\.0\\.0\\.1:${stage.tcp};`),
    );
    expect(headerOf(invite, 'Contact')).toContain(`:${stage.tcp};transport=tcp`);
  });

  test('by UDP after all where TCP is refused, as RFC 2543 would have it', async () => {
    stage = await sipAgentStage();
    const line = await stage.peer.datagrams(stage.udp);
    await pushedTo(line.local.port, line);
    const invite = String(await line.next());
    expect(invite).toMatch(/^INVITE /);
    expect(headerOf(invite, 'Via')).toMatch(/^SIP\/2\.0\/UDP /);
    expect(headerOf(invite, 'Contact')).toContain(`:${stage.udp};transport=udp`);
    expect((await stage.journal()).filter((entry) => entry.startsWith('> INVITE'))).toHaveLength(2);
  });
});

test('the Path of a registration is the way of its INVITE [RFC 3327 §5]', async () => {
  stage = await sipAgentStage();
  const proxy = await stage.peer.datagrams(stage.udp);
  const other = await stage.peer.datagrams(stage.udp);
  const Path = `<sip:127.0.0.1:${proxy.local.port};lr>,<sip:p2.example.org;lr>`;
  const Contact = '<sip:alice@192.0.2.200:5060>;+g.oma.sip-im';
  await ask(other, sipRequest('MESSAGE', 'm1', {}, { body: 'hi' }));
  const answer = await ask(other, register('r1', { Contact, Path, Supported: 'path' }));
  expect(answer).toMatch(/^SIP\/2\.0 200 /);
  const invite = String(await proxy.next());
  expect(invite).toMatch(/^INVITE sip:alice@example\.org SIP/);
  const routes = invite
    .match(/^Route: .*$/gm)
    ?.join()
    .replaceAll('Route: ', '');
  expect(routes?.replaceAll('\r', '')).toBe(Path);
});

test('a client that registered by TCP is called on that connection, whatever its Contact [RFC 5626 §3]', async () => {
  stage = await sipAgentStage();
  const line = await stage.peer.connect(stage.tcp);
  const via = (branch: string) => ({ Via: `SIP/2.0/TCP x.invalid;branch=z9hG4bK${branch}` });
  const Contact = '<sip:alice@x.invalid;transport=tcp>;+g.oma.sip-im';
  await ask(line, sipRequest('MESSAGE', 'm1', via('m1'), { body: 'hi' }));
  await ask(line, register('r1', { ...via('r1'), Contact }));
  const invite = String(await line.next());
  expect(invite).toMatch(/^INVITE /);
  // The target of the dialog is that contact, and leads to the same connection.
  expect(await ask(line, accepted(invite, [`Contact: ${Contact}`]))).toMatch(
    /^ACK sip:alice@x\.invalid;transport=tcp /,
  );
  expect(String(await line.next())).toMatch(/^BYE sip:alice@x\.invalid;transport=tcp /);
});

test('its connection is gone → its Contact is called', async () => {
  stage = await sipAgentStage();
  const client = await stage.peer.listen();
  const line = await stage.peer.connect(stage.tcp);
  const Contact = `<sip:alice@127.0.0.1:${client.port};transport=tcp>;+g.oma.sip-im`;
  const Via = 'SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKr1';
  await ask(line, register('r1', { Via, Contact }));
  line.close();
  const sender = await stage.peer.datagrams(stage.udp);
  await ask(sender, sipRequest('MESSAGE', 'm1', {}, { body: 'hi' }));
  const dialog = await client.accepted();
  const invite = String(await dialog.next());
  expect(invite).toMatch(/^INVITE /);
  expect(await ask(dialog, accepted(invite, [`Contact: ${Contact}`]))).toMatch(/^ACK /);
  expect(String(await dialog.next())).toMatch(/^BYE /);
});

test.each([
  ['no address', () => 'x.invalid'],
  // As clients have it that learn their address from `rport` (RFC 3581).
  ['where it came from', (port: number) => `127.0.0.1:${port}`],
])(
  'its connection is gone, its Contact %s → whoever has its port now is not called',
  async (_, at) => {
    stage = await sipAgentStage();
    const Via = (branch: string) => `SIP/2.0/TCP x.invalid;branch=z9hG4bK${branch}`;
    // Not one that the system gives to others meanwhile.
    const port = await freePort();
    const socket = connect({ port: stage.tcp, host: '127.0.0.1', localPort: port });
    await once(socket, 'connect');
    const Contact = `<sip:alice@${at(port)};transport=tcp>;+g.oma.sip-im`;
    socket.write(register('r1', { Via: Via('r1'), Contact }));
    await once(socket, 'data');
    // Reset, so that the port is free at once.
    socket.resetAndDestroy();
    await until(() => stage.agent.counts().connections === 0);
    let called = 0;
    const heir = createServer(() => {
      called += 1;
    }).listen(port, '127.0.0.1');
    await once(heir, 'listening');
    const sender = await stage.peer.datagrams(stage.udp);
    const taken = await ask(sender, sipRequest('MESSAGE', 'm1', {}, { body: 'hi' }));
    expect(taken).toMatch(/^SIP\/2\.0 202 /);
    const back = await stage.peer.connect(stage.tcp);
    await ask(back, register('r2', { Via: Via('r2'), Contact, CSeq: '2 REGISTER' }));
    expect(String(await back.next())).toMatch(/^INVITE /);
    expect(called).toBe(0);
    heir.close();
  },
);

test('a MESSAGE above 1300 octets that is passed on goes by TCP [RFC 3261 §18.1.1]', async () => {
  const peer = scriptedPeer();
  const core = await peer.listen();
  const nextHop = `sip:127.0.0.1:${core.port};transport=udp`;
  stage = await sipAgentStage({ nextHop, forwarding: {} });
  const line = await stage.peer.datagrams(stage.udp);
  await ask(line, register('r1', { Contact: '<sip:alice@192.0.2.200>;+g.oma.sip-im' }));
  const headers = { 'Content-Type': 'text/plain' };
  line.send(sipRequest('MESSAGE', 'm1', headers, { body: 'x'.repeat(1_200) }));
  const message = String(await (await core.accepted()).next());
  expect(message).toMatch(/^MESSAGE sip:alice@example\.org SIP/);
  expect(headerOf(message, 'Via')).toMatch(/^SIP\/2\.0\/TCP /);
  peer.close();
});

test('an S-CSCF is called at its Contact, a client behind a NAT where it was seen', async () => {
  stage = await sipAgentStage();
  const line = await stage.peer.datagrams(stage.udp);
  const other = await stage.peer.datagrams(stage.udp, { host: '127.0.0.2' });
  const contact = `sip:127.0.0.2:${other.local.port}`;
  const uri = 'sip:bob@example.org';
  const To = `<${uri}>`;
  await ask(line, sipRequest('MESSAGE', 'm1', {}, { body: 'hi' }));
  await ask(line, sipRequest('MESSAGE', 'm2', { To }, { uri, body: 'hi' }));
  const From = '<sip:scscf.example.org>;tag=s';
  await ask(line, register('r1', { From, Contact: `<${contact}>` }));
  expect(String(await other.next())).toMatch(/^INVITE sip:alice@example\.org SIP/);
  const Contact = `<${contact}>;+g.oma.sip-im`;
  await ask(line, register('r2', { To, From: `${To};tag=b`, Contact }));
  expect(String(await line.next())).toMatch(/^INVITE sip:bob@example\.org SIP/);
});

describe('within a dialog behind a next hop', () => {
  const Contact = '<sip:alice@192.0.2.200:5060>';
  const peer = scriptedPeer();
  afterAll(() => peer.close());

  /** A push through the core, answered 200 with these headers. */
  async function invited(headers: readonly string[]): Promise<Line> {
    const listening = await peer.listen();
    stage = await sipAgentStage({ nextHop: `sip:127.0.0.1:${listening.port};transport=tcp` });
    const line = await stage.peer.datagrams(stage.udp);
    await ask(line, sipRequest('MESSAGE', 'm1', {}, { body: 'hi' }));
    await ask(line, register('r1', { Contact: `${Contact};+g.oma.sip-im` }));
    const core = await listening.accepted();
    const invite = String(await core.next());
    expect(headerOf(invite, 'Route')).toBe(`<sip:127.0.0.1:${listening.port};transport=tcp;lr>`);
    core.send(accepted(invite, [`Contact: ${Contact}`, ...headers]));
    return core;
  }

  test('a proxy that wants to see it all is asked itself [RFC 3261 §12.2.1.1]', async () => {
    const proxy = await peer.listen();
    await invited([`Record-Route: <sip:127.0.0.1:${proxy.port};transport=tcp;lr>`]);
    const line = await proxy.accepted();
    expect(String(await line.next())).toMatch(/^ACK sip:alice@192\.0\.2\.200:5060 /);
    expect(String(await line.next())).toMatch(/^BYE sip:alice@192\.0\.2\.200:5060 /);
  });

  test('without Routes it goes through the next hop, like every request', async () => {
    const core = await invited([]);
    expect(String(await core.next())).toMatch(/^ACK sip:alice@192\.0\.2\.200:5060 /);
    expect(String(await core.next())).toMatch(/^BYE /);
  });
});
