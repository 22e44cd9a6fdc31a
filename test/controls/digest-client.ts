/** A client that answers challenges, so that a test says only what it asks and as whom. */
import { sipDigestHash as hash } from '../../src/adapters/host/digest.ts';
import type { AccessOptions } from '../../src/adapters/sip/access/access.ts';
import { answerChallenge, type DigestHash, ha1Of } from '../../src/wire/sip/digest.ts';
import { DIGEST_ALGORITHMS, parseChallenges } from '../../src/wire/sip/digest-fields.ts';
import type { Line } from './scripted-peer.ts';

const REALM = 'example.org';

/** Users `alice` and `bob`; the password is the name twice. */
export function clients(counted: DigestHash = hash): NonNullable<AccessOptions['clients']> {
  return {
    realm: REALM,
    hash: counted,
    async credentialsOf(username, realm) {
      if (!['alice', 'bob'].includes(username)) return undefined;
      const user = { username, realm, password: username + username };
      return Object.fromEntries(DIGEST_ALGORITHMS.map((name) => [name, ha1Of(hash, name, user)]));
    },
  };
}

/** `request` with an answer to the first challenge of `answer`, as the user given. */
export function authorized(
  request: string,
  answer: string,
  as: {
    readonly username: string;
    readonly password?: string;
    readonly nc?: number;
    /** Of the Request-URI that is hashed. */
    readonly uri?: string;
    readonly algorithm?: string;
  },
): string {
  const { username, password = username + username, nc = 1, algorithm } = as;
  const lines = [...answer.matchAll(/^WWW-Authenticate: (.*)\r$/gm)].map(([, line = '']) => line);
  const challenges = parseChallenges(lines);
  const challenge = challenges.find((one) => !algorithm || one.algorithm === algorithm);
  if (!challenge) throw new Error(`no challenge in ${answer}`);
  const [method = '', uri = ''] = request.split(' ');
  const value = answerChallenge({
    ...{ challenge, username, secret: { password }, method, uri: as.uri ?? uri, nc, hash },
    cnonce: 'drawn once',
  });
  return request.replace('Content-Length:', `Authorization: ${value}\r\nContent-Length:`);
}

/** The same request in another transaction. */
export function anew(request: string, branch: string): string {
  return request.replace(/branch=[^;\r]*/, `branch=z9hG4bK${branch}`);
}

export async function ask(line: Line, request: string): Promise<string> {
  line.send(request);
  return String(await line.next());
}

/** Asks, is challenged, asks again with credentials. */
export async function askAs(line: Line, username: string, request: string): Promise<string> {
  const challenged = await ask(line, request);
  return ask(line, authorized(anew(request, `${username}2`), challenged, { username }));
}

export function statusOf(answer: string): number {
  return Number(answer.split(' ')[1]);
}
