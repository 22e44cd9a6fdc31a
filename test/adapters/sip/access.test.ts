/** Peers that are not trusted: who is let in, as whom, and what the others hear. */
import { afterEach, expect, test } from 'vitest';
import { sipDigestHash } from '../../../src/adapters/host/digest.ts';
import { anew, ask, askAs, authorized, clients, statusOf } from '../../controls/digest-client.ts';
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

const BOB = 'sip:bob@example.org';
/** So that a request is as large as clients make them, and its challenge no amplification. */
const LARGE = { 'User-Agent': 'x'.repeat(600) };
const OVER_TCP = { Via: 'SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKt1' };

async function strangers(access = {}): Promise<Line> {
  stage = await sipAgentStage({
    trusted: () => false,
    access: { clients: clients(), ...access },
  });
  return stage.peer.datagrams(stage.udp);
}

test('without users: 403, whatever is asked, and nothing is recorded', async () => {
  stage = await sipAgentStage({ trusted: () => false });
  const line = await stage.peer.connect(stage.tcp);
  for (const method of ['OPTIONS', 'REGISTER', 'MESSAGE', 'SUBSCRIBE', 'INVITE', 'CANCEL']) {
    expect(statusOf(await ask(line, sipRequest(method, method, OVER_TCP)))).toBe(403);
  }
  line.send(sipRequest('ACK', 'a1', OVER_TCP));
  await until(() => stage.refused.includes('ACK of a stranger'));
  expect(await stage.journal()).toEqual([]);
});

test('a name in a verified certificate makes a peer the core [RFC 5922 §7.1]', async () => {
  // The transport tells the names; that none are told over TCP is all this test can see here.
  stage = await sipAgentStage({ trusted: () => false, access: { trustedName: () => true } });
  const line = await stage.peer.connect(stage.tcp);
  expect(statusOf(await ask(line, sipRequest('OPTIONS', 'o1', OVER_TCP)))).toBe(403);
});

test('a stranger is challenged, the strongest algorithm first [RFC 8760 §2.3]', async () => {
  await strangers();
  const line = await stage.peer.connect(stage.tcp);
  const answer = await ask(line, register('r1', OVER_TCP));
  expect(statusOf(answer)).toBe(401);
  expect([...answer.matchAll(/algorithm=([^,\r]*)/g)].map(([, name]) => name)).toEqual([
    'SHA-512-256',
    'SHA-256',
    'MD5',
  ]);
  expect(answer).toMatch(/^Server: IM-serv/m);
  expect(await stage.journal()).toEqual([]);
});

test('only what is offered is taken', async () => {
  const line = await strangers({ clients: { ...clients(), algorithms: ['SHA-256', 'MD5'] } });
  const request = register('o1', LARGE);
  const challenged = await ask(line, request);
  expect(challenged).not.toContain('SHA-512-256');
  const stronger = challenged.replace('algorithm=SHA-256', 'algorithm=SHA-512-256');
  const said = authorized(anew(request, 'o2'), stronger, { username: 'alice' });
  expect(statusOf(await ask(line, said))).toBe(401);
});

test.each(['SHA-512-256', 'SHA-256', 'MD5'])('%s: who proves it registers', async (algorithm) => {
  const line = await strangers();
  const Contact = `<sip:alice@127.0.0.1:${line.local.port}>;+g.oma.sip-im`;
  const request = register('r1', { Contact, ...LARGE });
  const challenged = await ask(line, request);
  const answer = await ask(
    line,
    authorized(anew(request, 'r2'), challenged, { username: 'alice', algorithm }),
  );
  expect(statusOf(answer)).toBe(200);
  expect((await stage.registration())?.bindings).toHaveLength(1);
});

test('a small datagram hears of fewer algorithms, at last of nothing [RFC 3261 §26.1.5]', async () => {
  const line = await strangers();
  const challenge = async (request: string) => {
    const answer = await ask(line, request);
    const names = [...answer.matchAll(/algorithm=([^,\r]*)/g)].map(([, name]) => name);
    return { names, growth: answer.length / request.length };
  };
  const sized = (size: number) => register(`s${size}`, { 'User-Agent': 'x'.repeat(size) });
  const [large, middle, small] = [480, 380, 250].map(sized);
  for (const [request, names] of [
    [large, ['SHA-512-256', 'SHA-256', 'MD5']],
    [middle, ['SHA-256', 'MD5']],
    [small, ['MD5']],
  ] as const) {
    const heard = await challenge(request ?? '');
    expect(heard.names).toEqual(names);
    expect(heard.growth).toBeLessThanOrEqual(1);
  }
  // What clients really write: without an answer they could never come in.
  const least = await challenge(register('s1'));
  expect(least.names).toEqual(['MD5']);
  expect(least.growth).toBeLessThanOrEqual(2);
  line.send(
    'OPTIONS sip:a SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bK1\r\nf:<sip:a@b>;tag=1\r\n' +
      't:<sip:a@b>\r\ni:1\r\nCSeq:1 OPTIONS\r\nMax-Forwards:1\r\n\r\n',
  );
  await until(() => stage.refused.includes('answer larger than the request'));
});

