/** Scanners learn nothing, cost nothing and leave nothing behind: sipvicious and sipsak as strangers. */
import { execFile, spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendMessages } from '../../src/adapters/ua/send-messages.ts';
import { openSipStack } from '../../src/adapters/ua/sip-stack.ts';
import type { Recorded } from '../../src/engine/recorded.ts';
import { serverBuild } from '../controls/defects.ts';
import { readLog } from '../controls/read-log.ts';
import { type Server, startServer } from '../controls/server.ts';

/** The core; the scanners are elsewhere on loopback. */
const CORE = '127.0.0.2';
const SCANNER = '127.0.0.1';
const TOOL_MS = 20_000;
const patient = process.env.RESTANTE_VERIFY === '1';
const TOLD_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;
const FLOOD = 1000;
/** MD5 of `alice:example.org:correct horse`, as `restante credentials set` writes it. */
const USERS = 'alice:example.org:MD5:61249fae4f54de6c481fcb1a75f10acf\n';

function installed(program: string, package_: string): boolean {
  const present = spawnSync(program, ['--help']).error === undefined;
  if (!present) {
    console.warn(
      `SKIPPED: ${program} is not installed, so it scanned nothing: install ${package_}`,
    );
  }
  return present;
}
const vicious = installed('svwar', 'sipvicious');
const sipsak = installed('sipsak', 'sipsak');

