/** Certificates of a root of its own, made by the openssl command in a folder that is removed. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

export interface Certificates {
  /** The root's certificate. */
  readonly ca: string;
  /** `san` as OpenSSL writes it, `DNS:a.example,URI:sip:a.example`; without one only `cn` names it. */
  issue(name: string, of: { san?: string; cn?: string; expired?: boolean }): CertificateFiles;
  /** A file of the folder. */
  file(name: string, text: string): string;
  remove(): void;
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Empty when openssl is there; else for the title of what is skipped without it. */
export const withoutOpenssl = found() ? '' : ' (SKIPPED: there is no openssl command here)';

function found(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export function certificates(): Certificates {
  const dir = mkdtempSync(join(tmpdir(), 'restante-tls-'));
  const at = (name: string): string => join(dir, name);
  const openssl = (...words: string[]): void => {
    execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const root = { ca: at('ca.pem'), key: at('ca.key') };
  openssl(
    ...['req', '-x509', ...KEY, '-keyout', root.key, '-out', root.ca, '-days', '2'],
    ...['-subj', '/CN=Root of a test', '-addext', 'basicConstraints=critical,CA:TRUE'],
  );
  return {
    ca: root.ca,
    issue(name, { san, cn = name, expired = false }) {
      const [request, key, certificate] = [at(`${name}.csr`), at(`${name}.key`), at(`${name}.pem`)];
      const extensions = at(`${name}.ext`);
      writeFileSync(extensions, san === undefined ? '' : `subjectAltName=${san}\n`);
      openssl('req', ...KEY, '-keyout', key, '-out', request, '-subj', `/CN=${cn}`);
      openssl(
        ...['x509', '-req', '-in', request, '-CA', root.ca, '-CAkey', root.key, '-CAcreateserial'],
        ...['-days', expired ? '-1' : '2', '-extfile', extensions, '-out', certificate],
      );
      return { certificate, key };
    },
    file(name, text) {
      writeFileSync(at(name), text);
      return at(name);
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
