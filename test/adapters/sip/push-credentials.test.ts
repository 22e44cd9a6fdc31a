/** The push proves who it is to a core that asks (RFC 3261 §22, RFC 7616), and the log does not tell. */
import { afterEach, describe, expect, test } from 'vitest';
import { sipDigestHash } from '../../../src/adapters/host/digest.ts';
import { expectedResponse, ha1Of } from '../../../src/wire/sip/digest.ts';
import { type DigestAlgorithm, parseCredentials } from '../../../src/wire/sip/digest-fields.ts';
import { clientSdp, type PushStage, pushStage } from '../../controls/push-stage.ts';
import { headerOf } from '../../controls/scripted-peer-flow.ts';

const USER = { username: 'im-store', realm: 'core', password: 'a secret' };
const ALGORITHMS: readonly DigestAlgorithm[] = ['MD5', 'SHA-256'];
const ha1 = Object.fromEntries(
  ALGORITHMS.map((algorithm) => [algorithm, ha1Of(sipDigestHash, algorithm, USER) ?? '']),
);
const proof = {
  own: (realm: string) => (realm === 'core' ? { username: 'im-store', ha1 } : undefined),
  hash: sipDigestHash,
};

let push: PushStage;
afterEach(() => push.close());

const bodyOf = (text: string) => new TextEncoder().encode(text.slice(text.indexOf('\r\n\r\n') + 4));

/** What is right about the credentials of a request, as a server of that realm checks it. */
function judged(request: string, header: string, method = request.split(' ')[0] ?? '') {
  const credentials = parseCredentials(headerOf(request, header));
  if (!credentials) return 'no credentials';
  const { algorithm, nonce, protection, response, uri, username } = credentials;
  const known = ha1[algorithm] ?? '';
  const asked = { method, body: bodyOf(request), hash: sipDigestHash };
  if (expectedResponse(credentials, known, asked) !== response) return 'wrong response';
  const nc = Number.parseInt(protection?.nc ?? '0', 16);
  return { username, nonce, algorithm, uri, nc };
}

function asks(header: string, nonce: string, more = 'algorithm=SHA-256, qop="auth"'): string {
  return `${header}: Digest realm="core", nonce="${nonce}", ${more}`;
}

/** The INVITE is challenged; the second one, and the ACK to the challenge. */
async function challenged(status: string, headers: readonly string[]) {
  push = await pushStage('udp', { proof });
  push.reply(push.invite, status, { headers });
  const ack = await push.next();
  return { ack, invite: await push.invited() };
}

const PROXY = '407 Proxy Authentication Required';

describe('the INVITE', () => {
  test('is sent again with the first challenge that can be answered [RFC 8760 §2.4]', async () => {
    const first = 'Proxy-Authenticate: Digest realm="core", nonce="n0", algorithm=SHA-512-256';
    const foreign = 'Proxy-Authenticate: Digest realm="other", nonce="n1", algorithm=MD5';
    const md5 = asks('Proxy-Authenticate', 'n3', 'algorithm=MD5');
    const headers = [first, foreign, asks('Proxy-Authenticate', 'n2'), md5];
    const { invite } = await challenged(PROXY, headers);
    expect(judged(invite, 'Proxy-Authorization')).toEqual({
      ...{ username: 'im-store', nonce: 'n2', algorithm: 'SHA-256', nc: 1 },
      uri: 'sip:alice@example.org',
    });
    expect(headerOf(invite, 'CSeq')).toBe('2 INVITE');
  });

  test('with auth-int its body is covered [RFC 7616 §3.4.3]', async () => {
    const more = 'algorithm=MD5, qop="auth-int"';
    const { invite } = await challenged(PROXY, [asks('Proxy-Authenticate', 'n1', more)]);
    expect(judged(invite, 'Proxy-Authorization')).toMatchObject({ nonce: 'n1', nc: 1 });
    expect(invite).toContain('qop=auth-int');
  });

  test('a challenge of RFC 2069, without qop, is answered in its form', async () => {
    const { invite } = await challenged('401 Unauthorized', [
      asks('WWW-Authenticate', 'n1', 'algorithm=MD5'),
    ]);
    expect(judged(invite, 'Authorization')).toMatchObject({ nonce: 'n1', nc: 0 });
    expect(invite).not.toContain('cnonce');
  });

  test.each([
    ['a realm that is not ours', 'Digest realm="other", nonce="n", algorithm=MD5'],
    ['a scheme that is not Digest', 'Bearer realm="core"'],
    ['an algorithm that nobody knows', 'Digest realm="core", nonce="n", algorithm=AKAv1-MD5'],
    ['no challenge at all', ''],
  ])('%s → refused, back-off [A-35]', async (_, value) => {
    push = await pushStage('udp', { proof });
    const headers = value === '' ? [] : [`WWW-Authenticate: ${value}`];
    push.reply(push.invite, '401 Unauthorized', { headers });
    expect(await push.fate()).toEqual({ end: 'refused 401', mailbox: 'back-off 30 s' });
  });
});