test('a client speaks for itself alone [RFC 3261 §10.3]', async () => {
  const line = await strangers();
  const asBob = { From: `<${BOB}>;tag=b1`, ...LARGE };
  const denied = [
    register('d1', LARGE),
    sipRequest('REGISTER', 'd2', { ...asBob, To: `<${ALICE}>` }),
    sipRequest('MESSAGE', 'd3', { ...LARGE, From: `<${ALICE}>;tag=a1` }, { body: 'hi' }),
    sipRequest('OPTIONS', 'd4', { ...LARGE, From: '<sip:carol@example.net>;tag=c1' }),
  ];
  for (const request of denied) expect(statusOf(await askAs(line, 'bob', request))).toBe(403);
  const own = sipRequest('MESSAGE', 'd5', asBob, { body: 'hi' });
  expect(statusOf(await askAs(line, 'bob', own))).toBe(202);
  expect(await stage.registration()).toBeUndefined();
});

test('what a client says for the network is not kept, what it proved is [RFC 3325 §5]', async () => {
  const line = await strangers();
  const request = sipRequest(
    'MESSAGE',
    'm1',
    {
      ...LARGE,
      'P-Asserted-Identity': '<sip:ceo@example.org>',
      'P-Charging-Vector': 'icid-value=1',
      'P-Access-Network-Info': '3GPP-UTRAN-TDD',
    },
    { body: 'hi' },
  );
  expect(statusOf(await askAs(line, 'bob', request))).toBe(202);
  const stored = await stage.stored();
  expect(stored).toContain('\r\n\r\nhi');
  expect(headerOf(stored, 'P-Asserted-Identity')).toBe(`<${BOB}>`);
  expect(stored.match(/^P-Asserted-Identity/gm)).toHaveLength(1);
  expect(stored).not.toMatch(/^(P-Charging-Vector|Authorization)/m);
  expect(headerOf(stored, 'P-Access-Network-Info')).toBe('3GPP-UTRAN-TDD');
});

test('the core is believed as it stands', async () => {
  stage = await sipAgentStage({ access: { clients: clients() } });
  const line = await stage.peer.datagrams(stage.udp);
  const headers = { 'P-Asserted-Identity': '<sip:ceo@example.org>' };
  const request = sipRequest('MESSAGE', 'm1', headers, { body: 'hi' });
  expect(statusOf(await ask(line, request))).toBe(202);
  expect(await stage.stored()).toBe(request);
});

test.each([
  ['a wrong password', { username: 'alice', password: 'guess' }],
  ['an unknown user', { username: 'mallory' }],
])('%s → the same challenge', async (_, as) => {
  const line = await strangers();
  const request = register('w1', LARGE);
  const challenged = await ask(line, request);
  const again = await ask(line, authorized(anew(request, 'w2'), challenged, as));
  expect(statusOf(again)).toBe(401);
  expect(again).not.toContain('stale');
  expect(headerOf(again, 'WWW-Authenticate')).not.toBe(headerOf(challenged, 'WWW-Authenticate'));
});

test('credentials for another Request-URI → 400, save of a REGISTER [RFC 7616 §3.4.6]', async () => {
  const line = await strangers();
  const message = sipRequest('MESSAGE', 'u1', LARGE, { body: 'hi' });
  const misplaced = { username: 'bob', uri: BOB };
  const challenged = await ask(line, message);
  const said = authorized(anew(message, 'u2'), challenged, misplaced);
  expect(statusOf(await ask(line, said))).toBe(400);
  const request = register('u3', LARGE);
  const registrar = { username: 'alice', uri: 'sip:192.0.2.1:5060' };
  const next = authorized(anew(request, 'u4'), await ask(line, request), registrar);
  expect(statusOf(await ask(line, next))).toBe(200);
});

test('known or not, a user costs the same sums', async () => {
  const sums: string[] = [];
  const line = await strangers({
    clients: clients((algorithm, octets) => {
      sums.push(algorithm);
      return sipDigestHash(algorithm, octets);
    }),
  });
  const request = register('k1', LARGE);
  const challenged = await ask(line, request);
  const costs: number[] = [];
  for (const [index, username] of ['alice', 'mallory'].entries()) {
    sums.length = 0;
    const said = authorized(anew(request, `k${index + 2}`), challenged, {
      ...{ username, password: 'guess' },
    });
    expect(statusOf(await ask(line, said))).toBe(401);
    costs.push(sums.length);
  }
  expect(costs).toEqual([2, 2]);
});

