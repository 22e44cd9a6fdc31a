/** Digest authentication of SIP, both sides (RFC 3261 §22, RFC 8760; the sums of RFC 7616 §3.4.1). */
import {
  type DigestAlgorithm,
  type DigestChallenge,
  type DigestCredentials,
  renderCredentials,
} from './digest-fields.ts';

/**
 * Lower-case hexadecimal of the hash; `undefined`: the host has no such algorithm, as it may be
 * with MD5.
 */
export type DigestHash = (algorithm: DigestAlgorithm, octets: Uint8Array) => string | undefined;

/** H(user:realm:password) by algorithm: what stands in for a password, for one realm. */
export type Ha1s = Readonly<Partial<Record<DigestAlgorithm, string>>>;

const encoder = new TextEncoder();

/** What takes the place of the password wherever it is kept. */
export function ha1Of(
  hash: DigestHash,
  algorithm: DigestAlgorithm,
  user: { readonly username: string; readonly realm: string; readonly password: string },
): string | undefined {
  const { username, realm, password } = user;
  return hash(algorithm, encoder.encode(`${username}:${realm}:${password}`));
}

/**
 * The value of Authorization (for a 401) or Proxy-Authorization (for a 407) that answers the
 * challenge; `undefined` when there is no hash or no HA1 of its algorithm, so that the next
 * challenge may be tried. `nc` counts from 1 the answers to this nonce; `cnonce` is drawn anew.
 */
export function answerChallenge(asked: {
  readonly challenge: DigestChallenge;
  readonly username: string;
  readonly secret: { readonly password: string } | { readonly ha1: Ha1s };
  readonly method: string;
  /** The Request-URI as it is sent. */
  readonly uri: string;
  readonly body?: Uint8Array;
  readonly cnonce: string;
  readonly nc: number;
  readonly hash: DigestHash;
}): string | undefined {
  const { challenge, username, secret, method, uri, body, cnonce, nc, hash } = asked;
  const { realm, nonce, algorithm, opaque } = challenge;
  const qop = challenge.qop.includes('auth') ? 'auth' : challenge.qop[0];
  const ha1 =
    'ha1' in secret
      ? secret.ha1[algorithm]
      : ha1Of(hash, algorithm, { username, realm, password: secret.password });
  if (ha1 === undefined) return undefined;
  const unsigned = {
    username,
    realm,
    nonce,
    uri,
    algorithm,
    ...(opaque === undefined ? {} : { opaque }),
    ...(qop === undefined
      ? {}
      : { protection: { qop, cnonce, nc: nc.toString(16).padStart(8, '0') } }),
  };
  const response = expectedResponse(unsigned, ha1, { method, hash, ...(body && { body }) });
  return response === undefined ? undefined : renderCredentials({ ...unsigned, response });
}

/**
 * What `response` of these credentials has to be, in lower-case hexadecimal; `undefined` when the
 * host has no such algorithm. `ha1` in lower case.
 */
export function expectedResponse(
  credentials: Omit<DigestCredentials, 'response'>,
  ha1: string,
  request: { readonly method: string; readonly body?: Uint8Array; readonly hash: DigestHash },
): string | undefined {
  const { nonce, uri, algorithm, protection } = credentials;
  const { method, body = new Uint8Array(0), hash } = request;
  const sum = (text: string) => hash(algorithm, encoder.encode(text));
  // RFC 7616 §3.4.3: auth-int covers the body too.
  const bodySum = protection?.qop === 'auth-int' ? hash(algorithm, body) : '';
  const ha2 = sum(`${method}:${uri}${bodySum ? `:${bodySum}` : ''}`);
  if (ha2 === undefined || bodySum === undefined) return undefined;
  if (!protection) return sum(`${ha1}:${nonce}:${ha2}`);
  const { nc, cnonce, qop } = protection;
  return sum(`${ha1}:${nonce}:${nc}:${cnonce}:${qop}:${ha2}`);
}