test('a client that is not trusted may ask for nothing: a nonce of its choice tries passwords', async () => {
  let isCore = true;
  push = await pushStage('udp', { proof, trusted: () => isCore });
  isCore = false;
  const headers = [asks('WWW-Authenticate', 'n1')];
  push.reply(push.invite, '401 Unauthorized', { headers });
  expect(await push.next()).toMatch(/^ACK /);
  expect((await push.fate()).end).toBe('refused 401');
});

describe('its dialog', () => {
  const timer = ['Session-Expires: 90;refresher=uac', 'Allow: INVITE'];

  test('each request uses the nonce once more, the ACKs repeat their INVITE [RFC 3261 §22.1]', async () => {
    const { ack, invite } = await challenged(PROXY, [asks('Proxy-Authenticate', 'n1')]);
    expect(headerOf(ack, 'Proxy-Authorization')).toBe('');
    const reliable = [`Contact: ${push.contact}`, 'Require: 100rel', 'RSeq: 1'];
    push.reply(invite, '183 Session Progress', { headers: reliable });
    const prack = await push.next();
    push.reply(prack, '200 OK');
    const ackTo2xx = await push.accept({ headers: timer });
    await push.event('InviteAnswered');
    await push.pass(45_000);
    const again = await push.next();
    push.reply(again, '200 OK', { headers: [`Contact: ${push.contact}`], sdp: clientSdp() });
    const ackAgain = await push.next();
    await push.event('SessionRefreshed');
    [...push.stage.channels.values()][0]?.lost('cut');
    const bye = await push.next();
    const header = 'Proxy-Authorization';
    const target = /<([^>]*)>/.exec(push.contact)?.[1];
    expect([prack, again, bye].map((one) => judged(one, header))).toEqual(
      [2, 3, 4].map((nc) => expect.objectContaining({ nonce: 'n1', nc, uri: target })),
    );
    expect(headerOf(ackTo2xx, header)).toBe(headerOf(invite, header));
    expect(headerOf(ackAgain, header)).toBe(headerOf(again, header));
  });

  test('the ACK to a failure repeats the credentials of its INVITE, too', async () => {
    const { invite } = await challenged(PROXY, [asks('Proxy-Authenticate', 'n1')]);
    push.reply(invite, '486 Busy Here');
    const ack = await push.next();
    expect(headerOf(ack, 'CSeq')).toBe('2 ACK');
    expect(headerOf(ack, 'Proxy-Authorization')).toBe(headerOf(invite, 'Proxy-Authorization'));
  });

  test('UPDATE and BYE are challenged → each again, once, with the next CSeq [RFC 3261 §22.2]', async () => {
    push = await pushStage('udp', { proof });
    await push.accept({ headers: ['Session-Expires: 90;refresher=uac', 'Allow: UPDATE'] });
    await push.event('InviteAnswered');
    await push.pass(45_000);
    const update = await push.next();
    push.reply(update, '401 Unauthorized', { headers: [asks('WWW-Authenticate', 'u1')] });
    const proved = await push.next();
    expect(judged(proved, 'Authorization')).toMatchObject({ nonce: 'u1', nc: 1 });
    push.reply(proved, '200 OK', { headers: [`Contact: ${push.contact}`] });
    await push.event('SessionRefreshed');
    [...push.stage.channels.values()][0]?.lost('cut');
    const bye = await push.next();
    expect(judged(bye, 'Authorization')).toMatchObject({ nonce: 'u1', nc: 2 });
    push.reply(bye, '401 Unauthorized', {
      headers: [asks('WWW-Authenticate', 'b1', 'stale=true')],
    });
    const again = await push.next();
    expect(judged(again, 'Authorization')).toMatchObject({ nonce: 'b1' });
    push.reply(again, '200 OK');
    expect((await push.fate()).end).toBe('channelLost');
    const numbers = [update, proved, bye, again].map((one) => headerOf(one, 'CSeq'));
    expect(numbers).toEqual(['2 UPDATE', '3 UPDATE', '4 BYE', '5 BYE']);
  });
});

test('no proof of ours is in the log: neither password, hash nor response', async () => {
  const { invite } = await challenged(PROXY, [asks('Proxy-Authenticate', 'n1')]);
  const response = parseCredentials(headerOf(invite, 'Proxy-Authorization'))?.response ?? '';
  await push.accept();
  const kept = await push.stage.everything();
  expect(kept).toContain('Proxy-Authorization: Digest username="im-store"');
  for (const secret of [USER.password, ...Object.values(ha1), response]) {
    expect(secret.length).toBeGreaterThan(0);
    expect(kept).not.toContain(secret);
  }
});
