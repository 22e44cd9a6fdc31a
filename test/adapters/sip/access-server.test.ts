/** The whole server: users of a file that changes, a core known by its certificate, phones and scanners. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificates, withoutOpenssl } from '../../controls/certificates.ts';
import { serverBuild } from '../../controls/defects.ts';
import { anew, authorized, statusOf } from '../../controls/digest-client.ts';
import { freePort, type Server, startServer } from '../../controls/server.ts';
import { register, sipRequest } from '../../controls/sip-agent-stage.ts';
import { type SipLine, sipLine } from '../../controls/sip-line.ts';
import { until } from '../../controls/transport-stage.ts';

const HOST = '127.0.0.1';
const NOBODY = '192.0.2.0/24';
const OVER_TCP = { Via: 'SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKt1' };

async function asked(line: SipLine, request: string): Promise<string> {
  line.send(request);
  return line.next();
}

function without(program: string, how = '--help'): string {
  try {
    execFileSync(program, [how], { stdio: 'ignore' });
    return '';
  } catch (error) {
    const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return isAbsent ? ` (SKIPPED: there is no ${program} here)` : '';
  }
}
const MODULES = '/usr/lib/baresip/modules';
const withoutModules = existsSync(MODULES) ? '' : ` (SKIPPED: there is no ${MODULES} here)`;
const withoutBaresip = without('baresip', '-h') || withoutModules;
const withoutSipvicious = without('svwar');

let launcher: string;
beforeAll(async () => {
  launcher = await serverBuild();
});

describe('a running server', () => {
  let folder: string;
  let users: string;
  let server: Server;
  let line: SipLine;

  function setPassword(user: string, password: string): void {
    const words = [launcher, 'credentials', 'set', user, '--file', users];
    execFileSync(process.execPath, words, { input: `${password}\n` });
  }

  async function registers(password: string, algorithm: string): Promise<number> {
    const branch = `${password}${algorithm}`;
    const request = register(branch, OVER_TCP);
    const challenged = await asked(line, request);
    const as = { username: 'alice', password, algorithm };
    return statusOf(await asked(line, authorized(anew(request, `${branch}2`), challenged, as)));
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'restante-access-'));
    users = join(folder, 'users.txt');
    setPassword('alice', 'first');
    setPassword('105', 'numeric');
    server = await startServer({ launcher, args: ['--trust', NOBODY, '--credentials', users] });
    line = await sipLine({ transport: 'tcp', host: HOST, port: server.sipPort });
  });
  afterAll(async () => {
    line?.close();
    await server?.remove();
    rmSync(folder, { recursive: true });
  });

  test('takes the passwords of its file, and reads it again at SIGHUP', async () => {
    expect(readFileSync(users, 'utf8')).not.toContain('first');
    for (const algorithm of ['SHA-512-256', 'SHA-256', 'MD5']) {
      expect(await registers('first', algorithm)).toBe(200);
    }
    setPassword('alice', 'second');
    expect(await registers('second', 'SHA-256')).toBe(401);
    server.process.kill('SIGHUP');
    await until(() => server.log().includes('credentialsReloaded'));
    expect(await registers('second', 'SHA-256')).toBe(200);
    expect(await registers('first', 'SHA-256')).toBe(401);
  });

  test('goes on with what it had when the file has a mistake, and names the line', async () => {
    writeFileSync(users, 'alice:example.org:MD5:oops\n');
    server.process.kill('SIGHUP');
    await until(() => server.log().includes('users.txt, line 1'));
    expect(server.log()).not.toContain('oops');
    expect(await registers('second', 'SHA-256')).toBe(200);
  });

  test.skipIf(withoutSipvicious !== '')(`a scanner finds no user${withoutSipvicious}`, async () => {
    const words = [`-p${server.sipPort}`, '-e100-110', '--force', HOST];
    const { stdout } = await promisify(execFile)('svwar', words, { timeout: 20_000 });
    expect(stdout).not.toMatch(/\| 10\d /);
  });
});

test.skipIf(withoutBaresip !== '')(
  `a phone that knows MD5 alone registers, over TCP too${withoutBaresip}`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'restante-phone-'));
    const users = join(folder, 'users.txt');
    const words = [launcher, 'credentials', 'set', 'alice', '--file', users];
    execFileSync(process.execPath, words, { input: 'secret' });
    const asks = ['--digest-algorithms', 'MD5', '--credentials', users];
    const server = await startServer({ launcher, args: ['--trust', NOBODY, ...asks] });
    const way = `${HOST}:${server.sipPort};transport=tcp`;
    const account = `<sip:alice@example.org>;auth_pass=secret;outbound="sip:${way}";regint=600`;
    writeFileSync(join(folder, 'accounts'), `${account}\n`);
    const port = await freePort();
    const modules = `module_path ${MODULES}\nmodule account.so\nmodule_app menu.so\n`;
    writeFileSync(join(folder, 'config'), `sip_listen ${HOST}:${port}\n${modules}`);
    const phone = promisify(execFile)('baresip', ['-f', folder, '-s', '-t', '2']);
    const { stdout } = await phone;
    await server.remove();
    rmSync(folder, { recursive: true });
    expect(stdout).toMatch(/^SIP\/2\.0 401 /m);
    expect(stdout).toMatch(/200 OK \(IM-serv\/OMA1\.0 restante/);
  },
);

test.skipIf(withoutOpenssl !== '')(
  `a certificate makes its owner the core, another name does not [RFC 5922 §7]${withoutOpenssl}`,
  async () => {
    const made = certificates();
    const pem = ({ certificate, key }: ReturnType<typeof made.issue>) => ({
      cert: readFileSync(certificate, 'utf8'),
      key: readFileSync(key, 'utf8'),
    });
    const ours = made.issue('server', { san: `IP:${HOST}` });
    const tls = await freePort();
    const server = await startServer({
      launcher,
      sipListen: [`tls://${HOST}:${tls}`],
      args: [
        ...['--trust', 'tls:core.example.org', '--tls-ca', made.ca],
        ...['--tls-certificate', ours.certificate, '--tls-key', ours.key],
      ],
    });
    const statuses: number[] = [];
    const ca = readFileSync(made.ca, 'utf8');
    for (const own of [
      pem(made.issue('core', { san: 'DNS:core.example.org' })),
      pem(made.issue('other', { san: 'DNS:other.example.org' })),
      undefined,
    ]) {
      const line = await sipLine({
        transport: 'tls',
        host: HOST,
        port: tls,
        ca,
        ...(own && { own }),
      });
      const Via = `${line.via};branch=z9hG4bKo1`;
      statuses.push(statusOf(await asked(line, sipRequest('OPTIONS', 'o1', { Via }))));
      line.close();
    }
    await server.remove();
    made.remove();
    expect(statuses).toEqual([200, 403, 403]);
  },
);
