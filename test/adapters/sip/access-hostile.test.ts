/** What somebody can do who hears the requests of others, forges addresses, or chooses his name. */
import { afterEach, expect, test } from 'vitest';
import { sipDigestHash as hash } from '../../../src/adapters/host/digest.ts';
import { ha1Of } from '../../../src/wire/sip/digest.ts';
import { anew, ask, askAs, authorized, clients, statusOf } from '../../controls/digest-client.ts';
import {
  register,
  type SipAgentStage,
  sipAgentStage,
  sipRequest,
} from '../../controls/sip-agent-stage.ts';
import { until } from '../../controls/transport-stage.ts';

let stage: SipAgentStage;
afterEach(() => stage.close());

const LARGE = { 'User-Agent': 'x'.repeat(600) };
const OVER_TCP = { Via: 'SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKt1' };

async function strangers(access = {}): Promise<void> {
  stage = await sipAgentStage({ trusted: () => false, access: { clients: clients(), ...access } });
}

test('who repeats what a client said, from another address → challenged [RFC 7616 §5.12]', async () => {
  await strangers();
  const line = await stage.peer.datagrams(stage.udp);
  const request = register('r1', LARGE);
  const said = authorized(anew(request, 'r2'), await ask(line, request), { username: 'alice' });
  expect(statusOf(await ask(line, said))).toBe(200);
  const eavesdropper = await stage.peer.datagrams(stage.udp, { host: '127.0.0.9' });
  expect(statusOf(await ask(eavesdropper, said))).toBe(401);
  expect(statusOf(await ask(line, said))).toBe(200);
});

test('what was said over a stream is no repetition over UDP [RFC 7616 §5.12]', async () => {
  await strangers();
  const stream = await stage.peer.connect(stage.tcp);
  const request = register('r1', { ...LARGE, ...OVER_TCP });
  const challenged = await ask(stream, request);
  const said = authorized(anew(request, 'r2'), challenged, { username: 'alice' });
  expect(statusOf(await ask(stream, said))).toBe(200);
  const line = await stage.peer.datagrams(stage.udp);
  // Without rport the answer would go to the port of sent-by.
  line.send(said.replace(';branch', ';rport;branch'));
  line.send(said);
  await until(() => stage.refused.length === 3);
  expect(stage.refused).toEqual(Array(3).fill('not authenticated'));
});

test('datagrams that bear the address of a client do not use up its streams', async () => {
  await strangers({ sourceRate: { perSecond: 0.01, burst: 3 } });
  const forger = await stage.peer.datagrams(stage.udp);
  for (let n = 0; n < 9; n += 1) forger.send(sipRequest('OPTIONS', `o${n}`, LARGE));
  await until(() => stage.refused.includes('source rate'));
  const stream = await stage.peer.connect(stage.tcp);
  expect(statusOf(await askAs(stream, 'alice', register('r1', OVER_TCP)))).toBe(200);
});

test('a client that does not wait for its answers fills no log', async () => {
  await strangers();
  const stream = await stage.peer.connect(stage.tcp);
  const request = sipRequest('MESSAGE', 'm1', OVER_TCP, { body: 'hi' });
  const challenged = await ask(stream, request);
  stage.slowAppends(100);
  stream.send(authorized(anew(request, 'm2'), challenged, { username: 'bob' }));
  stream.close();
  await until(() => stage.refused.includes('answer not sent'));
  expect(stage.faults).toEqual([]);
});

test.each(['%61lice', 'alice:x'])('the user %s is not alice [RFC 3261 §19.1.4]', async (name) => {
  const credentialsOf = async (username: string, realm: string) => {
    const MD5 = ha1Of(hash, 'MD5', { username, realm, password: 'known' });
    return MD5 === undefined ? undefined : { MD5 };
  };
  await strangers({ clients: { ...clients(), credentialsOf } });
  const line = await stage.peer.datagrams(stage.udp);
  const request = register('r1', LARGE);
  const as = { username: name, password: 'known', algorithm: 'MD5' };
  const said = authorized(anew(request, 'r2'), await ask(line, request), as);
  expect(statusOf(await ask(line, said))).toBe(403);
});
