/** Who may come in: the settings and files of it, read at the start and again at SIGHUP. */
import { readFile, stat } from 'node:fs/promises';
import type { AccessConfig } from '../adapters/cli/access-settings.ts';
import {
  type CredentialLine,
  credentialsTable,
  parseCredentialsFile,
} from '../adapters/cli/credentials-file.ts';
import { problemText } from '../adapters/cli/problem.ts';
import { trustedNames } from '../adapters/cli/trusted-peers.ts';
import { sipDigestHash } from '../adapters/host/digest.ts';
import type { AccessOptions } from '../adapters/sip/access/access.ts';
import type { OwnCredentials } from '../adapters/sip/access/credentials.ts';

export interface OpenAccess {
  readonly kind: 'open';
  readonly options: AccessOptions;
  readonly own: OwnCredentials | undefined;
  /** Reads the files again; what fails to be read stays as it was, and is told. */
  reload(): Promise<readonly string[]>;
}

/** Permissions of everybody but the owner. */
const OTHERS = 0o077;

type Lines = readonly CredentialLine[] | { readonly failure: string };

async function linesOf(path: string): Promise<Lines> {
  try {
    const parsed = parseCredentialsFile(await readFile(path, 'utf8'), path);
    if (parsed.kind === 'credentials') return parsed.lines;
    return { failure: parsed.problems.map(problemText).join('') };
  } catch (error) {
    return { failure: `${path} cannot be read: ${error instanceof Error ? error.message : error}` };
  }
}

/** Who can read it can be each of its users. */
async function isOpenToOthers(path: string): Promise<boolean> {
  const { mode } = await stat(path);
  return (mode & OTHERS) !== 0;
}

function ownOf(lines: readonly CredentialLine[]): OwnCredentials {
  const table = credentialsTable(lines);
  const users = new Map(lines.map(({ realm, user }) => [realm, user]));
  return (realm) => {
    const username = users.get(realm);
    const ha1 = username === undefined ? undefined : table(username, realm);
    return username === undefined || ha1 === undefined ? undefined : { username, ha1 };
  };
}

export async function openAccess(
  config: AccessConfig,
  options: {
    readonly trust: readonly string[];
    onFault(where: string, fault: unknown): void;
  },
): Promise<OpenAccess | { readonly kind: 'failure'; readonly what: string }> {
  const { credentials, pushCredentials, realm, sourceRate, senderRate, inFlightMax } = config;
  let users = credentialsTable([]);
  let own = ownOf([]);

  async function reload(): Promise<readonly string[]> {
    const failures: string[] = [];
    const load = async (path: string, take: (lines: readonly CredentialLine[]) => void) => {
      const lines = await linesOf(path);
      if ('failure' in lines) {
        failures.push(lines.failure);
        return;
      }
      take(lines);
      if (await isOpenToOthers(path)) {
        options.onFault(path, 'others than its owner can read it; run chmod 600 on it');
      }
    };
    if (credentials !== undefined) {
      await load(credentials, (lines) => {
        users = credentialsTable(lines);
      });
    }
    if (pushCredentials !== undefined) {
      await load(pushCredentials, (lines) => {
        own = ownOf(lines);
      });
    }
    return failures;
  }

  const failures = await reload();
  if (failures.length > 0) return { kind: 'failure', what: failures.join('; ') };
  const clients = {
    realm,
    hash: sipDigestHash,
    algorithms: config.digestAlgorithms,
    credentialsOf: async (user: string, asked: string) => users(user, asked),
  };
  return {
    kind: 'open',
    options: {
      trustedName: trustedNames(options.trust),
      ...(credentials === undefined ? {} : { clients }),
      ...(sourceRate && { sourceRate }),
      ...(senderRate && { senderRate }),
      inFlightMax,
    },
    own: pushCredentials === undefined ? undefined : (asked) => own(asked),
    reload,
  };
}
