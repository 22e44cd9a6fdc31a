import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sipDigestHash as hash } from '../../../src/adapters/host/digest.ts';
import { answerChallenge, expectedResponse, ha1Of } from '../../../src/wire/sip/digest.ts';
import {
  DIGEST_ALGORITHMS,
  type DigestChallenge,
  parseChallenges,
  parseCredentials,
  renderChallenge,
  renderCredentials,
} from '../../../src/wire/sip/digest-fields.ts';
import { holds } from '../../controls/properties.ts';

const numRuns = process.env.RESTANTE_VERIFY ? 10_000 : 300;

/** The first challenge of these lines, answered. */
function answer(lines: readonly string[], asked: { username: string; password: string }) {
  const [challenge] = parseChallenges(lines);
  const { username, password } = asked;
  return (request: { method: string; uri: string; cnonce: string; body?: Uint8Array }) => {
    if (!challenge) return undefined;
    const value = answerChallenge({
      ...{ challenge, username, secret: { password }, nc: 1, hash },
      ...request,
    });
    return parseCredentials(value ?? '');
  };
}

describe('sums', () => {
  const mufasa = (algorithm: string) =>
    'Digest realm="http-auth@example.org", qop="auth, auth-int", ' +
    `algorithm=${algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", ` +
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"';
  const get = {
    ...{ method: 'GET', uri: '/dir/index.html' },
    cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
  };

  it.each([
    ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
    ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
  ])('%s of the example [RFC 7616 §3.9.1]', (algorithm, response) => {
    const asked = { username: 'Mufasa', password: 'Circle of Life' };
    const said = answer([mufasa(algorithm)], asked)(get);
    expect(said?.response).toBe(response);
    expect(said?.opaque).toBe('FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS');
    expect(said?.protection).toEqual({ qop: 'auth', cnonce: get.cnonce, nc: '00000001' });
  });

  it('SHA-512-256 of the example, as corrected [RFC 7616 §3.9.2, erratum 4897]', () => {
    const challenge =
      'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, ' +
      'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK"';
    const said = answer([challenge], { username: 'Jäsøn Doe', password: 'Secret, or not?' })({
      ...{
        method: 'GET',
        uri: '/doe.json',
        cnonce: 'NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v',
      },
    });
    expect(said?.response).toBe('3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5');
  });

  it.each([
    [
      'the example [RFC 2617 §3.5]',
      'qop="auth,auth-int", ',
      'Circle Of Life',
      '6629fae49393a05397450978507c4ef1',
    ],
    [
      'the example without qop [RFC 2069 §2.4, erratum 749]',
      '',
      'CircleOfLife',
      '1949323746fe6a43ef61f9606e7febea',
    ],
  ])('%s', (_, qop, password, response) => {
    const challenge = `Digest realm="testrealm@host.com", ${qop}nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"`;
    const asked = { ...get, cnonce: '0a4f113b' };
    expect(answer([challenge], { username: 'Mufasa', password })(asked)?.response).toBe(response);
  });

  it('auth-int covers the body [RFC 7616 §3.4.3]', () => {
    const lines = ['Digest realm="r", nonce="n", qop="auth-int"'];
    const invite = { method: 'INVITE', uri: 'sip:b@example.org', cnonce: 'c' };
    const say = (body: string) =>
      answer(lines, { username: 'a', password: 'p' })({
        ...invite,
        body: new TextEncoder().encode(body),
      })?.response;
    expect(say('v=0')).toMatch(/^[0-9a-f]{32}$/);
    expect(say('v=1')).not.toBe(say('v=0'));
  });

  it('an algorithm that the host lacks, or has no HA1 of, answers nothing', () => {
    const [challenge] = parseChallenges(['Digest realm="r", nonce="n"']);
    if (!challenge) throw new Error('no challenge');
    const asked = {
      ...{ challenge, username: 'a', method: 'BYE', uri: 'sip:b', cnonce: 'c', nc: 1 },
    };
    const none = () => undefined;
    expect(answerChallenge({ ...asked, secret: { password: 'p' }, hash: none })).toBeUndefined();
    const ha1 = { 'SHA-256': 'ff' };
    expect(answerChallenge({ ...asked, secret: { ha1 }, hash })).toBeUndefined();
  });
});