describe.skipIf(!vicious || !sipsak).each([
  { name: 'nobody may prove who he is', credentials: false },
  { name: 'users may prove who they are', credentials: true },
])('strangers, where $name', ({ credentials }) => {
  let server: Server;
  let folder: string;

  /** Runs a tool; what it printed, whatever its exit code says. */
  function run(program: string, words: readonly string[]): Promise<string> {
    const options = { timeout: TOOL_MS, env: { ...process.env, HOME: folder }, cwd: folder };
    return new Promise((resolve) => {
      execFile(program, [...words], options, (_, out, errors) => resolve(`${out}${errors}`));
    });
  }
  const scan = (program: string, ...words: readonly string[]) =>
    run(program, ['-p', String(server.sipPort), '-b', SCANNER, ...words, SCANNER]);
  const sip = (...words: readonly string[]) =>
    run('sipsak', ['-p', `${SCANNER}:${server.sipPort}`, ...words]);
  const core = () => ({ transport: 'udp' as const, host: SCANNER, port: server.sipPort });

  /** What is in the log of others than alice, the core and this server. */
  const leftBehind = async () =>
    (await readLog(server.data)).filter(
      ({ stream, data, meta }) =>
        JSON.stringify([data, meta]).includes(`${SCANNER}:`) &&
        !JSON.stringify([data, meta]).includes(`${CORE}:`) &&
        !stream.startsWith('node-'),
    );

  /** The core deposits a message; what came before it is in the journal when its answer is. */
  async function deposit(body: string): Promise<void> {
    const texts = { from: 'bob', to: 'alice', domain: 'example.org', bodies: [body] };
    const [sent] = await sendMessages({ server: core(), listen: { host: CORE }, ...texts });
    expect(sent?.status).toBe(202);
    const isTold = ({ type, data }: Recorded) =>
      type === 'SignalSent' && JSON.stringify(data).includes(`${sent?.callId}`);
    for (let leftMs = TOLD_WITHIN_MS; leftMs > 0; leftMs -= LOOK_EVERY_MS) {
      if ((await readLog(server.data)).some(isTold)) return;
      await pause(LOOK_EVERY_MS);
    }
    throw new Error('the answer to a deposit is not in the journal');
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'restante-scan-'));
    const users = join(folder, 'users.txt');
    await writeFile(users, USERS);
    await chmod(users, 0o600);
    const proving = credentials ? ['--credentials', users] : [];
    const args = ['--trust', CORE, ...proving];
    server = await startServer({ launcher: await serverBuild(), args });
    // Alice is known: a message waits for her.
    await deposit('for alice');
  });
  afterAll(async () => {
    await server?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  it('svwar finds no user, known or not; svmap at most a product name', async () => {
    const names = join(folder, 'names.txt');
    await writeFile(names, ['alice', 'nobody', '100', '101'].join('\n'));
    const [map = '', , ...wars] = await Promise.all([
      scan('svmap'),
      // Requests in which one octet after the other is spoilt.
      sip('-R', '-t', '50', '-s', 'sip:alice@example.org'),
      ...['REGISTER', 'INVITE', 'OPTIONS'].map((method) =>
        scan('svwar', '-m', method, '-d', names, '--force', '--maximumtime=3'),
      ),
    ]);
    for (const report of wars) expect(report).toContain('found nothing');
    // Over UDP no stranger is sent more than it sent, so svmap may miss the server altogether.
    expect(map).toContain(credentials ? 'restante' : 'found nothing');
  });

  it('the answer for a known user is the answer for an unknown one', async () => {
    const ask = async (user: string, method: string): Promise<readonly string[]> => {
      const stack = await openSipStack({
        server: { ...core(), transport: 'tcp' },
        listen: { host: SCANNER },
      });
      try {
        const answer = await stack.request({
          method,
          uri: `sip:${user}@example.org`,
          headers: {
            'max-forwards': '70',
            from: `<sip:${user}@example.org>;tag=1`,
            to: `<sip:${user}@example.org>`,
            'call-id': `${user}-${method}`,
            cseq: `1 ${method}`,
          },
        });
        return [String(answer.status), answer.reason];
      } finally {
        stack.close();
      }
    };
    for (const method of ['REGISTER', 'MESSAGE', 'INVITE', 'OPTIONS', 'SUBSCRIBE', 'BYE']) {
      expect(await ask('alice', method)).toEqual(await ask('nobody', method));
      expect((await ask('alice', method))[0]).toMatch(credentials ? /401|481/ : /403|481/);
    }
  });

  it('nothing that they sent is in the log', async () => {
    await deposit('after the scans');
    expect(await leftBehind()).toEqual([]);
  });

  it.runIf(credentials)('a user is let in by the digest of sipsak [RFC 3261 §22.4]', async () => {
    const words = ['-v', '-U', '-x', '600', '-C', 'sip:alice@127.0.0.1:9', '-u', 'alice'];
    const proved = await sip(...words, '-a', 'correct horse', '-s', 'sip:alice@example.org');
    expect(proved).toContain('All usrloc tests completed successful');
    const refused = await sip(...words, '-a', 'wrong horse', '-s', 'sip:alice@example.org');
    expect(refused).toContain('authorization failed');
  });

  it.runIf(credentials)(
    'svcrack finds a password that stands in its list, by digest [RFC 3261 §22.4]',
    async () => {
      const crack = async (password: string): Promise<string> => {
        const file = join(folder, `${password}.txt`);
        await writeFile(file, ['alice', '1234', password].join('\n'));
        return scan('svcrack', '-u', 'alice', '--domain=example.org', '-d', file);
      };
      expect(await crack('correct horse')).toMatch(/\| alice +\| correct horse +\|/);
      // It waits ten seconds for more answers once it has no passwords left.
      if (patient) expect(await crack('wrong horse')).toContain('found nothing');
    },
  );

  it(`after ${FLOOD} OPTIONS at once by sipsak the server is as it was: ready, and keeps messages`, async () => {
    const flood = await sip('-F', '-e', String(FLOOD), '-s', 'sip:alice@example.org');
    expect(flood).toContain('flood end reached');
    const ready = await fetch(`http://127.0.0.1:${server.httpPort}/readyz`);
    expect(ready.status).toBe(200);
    await deposit('after the flood');
    const kept = (await leftBehind()).filter(({ data }) =>
      JSON.stringify(data).includes('OPTIONS'),
    );
    expect(kept).toEqual([]);
  });
});
