/** The file of credentials: one user, realm and algorithm a line, and never a password. */
import type { Ha1s } from '../../wire/sip/digest.ts';
import { DIGEST_ALGORITHMS, type DigestAlgorithm } from '../../wire/sip/digest-fields.ts';
import type { Problem } from './problem.ts';

/** `user:realm:algorithm:HA1`; the realm may contain colons, a user must not (RFC 7616 §3.4.2). */
export interface CredentialLine {
  readonly user: string;
  readonly realm: string;
  readonly algorithm: DigestAlgorithm;
  /** H(user:realm:password), lower-case hexadecimal. */
  readonly ha1: string;
}

export type CredentialsFile =
  | { readonly kind: 'credentials'; readonly lines: readonly CredentialLine[] }
  | { readonly kind: 'failure'; readonly problems: readonly Problem[] };

const HASH_DIGITS = { 'SHA-512-256': 64, 'SHA-256': 64, MD5: 32 } as const;
const LINE = /^([^:]+):(.+):([^:]+):([^:]+)$/;
const ADVICE = 'write user:realm:algorithm:HA1, or let restante credentials set write it';

/** Reads all lines; empty ones and those that begin with `#` are passed over. */
export function parseCredentialsFile(text: string, path: string): CredentialsFile {
  const lines: CredentialLine[] = [];
  const problems: Problem[] = [];
  const seen = new Map<string, number>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const read = parseLine(line);
    const where = `${path}, line ${index + 1}`;
    if (typeof read === 'string') {
      problems.push({ what: read, where, todo: ADVICE });
      continue;
    }
    const name = `${read.user}:${read.realm}:${read.algorithm}`;
    const before = seen.get(name);
    if (before === undefined) lines.push(read);
    else problems.push({ what: `${name} is there twice`, where, todo: `see line ${before}` });
    seen.set(name, before ?? index + 1);
  }
  return problems.length > 0 ? { kind: 'failure', problems } : { kind: 'credentials', lines };
}

/** What is wrong with it; what it says of the hash is not repeated, which is a secret. */
function parseLine(line: string): CredentialLine | string {
  const [, user = '', realm = '', said = '', hash = ''] = LINE.exec(line) ?? [];
  if (user === '') return 'not four parts with colons between';
  const algorithm = DIGEST_ALGORITHMS.find((name) => name === said);
  if (!algorithm) return `${JSON.stringify(said)} is none of ${DIGEST_ALGORITHMS.join(', ')}`;
  const digits = HASH_DIGITS[algorithm];
  if (hash.length !== digits || !/^[0-9a-f]+$/i.test(hash)) {
    return `the hash of ${algorithm} must have ${digits} hexadecimal digits`;
  }
  return { user, realm, algorithm, ha1: hash.toLowerCase() };
}

export function credentialsText(lines: readonly CredentialLine[]): string {
  const written = lines.map(({ user, realm, algorithm, ha1 }) =>
    [user, realm, algorithm, ha1].join(':'),
  );
  return written.map((line) => `${line}\n`).join('');
}

/** What stands in for the password of a user, by name and realm. */
export function credentialsTable(
  lines: readonly CredentialLine[],
): (user: string, realm: string) => Ha1s | undefined {
  const table = new Map<string, Partial<Record<DigestAlgorithm, string>>>();
  // No colon between: a realm may contain one, and who asks may have one in his name.
  const key = (user: string, realm: string) => `${user}\n${realm}`;
  for (const { user, realm, algorithm, ha1 } of lines) {
    const known = table.get(key(user, realm)) ?? {};
    known[algorithm] = ha1;
    table.set(key(user, realm), known);
  }
  return (user, realm) => table.get(key(user, realm));
}
