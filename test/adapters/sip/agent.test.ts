/** The SIP side as peers meet it: who is heard, where answers and requests go, what the log holds. */
import { afterEach, expect, test } from 'vitest';
import { clientSdp } from '../../controls/push-stage.ts';
import type { Line } from '../../controls/scripted-peer.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';
import {
  ALICE,
  register,
  type SipAgentStage,
  sipAgentStage,
  sipRequest,
} from '../../controls/sip-agent-stage.ts';
import { until } from '../../controls/transport-stage.ts';

let stage: SipAgentStage;
afterEach(() => stage.close());

const status = (answer: string) => Number(answer.split(' ')[1]);
const TCP = { Via: 'SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKtcp' };

async function ask(line: Line, request: string): Promise<string> {
  line.send(request);
  return String(await line.next());
}

/** A 200; without SDP it is acknowledged all the same, and ended (RFC 3261 §13.2.2.4). */
function accepted(invite: string, contact: string, sdp = ''): string {
  const mirrored = ['Via', 'From', 'Call-ID', 'CSeq'].map(
    (name) => `${name}: ${headerOf(invite, name)}`,
  );
  const to = `To: ${headerOf(invite, 'To')};tag=ue`;
  const lines = ['SIP/2.0 200 OK', ...mirrored, to, `Contact: ${contact}`];
  return `${lines.join('\r\n')}\r\nContent-Length: ${sdp.length}\r\n\r\n${sdp}`;
}

test('requests over TCP before it serves → answered when it does', async () => {
  stage = await sipAgentStage({ serve: false });
  const line = await stage.peer.connect(stage.tcp);
  line.send(sipRequest('OPTIONS', 'early', TCP));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(line.received).toEqual([]);
  stage.agent.serve();
  expect(status(String(await line.next()))).toBe(200);
});

test('a client behind a NAT: ACK and BYE go where its REGISTER came from', async () => {
  stage = await sipAgentStage();
  const line = await stage.peer.datagrams(stage.udp);
  const Contact = `<sip:alice@127.0.0.5:${line.local.port}>;+g.oma.sip-im`;
  await ask(line, sipRequest('MESSAGE', 'm1', {}, { body: 'hi' }));
  await ask(line, register('r1', { Contact }));
  const invite = String(await line.next());
  expect(await ask(line, accepted(invite, Contact))).toMatch(/^ACK sip:alice@127\.0\.0\.5:/);
  expect(String(await line.next())).toMatch(/^BYE /);
});

test('on a connection that we opened our Contact has the port that we listen on', async () => {
  stage = await sipAgentStage();
  const client = await stage.peer.listen();
  const Contact = `<sip:alice@127.0.0.1:${client.port};transport=tcp>;+g.oma.sip-im`;
  const line = await stage.peer.datagrams(stage.udp);
  await ask(line, sipRequest('MESSAGE', 'm1', {}, { body: 'hi' }));
  await ask(line, register('r1', { Contact }));
  const dialog = await client.accepted();
  const invite = String(await dialog.next());
  expect(await ask(dialog, accepted(invite, Contact, clientSdp()))).toMatch(/^ACK /);
  const update = await ask(
    dialog,
    sipRequest('UPDATE', 'u1', {
      ...{ ...TCP, Contact, From: `${headerOf(invite, 'To')};tag=ue` },
      ...{ To: headerOf(invite, 'From'), 'Call-ID': headerOf(invite, 'Call-ID') },
    }),
  );
  expect(headerOf(update, 'Contact')).toContain(`127.0.0.1:${stage.tcp};transport=tcp`);
});

test('responses of strangers, and what of theirs cannot be read, do not fill the log', async () => {
  stage = await sipAgentStage({ trusted: () => false });
  const line = await stage.peer.datagrams(stage.udp);
  const forged = sipRequest('INVITE', 'f', {}, { body: 'x'.repeat(8_000) });
  for (let n = 0; n < 50; n += 1) line.send(forged.replace(/^.*\r\n/, 'SIP/2.0 200 OK\r\n'));
  line.send(sipRequest('OPTIONS', 'bad', { CSeq: 'one OPTIONS' }));
  await until(() => stage.refused.length === 51);
  expect(stage.refused.filter((reason) => reason === 'stray response')).toHaveLength(50);
  expect(await stage.journal()).toEqual([]);
});

test('the log holds what was on the wire: CANCEL and what cannot be read, with their answers', async () => {
  stage = await sipAgentStage();
  const line = await stage.peer.datagrams(stage.udp);
  expect(status(await ask(line, sipRequest('CANCEL', 'c1')))).toBe(481);
  expect(status(await ask(line, sipRequest('OPTIONS', 'o1', { CSeq: 'one OPTIONS' })))).toBe(400);
  expect(await stage.journal()).toEqual([
    ...[`< CANCEL ${ALICE} SIP/2.0`, '> SIP/2.0 481 Call/Transaction Does Not Exist'],
    ...[`< OPTIONS ${ALICE} SIP/2.0`, '> SIP/2.0 400 Bad Request'],
  ]);
});

test('an INVITE and its CANCEL are answered with one To-tag [RFC 3261 §9.2]', async () => {
  stage = await sipAgentStage();
  const line = await stage.peer.datagrams(stage.udp);
  const refused = await ask(line, sipRequest('INVITE', 'i1'));
  const cancelled = await ask(line, sipRequest('CANCEL', 'i1'));
  expect([status(refused), status(cancelled)]).toEqual([488, 200]);
  expect(headerOf(cancelled, 'To')).toBe(headerOf(refused, 'To'));
});

test.each([
  ['names no user → 404', { uri: 'sip:example.org' }, {}, 404],
  [
    'names this server, P-Called-Party-ID a subscriber → 202',
    { uri: 'sip:example.org' },
    { 'P-Called-Party-ID': `<${ALICE}>` },
    202,
  ],
  ['has a To-tag that nobody knows → 481', {}, { To: `<${ALICE}>;tag=x` }, 481],
  ['is for a subscriber → 202', {}, {}, 202],
])('a MESSAGE that %s [RFC 3261 §8.2.2, §12.2.2]', async (_, content, headers, expected) => {
  stage = await sipAgentStage();
  const line = await stage.peer.datagrams(stage.udp);
  const answer = await ask(line, sipRequest('MESSAGE', 'm1', headers, { ...content, body: 'hi' }));
  expect(status(answer)).toBe(expected);
});
