/** Certificate, key and roots: read from files, checked before anything relies on them. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';

/** Paths of PEM files. */
export interface TlsFiles {
  /** Ours, with the certificates of its issuers behind it. */
  readonly certificate?: string;
  /** Absent: the key is in the file of the certificate. */
  readonly key?: string;
  /** Roots that peers' certificates must come from; absent: those that come with Node.js. */
  readonly ca?: string;
}

export interface TlsMaterial {
  readonly kind: 'material';
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
  readonly certificate: X509Certificate | undefined;
  /** Whether peers are judged by roots that the operator named. */
  readonly ownRoots: boolean;
}

interface Failed {
  readonly kind: 'failed';
  readonly failures: readonly string[];
}

interface Identity {
  readonly cert: string;
  readonly key: string;
  readonly certificate: X509Certificate;
}

/** Older versions are broken (RFC 8996). */
const VERSION_LEAST = 'TLSv1.2';

/** Reads them; `failed` says for each file what to do about it. */
export async function readTlsMaterial(files: TlsFiles): Promise<TlsMaterial | Failed> {
  const failures: string[] = [];
  const identity = files.certificate && (await readIdentity(files.certificate, files, failures));
  const ca = files.ca && (await readRoots(files.ca, failures));
  if (failures.length > 0) return { kind: 'failed', failures };
  const options: SecureContextOptions = {
    minVersion: VERSION_LEAST,
    ...(identity ? { cert: identity.cert, key: identity.key } : {}),
    ...(ca ? { ca } : {}),
  };
  try {
    return {
      kind: 'material',
      options,
      context: createSecureContext(options),
      certificate: identity ? identity.certificate : undefined,
      ownRoots: Boolean(ca),
    };
  } catch (error) {
    const what = `${files.certificate ?? files.ca} cannot be used for TLS: ${messageOf(error)}`;
    return { kind: 'failed', failures: [what] };
  }
}

async function readIdentity(
  path: string,
  files: TlsFiles,
  failures: string[],
): Promise<Identity | undefined> {
  const keyPath = files.key ?? path;
  const cert = await text(path, 'tls-certificate', failures);
  const key = keyPath === path ? cert : await text(keyPath, 'tls-key', failures);
  if (cert === undefined || key === undefined) return undefined;
  const certificate = certificateOf(cert);
  if (!certificate) failures.push(`${path} holds no certificate; name a PEM file that does`);
  const secret = keyOf(key);
  if (typeof secret === 'string') failures.push(`${keyPath} ${secret}`);
  if (!certificate || typeof secret === 'string') return undefined;
  if (certificate.checkPrivateKey(secret)) return { cert, key, certificate };
  const todo = 'name the key that the certificate was made for';
  failures.push(`the key in ${keyPath} does not match the certificate in ${path}; ${todo}`);
  return undefined;
}

async function readRoots(path: string, failures: string[]): Promise<string | undefined> {
  const pem = await text(path, 'tls-ca', failures);
  if (pem === undefined || certificateOf(pem)) return pem;
  failures.push(`${path} holds no certificate; name a PEM file of roots`);
  return undefined;
}

async function text(
  path: string,
  setting: string,
  failures: string[],
): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const todo = `correct ${setting}, or let this user read the file`;
    failures.push(`cannot read ${path}: ${messageOf(error)}; ${todo}`);
    return undefined;
  }
}

function certificateOf(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    // The caller says so, with the name of the file.
    return undefined;
  }
}

/** The key, or what is wrong with it. */
function keyOf(pem: string): KeyObject | string {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    if (/ENCRYPTED/.test(pem)) {
      return 'holds a key with a passphrase; write it without one: openssl pkey -in … -out …';
    }
    return `holds no private key (${messageOf(error)}); name a PEM file that does`;
  }
}

/** When our certificate expires, in epoch milliseconds; `undefined`: there is none. */
export function certificateUntilMs({ certificate }: TlsMaterial): number | undefined {
  return certificate && Date.parse(certificate.validTo);
}

/** What peers will object to although we can work with it; `undefined`: nothing. */
export function certificateWarning(
  { certificate }: TlsMaterial,
  nowMs: number,
): string | undefined {
  if (certificate === undefined) return undefined;
  const { validFrom, validTo } = certificate;
  if (nowMs > Date.parse(validTo)) return `the certificate expired on ${validTo}; renew it`;
  if (nowMs < Date.parse(validFrom)) return `the certificate is valid only from ${validFrom} on`;
  return undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
