import { describe, expect, it } from 'vitest';
import type { Session } from '../../../src/adapters/cli/command-line.ts';
import { restanteProgram } from '../../../src/adapters/cli/program.ts';
import { exampleLog } from '../../controls/example-log.ts';
import { run } from './command-line-stage.ts';

/** All commands that do something, as the words that name them. */
function commandWords(): readonly (readonly string[])[] {
  const program = restanteProgram({ version: '', output: {} } as Session);
  return program.commands.flatMap((command) =>
    command.commands.length === 0
      ? [[command.name()]]
      : command.commands.map((below) => [command.name(), below.name()]),
  );
}

describe('command line', () => {
  it.each(commandWords())('%s %s has a help with examples', async (...words) => {
    const { exitCode, out, err } = await run({}, ...words.filter((word) => word), '--help');
    expect([exitCode, err]).toEqual([0, '']);
    expect(out).toMatch(/^Usage: restante /);
    expect(out).toContain(`Examples:\n  `);
    expect(out).toMatch(new RegExp(`restante ${words.filter((word) => word).join(' ')}`));
  });

  it('--version is one line', async () => {
    expect(await run({}, '--version')).toMatchObject({ exitCode: 0, out: '9.9.9\n', err: '' });
  });

  it.each([
    [['mailbox', 'lst'], 'restante mailbox', 'Did you mean list?'],
    [['log', '--limt', '3'], 'restante log', 'Did you mean --limit?'],
    [['log', '--limit', 'many'], 'restante log', 'whole number'],
    [['message', 'show'], 'restante message show', 'missing required argument'],
    [['serve', '--domian', 'x'], 'restante serve', 'Did you mean --domain?'],
    [['ua', 'send', '--from', 'bob'], 'restante ua send', '--to <WHO>'],
    [['ua', 'receive', 'alice@example.org', '--setup', 'x'], 'restante ua receive', 'passive'],
    [
      ['ua', 'send', '--from', 'b', '--to', 'a', '--header', 'x'],
      'restante ua send',
      'Name: value',
    ],
    [['ua', 'send', '--from', 'b', '--to', 'a', '--server', 'x'], 'restante ua send', 'udp://'],
    [['--\u001b[2J'], 'restante', '\\x1b[2J'],
  ])('%j is a usage error: what, where, what to do', async (words, where, what) => {
    const { exitCode, out, err } = await run({}, ...words);
    expect([exitCode, out]).toEqual([2, '']);
    expect(err).toMatch(/^restante: .*\n {2}where: .*\n {2}to do: see restante.* --help\n$/);
    expect(err).toContain(`where: ${where}\n`);
    expect(err).toContain(what);
  });

  it('without a command it says what there is', async () => {
    const { exitCode, err } = await run({});
    expect(exitCode).toBe(2);
    expect(err).toContain('Commands:');
  });

  it('a store that does not open is 3', async () => {
    const failure = { what: 'it is broken', todo: 'mend it' };
    for (const words of [['mailbox', 'list'], ['log'], ['replay', 'a@b.example']]) {
      const { exitCode, err } = await run({ failure }, ...words);
      expect([exitCode, err]).toEqual([
        3,
        'restante: it is broken\n  where: lmdb:./data/store\n  to do: mend it\n',
      ]);
    }
  });

  it('a fault meanwhile is 3, with no stack trace and no raw text', async () => {
    const { store } = await exampleLog();
    const faulty = { ...store, head: () => Promise.reject(new Error('gone\u001b[2J')) };
    const { exitCode, err } = await run({ store: faulty }, 'log', '--from', '1');
    expect(exitCode).toBe(3);
    expect(err).toMatch(
      /^restante: gone\\x1b\[2J\n {2}where: restante log --from 1\n {2}to do: .*\n$/,
    );
  });

  it.each([
    [['--data', '/srv/x'], {}, 'lmdb:/srv/x/store'],
    [['--store', 'lmdb:/srv/y'], {}, 'lmdb:/srv/y'],
    [[], { RESTANTE_DATA: '/srv/z' }, 'lmdb:/srv/z/store'],
    [[], { RESTANTE_STORE: 'lmdb:/srv/z' }, 'lmdb:/srv/z'],
    [['--config', 'a.yaml'], {}, 'lmdb:/srv/a/store'],
    [[], { RESTANTE_CONFIG: 'a.yaml' }, 'lmdb:/srv/a/store'],
    [['--data', '/srv/x'], { RESTANTE_CONFIG: 'a.yaml' }, 'lmdb:/srv/x/store'],
  ])('%j with %j reads %s', async (words, environment, url) => {
    const { store } = await exampleLog();
    const targets: unknown[] = [];
    const files = { 'a.yaml': 'data: /srv/a' };
    const stage = { store, environment, files, onOpen: (target: unknown) => targets.push(target) };
    expect((await run(stage, 'mailbox', 'list', ...words)).exitCode).toBe(0);
    expect(targets).toEqual([{ url, readOnly: true }]);
  });
});

describe('serve', () => {
  it('is started with the effective settings', async () => {
    const { exitCode, asked } = await run(
      { environment: { RESTANTE_JOURNAL: 'full' }, files: { f: 'log-level: debug' } },
      ...['serve', '--sip-listen', 'udp://127.0.0.1:0', '--config', 'f'],
    );
    expect(exitCode).toBe(0);
    expect(asked).toMatchObject([
      [
        'serve',
        {
          sipListen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }],
          journal: 'full',
          logLevel: 'debug',
        },
      ],
    ]);
  });

  it('--print-config shows each setting with its source and starts nothing', async () => {
    const stage = { environment: { RESTANTE_JOURNAL: 'off' } };
    const text = await run(stage, 'serve', '--print-config', '--domain', 'a.example');
    expect(text.asked).toEqual([]);
    expect(text.out).toMatch(/^domain +a\.example +flag$/m);
    expect(text.out).toMatch(/^journal +off +environment$/m);
    expect(text.out).toMatch(/^store-host +store\.a\.example +default$/m);
    const { out } = await run(stage, 'serve', '--print-config', '--json');
    expect(JSON.parse(out)).toContainEqual({ name: 'next-hop', text: null, source: 'default' });
  });

  it('tells all that is wrong with the settings at once, and starts nothing', async () => {
    const stage = { environment: { RESTANTE_JORNAL: 'off' } };
    const { exitCode, err, asked } = await run(stage, 'serve', '--trust', 'everybody');
    expect([exitCode, asked]).toEqual([2, []]);
    expect(err).toContain('did you mean RESTANTE_JOURNAL?');
    expect(err).toContain('where: --trust');
  });

  it('says which file cannot be read', async () => {
    const { exitCode, err } = await run({}, 'serve', '--config', 'nowhere.yaml');
    expect(exitCode).toBe(2);
    expect(err).toContain('where: nowhere.yaml');
  });
});

