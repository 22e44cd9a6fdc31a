/**
 * Who we are, to a core that asks (RFC 3261 §22). The chart decides whether a challenge is
 * answered and how often its nonce was used; here it is read, and the answer computed. What is
 * computed is the same whenever the same effect is performed again.
 */
import type { Answered, Credentials } from '../../../machines/delivery/effects.ts';
import type { Challenge } from '../../../machines/delivery/events.ts';
import { answerChallenge, type DigestHash } from '../../../wire/sip/digest.ts';
import { parseChallenges } from '../../../wire/sip/digest-fields.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import type { OwnCredentials } from '../access/credentials.ts';
import type { OwnIdentity } from '../own-identity.ts';

export interface ProofOptions {
  readonly own: OwnCredentials;
  readonly hash: DigestHash;
}

export interface PushCredentials {
  /**
   * What a 401 or 407 asks for; `undefined`: nothing that we have credentials for, or nobody who may
   * ask: a proof lets whoever chose the nonce try passwords on it for as long as he likes.
   */
  challengeOf(told: { readonly message: SipMessage; readonly hop: Hop }): Challenge | undefined;
  /** Authorization and Proxy-Authorization of a request. */
  headers(
    credentials: Credentials | undefined,
    request: {
      readonly method: string;
      /** The Request-URI as it is sent. */
      readonly uri: string;
      readonly body?: Uint8Array | undefined;
      /** Names the request: a nonce of ours for each. */
      readonly name: string;
    },
  ): readonly (readonly [name: string, value: string])[];
}

/** `proof` absent: there are none, and every challenge is a refusal. */
export function pushCredentials({
  identity,
  proof,
  isTrusted,
}: {
  readonly identity: Pick<OwnIdentity, 'cnonceOf'>;
  readonly proof?: ProofOptions;
  isTrusted(hop: Hop): boolean;
}): PushCredentials {
  if (!proof) return { challengeOf: () => undefined, headers: () => [] };
  const { own, hash } = proof;

  /** The first challenge of each realm that can be answered (RFC 8760 §2.4). */
  function answerable(lines: readonly string[]): Challenge | undefined {
    const chosen = new Map<string, { readonly line: string; readonly stale: boolean }>();
    for (const line of lines) {
      const [challenge] = parseChallenges([line]);
      if (!challenge || chosen.has(challenge.realm)) continue;
      const { realm, algorithm, stale = false } = challenge;
      const isKnown = own(realm)?.ha1[algorithm] !== undefined;
      if (isKnown && hash(algorithm, new Uint8Array(0)) !== undefined) {
        chosen.set(realm, { line, stale });
      }
    }
    if (chosen.size === 0) return undefined;
    const all = [...chosen.values()];
    return { lines: all.map(({ line }) => line), stale: all.every(({ stale }) => stale) };
  }

  return {
    challengeOf({ message: response, hop }) {
      if (!isTrusted(hop)) return undefined;
      const status = response.start.kind === 'response' ? response.start.status : 0;
      if (status === 401) return answerable(response.all('www-authenticate'));
      return status === 407 ? answerable(response.all('proxy-authenticate')) : undefined;
    },
    headers(credentials, request) {
      const { method, uri, body, name } = request;
      const cnonce = identity.cnonceOf(name);
      const answered = (header: string, { lines, nc }: Answered) =>
        parseChallenges(lines).flatMap((challenge) => {
          const known = own(challenge.realm);
          if (!known) return [];
          const { username, ha1 } = known;
          const value = answerChallenge({
            ...{ challenge, username, secret: { ha1 }, method, uri, cnonce, nc, hash },
            ...(body === undefined ? {} : { body }),
          });
          return value === undefined ? [] : [[header, value] as const];
        });
      const { server, proxy } = credentials ?? {};
      return [
        ...(server ? answered('Authorization', server) : []),
        ...(proxy ? answered('Proxy-Authorization', proxy) : []),
      ];
    },
  };
}
