/** Which challenges a request answers, and how often it was tried (RFC 3261 §22, RFC 7616 §3.4). */
import type { Credentials } from './effects.ts';
import type { Challenge } from './events.ts';

/** Challenges answered for the request that is under way. */
export interface Challenged {
  readonly server: number;
  readonly proxy: number;
}

export const unchallenged: Challenged = { server: 0, proxy: 0 };

interface Refusal {
  readonly status: number;
  readonly challenge?: Challenge;
}

function challenger(status: number): keyof Challenged | undefined {
  if (status === 401) return 'server';
  return status === 407 ? 'proxy' : undefined;
}

/** Once of each kind: who is refused again has the wrong password. Once more if it was only late. */
export function mayAnswer(challenged: Challenged, { status, challenge }: Refusal): boolean {
  const by = challenger(status);
  if (!by || !challenge) return false;
  return challenged[by] === 0 || (challenge.stale && challenged[by] === 1);
}

export function withChallenge(
  { credentials, challenged }: { credentials: Credentials | null; challenged: Challenged },
  { status, challenge }: Refusal,
): { readonly credentials: Credentials | null; readonly challenged: Challenged } {
  const by = challenger(status);
  if (!by || !challenge) return { credentials, challenged };
  return {
    credentials: { ...credentials, [by]: { lines: challenge.lines, nc: 0 } },
    challenged: { ...challenged, [by]: challenged[by] + 1 },
  };
}

/** For one more request: each nonce is used once more. */
export function usedAgain(credentials: Credentials | null): Credentials | null {
  if (!credentials) return null;
  const { server, proxy } = credentials;
  return {
    ...(server ? { server: { ...server, nc: server.nc + 1 } } : {}),
    ...(proxy ? { proxy: { ...proxy, nc: proxy.nc + 1 } } : {}),
  };
}
