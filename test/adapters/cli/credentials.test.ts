import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  credentialsTable,
  credentialsText,
  parseCredentialsFile,
} from '../../../src/adapters/cli/credentials-file.ts';
import { sipDigestHash } from '../../../src/adapters/host/digest.ts';
import { writeSecretFile } from '../../../src/adapters/host/secret-file.ts';
import { openAccess } from '../../../src/main/access.ts';
import { ha1Of } from '../../../src/wire/sip/digest.ts';
import { run } from './command-line-stage.ts';

const MD5 = 'a'.repeat(32);
const SHA = 'b'.repeat(64);

describe('the file', () => {
  it('is read as it is written; a realm may have colons', () => {
    const text = `alice:example.org:MD5:${MD5}\nalice:sip:x:SHA-256:${SHA}\n`;
    const read = parseCredentialsFile(text, 'f');
    if (read.kind === 'failure') throw new Error(JSON.stringify(read.problems));
    expect(credentialsText(read.lines)).toBe(text);
    const of = credentialsTable(read.lines);
    expect(of('alice', 'example.org')).toEqual({ MD5 });
    expect(of('alice', 'sip:x')).toEqual({ 'SHA-256': SHA });
    expect(of('alice', 'other')).toBeUndefined();
    expect(of('alice:sip', 'x')).toBeUndefined();
    expect(of('constructor', 'example.org')).toBeUndefined();
  });

  it.each([
    ['alice:example.org:MD5', 'four parts'],
    ['alice:secret', 'four parts'],
    [`alice:r:SHA-1:${MD5}`, '"SHA-1" is none of SHA-512-256, SHA-256, MD5'],
    [`alice:r:SHA-256:${MD5}`, '64 hexadecimal digits'],
    [`alice:r:MD5:${'x'.repeat(32)}`, '32 hexadecimal digits'],
    [`bob:r:MD5:${MD5}`, 'bob:r:MD5 is there twice'],
  ])('%j → its line, and what to do', (line, what) => {
    const read = parseCredentialsFile(`# users\n\nbob:r:MD5:${MD5}\r\n${line}\n`, 'users.txt');
    if (read.kind !== 'failure') throw new Error('no problem was found');
    expect(read.problems).toHaveLength(1);
    expect(read.problems[0]?.what).toContain(what);
    expect(read.problems[0]?.where).toBe('users.txt, line 4');
  });

  it('no problem repeats a hash, or what stands where one belongs', () => {
    const read = parseCredentialsFile('alice:r:MD5:password\nbob:password', 'f');
    expect(JSON.stringify(read)).not.toContain('password');
  });
});