test('a nonce of another process, with the right password → stale [RFC 7616 §3.3]', async () => {
  const line = await strangers();
  const request = register('n1', LARGE);
  const foreign = (await ask(line, request)).replace(/nonce="[^"]*"/g, 'nonce="k3.1.0123456789ab"');
  const said = authorized(anew(request, 'n2'), foreign, { username: 'alice' });
  const answer = await ask(line, said);
  expect(statusOf(answer)).toBe(401);
  expect(answer).toContain('stale=true');
  expect(
    statusOf(await ask(line, authorized(anew(request, 'n3'), answer, { username: 'alice' }))),
  ).toBe(200);
});

test('a count serves once; the repetition of a request is no replay [RFC 7616 §3.4]', async () => {
  const line = await strangers();
  const request = sipRequest('MESSAGE', 'c1', LARGE, { body: 'hi' });
  const challenged = await ask(line, request);
  const said = authorized(anew(request, 'c2'), challenged, { username: 'bob' });
  expect(statusOf(await ask(line, said))).toBe(202);
  expect(statusOf(await ask(line, said))).toBe(202);
  const altered = await ask(line, said.replace(/hi$/, 'ho'));
  expect(statusOf(altered)).toBe(401);
  const replayed = await ask(line, anew(said, 'c3'));
  expect(statusOf(replayed)).toBe(401);
  expect(replayed).toContain('stale=true');
  const next = authorized(anew(request, 'c4'), challenged, { username: 'bob', nc: 2 });
  expect(statusOf(await ask(line, next))).toBe(202);
  expect(await stage.story()).toEqual(['mailbox MessageDeferred']);
});

test('an answer without qop could be said again, and is challenged', async () => {
  const line = await strangers();
  const request = register('q1', LARGE);
  const old = (await ask(line, request)).replaceAll(', qop="auth"', '');
  const answer = await ask(line, authorized(anew(request, 'q2'), old, { username: 'alice' }));
  expect(statusOf(answer)).toBe(401);
});

test('ACK and CANCEL of an INVITE that was let in are never challenged [RFC 3261 §22.1]', async () => {
  const line = await strangers();
  const invite = sipRequest('INVITE', 'i1', { ...LARGE, 'Content-Type': 'text/plain' });
  const refused = await askAs(line, 'bob', invite);
  expect(statusOf(refused)).toBe(415);
  const To = headerOf(refused, 'To') ?? '';
  line.send(anew(sipRequest('ACK', 'i1', { To, CSeq: '1 ACK' }), 'bob2'));
  const cancel = anew(sipRequest('CANCEL', 'i1'), 'bob2');
  expect(statusOf(await ask(line, cancel))).toBe(200);
  const stray = sipRequest('CANCEL', 'i9', LARGE);
  expect(statusOf(await ask(line, stray))).toBe(481);
  expect(stage.refused).toEqual(['not authenticated', 'stray CANCEL']);
});

test('a look-up that fails → 500, to be asked again later', async () => {
  const line = await strangers({
    clients: { ...clients(), credentialsOf: () => Promise.reject(new Error('no directory')) },
  });
  const request = register('f1', LARGE);
  const challenged = await ask(line, request);
  const said = authorized(anew(request, 'f2'), challenged, { username: 'alice' });
  const answer = await ask(line, said);
  expect([statusOf(answer), headerOf(answer, 'Retry-After')]).toEqual([500, '5']);
  expect(stage.faults).toEqual(['look-up of credentials: Error: no directory']);
});

test('the push dialog is proof enough for its BYE, and for nothing else [RFC 3261 §12.2.2]', async () => {
  const line = await strangers();
  const Contact = `<sip:alice@127.0.0.1:${line.local.port}>;+g.oma.sip-im`;
  await askAs(line, 'bob', sipRequest('MESSAGE', 'p1', LARGE, { body: 'hi' }));
  await askAs(line, 'alice', register('p2', { Contact, ...LARGE }));
  const invite = String(await line.next());
  expect(invite).toMatch(/^INVITE /);
  const ours = {
    From: `${headerOf(invite, 'To')};tag=ue`,
    To: headerOf(invite, 'From') ?? '',
    'Call-ID': headerOf(invite, 'Call-ID') ?? '',
    ...LARGE,
  };
  const bye = sipRequest('BYE', 'p3', ours);
  expect(statusOf(await ask(line, bye))).not.toBe(401);
  expect(statusOf(await ask(line, sipRequest('MESSAGE', 'p4', ours)))).toBe(401);
  const guessed = { ...ours, To: '<sip:im-store@example.org>;tag=im-0' };
  expect(statusOf(await ask(line, sipRequest('BYE', 'p5', guessed)))).toBe(401);
});