describe('ua and demo', () => {
  it('ua send gathers texts and headers', async () => {
    const { asked } = await run(
      {},
      ...['ua', 'send', '--from', 'bob', '--to', 'alice', '--body', 'one', '--body', 'two'],
      ...['--header', 'Priority: urgent', '--expires', '60', '--server', 'tcp://[::1]:5070'],
    );
    expect(asked).toEqual([
      [
        'send',
        {
          server: { transport: 'tcp', host: '::1', port: 5070 },
          from: 'bob',
          to: 'alice',
          domain: 'example.org',
          bodies: ['one', 'two'],
          headers: { priority: 'urgent' },
          expiresSeconds: 60,
          json: false,
        },
      ],
    ]);
  });

  it('ua send takes texts or a number of them', async () => {
    const send = ['ua', 'send', '--from', 'bob', '--to', 'alice'];
    expect((await run({}, ...send, '--count', '7')).asked).toMatchObject([['send', { bodies: 7 }]]);
    expect((await run({}, ...send)).asked).toMatchObject([['send', { bodies: 1 }]]);
    const both = await run({}, ...send, '--count', '7', '--body', 'x');
    expect([both.exitCode, both.asked]).toEqual([2, []]);
  });

  it('ua receive and demo have defaults for all', async () => {
    expect((await run({}, 'ua', 'receive', 'alice@example.org')).asked).toEqual([
      [
        'receive',
        {
          server: { transport: 'udp', host: '127.0.0.1', port: 5060 },
          aor: 'sip:alice@example.org',
          host: '127.0.0.1',
          sipPort: 0,
          msrpPort: 0,
          expiresSeconds: 3600,
          setup: 'passive',
          deliveries: 1,
          json: false,
        },
      ],
    ]);
    expect((await run({}, 'demo')).asked).toEqual([
      ['demo', { messages: 3, keep: false, json: false }],
    ]);
  });
});