describe('restante credentials', () => {
  const words = ['credentials', 'set', 'alice', '--file', 'f', '--realm', 'r'];

  async function set(stage: Parameters<typeof run>[0], ...more: readonly string[]) {
    const written: (readonly [string, string])[] = [];
    const onWriteFile = (path: string, text: string) => written.push([path, text]);
    const ran = await run({ ...stage, onWriteFile }, ...words, ...more);
    return { ...ran, written };
  }

  it('set keeps what proves the password, by all algorithms, and never the password', async () => {
    const { exitCode, out, err, written } = await set({ password: 'secret' });
    expect([exitCode, out, err]).toEqual([0, '', '']);
    const user = { username: 'alice', realm: 'r', password: 'secret' };
    const line = (name: 'SHA-512-256' | 'SHA-256' | 'MD5') =>
      `alice:r:${name}:${ha1Of(sipDigestHash, name, user)}\n`;
    expect(written).toEqual([['f', line('SHA-512-256') + line('SHA-256') + line('MD5')]]);
  });

  it('set replaces those of this user in this realm alone', async () => {
    const others = `alice:x:MD5:${MD5}\nbob:r:MD5:${MD5}\n`;
    const files = { f: `alice:r:SHA-256:${SHA}\n${others}` };
    const { written } = await set({ files, password: 'secret' });
    const text = written[0]?.[1] ?? '';
    expect(text.startsWith(others)).toBe(true);
    expect(text.match(/^alice:r:/gm)).toHaveLength(3);
    expect(text).not.toContain(SHA);
  });

  it('remove and list', async () => {
    const files = { f: `alice:r:MD5:${MD5}\nalice:r:SHA-256:${SHA}\nbob:r:MD5:${MD5}\n` };
    const listed = await run({ files }, 'credentials', 'list', '--file', 'f');
    expect(listed.out).toBe(
      'user   realm  algorithms\nalice  r      MD5 SHA-256\nbob    r      MD5\n',
    );
    const json = await run({ files }, 'credentials', 'list', '--file', 'f', '--json');
    expect(JSON.parse(json.out)[1]).toEqual({ user: 'bob', realm: 'r', algorithms: ['MD5'] });
    const written: string[] = [];
    const onWriteFile = (_: string, text: string) => written.push(text);
    const remove = ['credentials', 'remove', 'alice', '--file', 'f', '--realm'] as const;
    expect((await run({ files, onWriteFile }, ...remove, 'r')).exitCode).toBe(0);
    expect(written).toEqual([`bob:r:MD5:${MD5}\n`]);
    const unknown = await run({ files, onWriteFile }, ...remove, 'x');
    expect([unknown.exitCode, unknown.err]).toEqual([1, expect.stringContaining('not there in x')]);
    expect(written).toHaveLength(1);
  });

  it.each([
    [['credentials', 'list'], {}, 'no file is named'],
    [['credentials', 'list', '--file', 'f'], {}, 'cannot be read'],
    [['credentials', 'set', 'a:b', '--file', 'f'], { password: 'p' }, 'name of a user'],
    [['credentials', 'set', 'alice', '--file', 'f'], {}, 'no password was given'],
    [['credentials', 'list', '--file', 'f'], { files: { f: 'alice' } }, 'four parts'],
  ])('%j with %j is a usage error', async (asked, stage, what) => {
    const { exitCode, out, err } = await run(stage, ...asked);
    expect([exitCode, out]).toEqual([2, '']);
    expect(err).toContain(what);
  });

  it('file and realm are those of the server when none is named', async () => {
    const environment = { RESTANTE_CREDENTIALS: 'users.txt', RESTANTE_DOMAIN: 'a.example' };
    const written: (readonly [string, string])[] = [];
    const onWriteFile = (path: string, text: string) => written.push([path, text]);
    const stage = { environment, password: 'p', onWriteFile };
    await run(stage, 'credentials', 'set', 'alice');
    expect(written[0]?.[0]).toBe('users.txt');
    expect(written[0]?.[1]).toContain('alice:a.example:MD5:');
  });
});

describe('on disk', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'restante-credentials-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('the file is its owner’s alone, and is replaced as a whole', async () => {
    const path = join(folder, 'users.txt');
    await writeFile(path, 'before', { mode: 0o644 });
    await writeSecretFile(path, 'after');
    expect(await readFile(path, 'utf8')).toBe('after');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await expect(writeSecretFile(join(folder, 'none', 'f'), 'x')).rejects.toThrow('ENOENT');
  });

  it('the server reads it again when it is told to, and keeps the old one when it cannot', async () => {
    const credentials = join(folder, 'users.txt');
    const pushCredentials = join(folder, 'push.txt');
    const faults: string[] = [];
    const told = { realm: 'r', inFlightMax: 9, digestAlgorithms: ['MD5'] } as const;
    const config = { ...told, credentials, pushCredentials };
    const open = () =>
      openAccess(config, { trust: [], onFault: (where, what) => faults.push(`${where}: ${what}`) });
    expect(await open()).toMatchObject({
      kind: 'failure',
      what: expect.stringContaining('users.txt cannot be read'),
    });

    await writeSecretFile(credentials, `alice:r:MD5:${MD5}\n`);
    await writeSecretFile(pushCredentials, `im:core:SHA-256:${SHA}\n`);
    const access = await open();
    if (access.kind === 'failure') throw new Error(access.what);
    const { clients } = access.options;
    expect(await clients?.credentialsOf('alice', 'r')).toEqual({ MD5 });
    expect(access.own?.('core')).toEqual({ username: 'im', ha1: { 'SHA-256': SHA } });
    expect(access.own?.('other')).toBeUndefined();

    await writeSecretFile(credentials, `bob:r:MD5:${MD5}\n`);
    expect(await access.reload()).toEqual([]);
    expect(await clients?.credentialsOf('alice', 'r')).toBeUndefined();
    expect(await clients?.credentialsOf('bob', 'r')).toEqual({ MD5 });

    await writeSecretFile(credentials, 'bob');
    expect((await access.reload())[0]).toContain('users.txt, line 1');
    expect(await clients?.credentialsOf('bob', 'r')).toEqual({ MD5 });

    expect(faults).toEqual([]);
    await chmod(pushCredentials, 0o640);
    await access.reload();
    expect(faults[0]).toContain('chmod 600');
  });
});
