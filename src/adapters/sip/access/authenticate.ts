/** Whether a request was sent by who it says it was (RFC 3261 §22, RFC 7616 §3.4). */
import { timingSafeEqual } from 'node:crypto';
import { hex } from '../../../engine/identity.ts';
import type { Digest } from '../../../engine/ports.ts';
import { type DigestHash, expectedResponse } from '../../../wire/sip/digest.ts';
import {
  DIGEST_ALGORITHMS,
  type DigestAlgorithm,
  parseCredentials,
  renderChallenge,
} from '../../../wire/sip/digest-fields.ts';
import { type Hop, isReliable } from '../../../wire/sip/hop.ts';
import type { RequestLine, SipMessage } from '../../../wire/sip/message.ts';
import { equalUris, parseUri } from '../../../wire/sip/uri.ts';
import type { Verdict } from '../answer.ts';
import type { CredentialsOf } from './credentials.ts';
import type { Nonces } from './nonces.ts';

export type Authentication =
  | { readonly kind: 'proved'; readonly username: string }
  /** By who knows the password, for another Request-URI. */
  | { readonly kind: 'misplaced' }
  /** `guessed`: credentials came, and were wrong. */
  | {
      readonly kind: 'challenged';
      readonly guessed: boolean;
      readonly verdicts: readonly Verdict[];
    };

/** Of the hash of a request that may come again. */
const PRINT_OCTETS = 12;

export function authentication(options: {
  readonly realm: string;
  readonly credentialsOf: CredentialsOf;
  readonly hash: DigestHash;
  /** What is offered, as far as the host knows it; default: all. */
  readonly algorithms?: readonly DigestAlgorithm[];
  readonly nonces: Nonces;
  readonly digest: Digest;
  random(octets: number): Uint8Array;
}): (request: SipMessage, source: Hop) => Promise<Authentication> {
  const { realm, credentialsOf, hash, nonces, digest } = options;
  const nothing = new Uint8Array(0);
  const wanted = options.algorithms ?? DIGEST_ALGORITHMS;
  const offered = DIGEST_ALGORITHMS.filter(
    (name) => wanted.includes(name) && hash(name, nothing) !== undefined,
  );
  /** Stands in for users that do not exist: they cost the same sums, and never succeed. */
  const nobody = hex(options.random(32));

  /**
   * One header line for each algorithm, the strongest first (RFC 8760 §2.3). Where all of them
   * would make a larger answer than the request, fewer do: down to MD5, which all clients know.
   */
  function challenged(guessed: boolean, stale: boolean): Authentication {
    const nonce = nonces.mint();
    const line = (algorithm: DigestAlgorithm) =>
      [
        'WWW-Authenticate',
        renderChallenge({ realm, nonce, algorithm, qop: ['auth'], ...(stale ? { stale } : {}) }),
      ] as const;
    const verdicts = offered.map((_, left) => ({
      status: 401,
      headers: offered.slice(left).map(line),
    }));
    return { kind: 'challenged', guessed, verdicts };
  }

  return async (request, source) => {
    const { start } = request;
    const said = request.all('authorization').flatMap((text) => parseCredentials(text) ?? []);
    const credentials = said.find((one) => one.realm === realm);
    if (start.kind !== 'request' || !credentials) return challenged(false, false);
    const { username, algorithm, response, nonce, protection, uri } = credentials;
    const known = await credentialsOf(username, realm);
    const ha1 = offered.includes(algorithm) ? known?.[algorithm] : undefined;
    const { method } = start;
    const assumed = ha1 ?? nobody.slice(0, algorithm === 'MD5' ? 32 : 64);
    const expected = expectedResponse(credentials, assumed, { method, hash });
    const isRight = expected !== undefined && isSame(expected, response) && ha1 !== undefined;
    // Without qop there is no count, and what was heard once could be said again and again.
    if (!isRight || protection?.qop !== 'auth') return challenged(!isRight, false);
    if (!isFor(start, uri)) return { kind: 'misplaced' };
    if (!nonces.isFresh(nonce)) return challenged(false, true);
    const answer = { user: username, nonce, nc: Number.parseInt(protection.nc, 16) };
    // Digest covers neither body nor most headers: only the very same octets are a repetition, and
    // only from where they came before; from elsewhere they come of who has overheard them.
    const print = hex(digest.sha256(request.octets).subarray(0, PRINT_OCTETS));
    const counted = nonces.count(answer, `${source.transport} ${source.host} ${print}`);
    // The layer below answers it as before; nobody repeats anything on a stream.
    const isNew = counted === 'new' || (counted === 'repeated' && !isReliable(source));
    return isNew ? { kind: 'proved', username } : challenged(false, true);
  };
}

const encoder = new TextEncoder();

/** Takes the same time wherever they differ. */
function isSame(a: string, b: string): boolean {
  const [left, right] = [encoder.encode(a), encoder.encode(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/**
 * RFC 7616 §3.4.6: otherwise a message for one could be made one for another. Whom a REGISTER is
 * for says To alone, and clients differ in which name of the registrar they hash.
 */
function isFor({ method, uri }: RequestLine, said: string): boolean {
  if (method === 'REGISTER' || said === uri) return true;
  const [left, right] = [parseUri(said), parseUri(uri)];
  return left !== undefined && right !== undefined && equalUris(left, right);
}