describe('challenges', () => {
  it('come in their order, without those that cannot be answered [RFC 8760 §2.4]', () => {
    const lines = [
      'Basic realm="r"',
      'Digest realm="r", nonce="n", algorithm=AKAv1-MD5',
      'Digest realm="r", nonce="n", qop="auth-conf"',
      'Digest realm="r", nonce="1", algorithm=SHA-256, qop="auth"',
      'digest REALM = "r" , nonce=bare/+==,STALE=TRUE,algorithm="md5", domain="sip:x, y"',
    ];
    expect(parseChallenges(lines)).toEqual([
      { realm: 'r', nonce: '1', algorithm: 'SHA-256', qop: ['auth'] },
      { realm: 'r', nonce: 'bare/+==', algorithm: 'MD5', qop: [], stale: true },
    ]);
  });

  it.each([
    'Digest',
    'Digest realm="r"',
    'Digest nonce="n"',
    'Digest realm="r" nonce="n"',
    'Digest realm="r", nonce="n',
    'Digest realm="r", nonce="n", nonce="m"',
    'Digest realm="r", nonce=',
    'Digest realm="r", nonce="n", =x',
    'Digest realm="r\\\u0000", nonce="n"',
    'Digestrealm="r", nonce="n"',
    '',
  ])('%j is none', (line) => {
    expect(parseChallenges([line])).toEqual([]);
  });

  it.each([
    'Digest username="a", realm="r", nonce="n", uri="sip:b"',
    'Digest username="a", realm="r", nonce="n", uri="", response="00000000000000000000000000000000"',
    'Digest username="a", realm="r", nonce="n", uri="sip:b", response="xyz"',
    'Digest username="a", realm="r", nonce="n", uri="sip:b", qop=auth, nc=00000001, response="00000000000000000000000000000000"',
    'Digest username="a", realm="r", nonce="n", uri="sip:b", qop=auth, cnonce="c", nc=1, response="00000000000000000000000000000000"',
    'Digest username="a", realm="r", nonce="n", uri="sip:b", qop=auth-conf, cnonce="c", nc=00000001, response="00000000000000000000000000000000"',
  ])('%j is no answer to one', (line) => {
    expect(parseCredentials(line)).toBeUndefined();
  });

  it('nothing breaks out of a quoted string', () => {
    const challenge = { realm: 'r', nonce: 'n', algorithm: 'MD5', qop: [] } as const;
    expect(() => renderChallenge({ ...challenge, realm: 'r\r\nX: y' })).toThrow('quoted string');
    const evil = { ...challenge, realm: 'r", stale=true, x="\\' };
    expect(parseChallenges([renderChallenge(evil)])).toEqual([evil]);
  });
});

const text = fc.string({ maxLength: 20 }).filter((s) => !/[\p{Cc}]/u.test(s));
const challenges: fc.Arbitrary<DigestChallenge> = fc.record(
  {
    realm: text,
    nonce: text,
    algorithm: fc.constantFrom(...DIGEST_ALGORITHMS),
    qop: fc.subarray(['auth', 'auth-int'] as const),
    opaque: text,
    stale: fc.constant(true),
  },
  { requiredKeys: ['realm', 'nonce', 'algorithm', 'qop'] },
);
const asked = fc.record({
  username: text,
  password: text,
  method: fc.constantFrom('REGISTER', 'MESSAGE', 'INVITE'),
  uri: text.filter((uri) => uri !== ''),
  cnonce: text,
  nc: fc.integer({ min: 1, max: 0xffff_ffff }),
  body: fc.uint8Array({ maxLength: 9 }),
});

describe('any challenge', () => {
  it('is read as it was written', () => {
    const law = fc.property(challenges, (challenge) => {
      expect(parseChallenges([renderChallenge(challenge)])).toEqual([challenge]);
    });
    holds(law, numRuns);
  });

  it('answered with the password verifies, and with anything changed does not', () => {
    const law = fc.property(challenges, asked, fc.nat(), (challenge, request, pick) => {
      const { username, password, method, body } = request;
      const secret = { password };
      const value = answerChallenge({ challenge, secret, hash, ...request }) ?? '';
      const said = parseCredentials(value);
      if (!said) throw new Error(`cannot read ${value}`);
      expect(renderCredentials(said)).toBe(value);
      const { algorithm, realm } = challenge;
      const ha1 = ha1Of(hash, algorithm, { username, realm, password }) ?? '';
      expect(expectedResponse(said, ha1, { method, body, hash })).toBe(said.response);

      const { protection } = said;
      const changed = [
        { ...said, nonce: `${said.nonce}x` },
        { ...said, uri: `${said.uri}x` },
        ...(protection
          ? [
              { ...said, protection: { ...protection, cnonce: `${protection.cnonce}x` } },
              { ...said, protection: { ...protection, nc: '0000000g' } },
            ]
          : []),
      ];
      const one = changed[pick % changed.length] ?? said;
      expect(expectedResponse(one, ha1, { method, body, hash })).not.toBe(said.response);
      const other = { method: `${method}X`, body, hash };
      expect(expectedResponse(said, ha1, other)).not.toBe(said.response);
      const wrong = ha1Of(hash, algorithm, { username, realm, password: `${password}x` }) ?? '';
      expect(expectedResponse(said, wrong, { method, body, hash })).not.toBe(said.response);
    });
    holds(law, numRuns);
  });
});
