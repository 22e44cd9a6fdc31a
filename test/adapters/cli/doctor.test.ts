import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { OpenedStore, Store } from '../../../src/adapters/cli/command-line.ts';
import { openLmdbStore } from '../../../src/adapters/store/lmdb.ts';
import { memoryStore } from '../../../src/adapters/store/memory.ts';
import type { Recorded } from '../../../src/engine/recorded.ts';
import { projections } from '../../../src/projections/all.ts';
import { mailboxView } from '../../../src/projections/waiting-messages.ts';
import { ALICE, BOB, exampleLog, HELD_ID } from '../../controls/example-log.ts';
import { run } from './command-line-stage.ts';

const folders: string[] = [];
afterEach(async () => {
  for (const dir of folders.splice(0)) await rm(dir, { recursive: true });
});

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'restante-doctor-'));
  folders.push(dir);
  return dir;
}

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly found: string;
  readonly todo?: string;
}

/** The findings of the doctor on a store that is not on disk. */
async function examined(store: Store) {
  const { exitCode, out } = await run({ store }, 'doctor', '--store', 'memory:', '--json');
  const findings: Finding[] = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  return { exitCode, findings, bad: findings.filter(({ ok }) => !ok) };
}

/** The same store with other events read from its log. */
function misread(store: Store, wrong: (event: Recorded) => Recorded | undefined): Store {
  return {
    ...store,
    async *readAll(options) {
      for await (const event of store.readAll(options)) {
        const read = wrong(event);
        if (read) yield read;
      }
    },
  };
}

describe('doctor', () => {
  it('finds nothing in a store that is well', async () => {
    const { store } = await exampleLog();
    const { exitCode, findings } = await examined(store);
    expect(exitCode).toBe(0);
    expect(findings.map(({ check, ok }) => [check, ok])).toEqual([
      ['node', true],
      ['store', true],
      ['log', true],
      ['replay', true],
      ['views', true],
      ['contents', true],
    ]);
    expect(findings[2]?.found).toContain('11 events in 5 streams');
  });

  it('finds nothing in an empty store', async () => {
    expect((await examined(memoryStore({ projections }))).exitCode).toBe(0);
  });

  it('finds an event that is missing', async () => {
    const { store } = await exampleLog();
    const lossy = misread(store, (event) => (Number(event.position) === 7 ? undefined : event));
    const { exitCode, bad } = await examined(lossy);
    expect(exitCode).toBe(1);
    expect(bad.map(({ check }) => check)).toEqual(['log', 'replay', 'views']);
    expect(bad[0]?.found).toMatch(/^delivery-.* goes from revision 0 to 2$/);
  });

  it.each(['000000000000003', '000000000000010'])(
    'finds positions that do not ascend: %s at the end',
    async (position) => {
      const { store } = await exampleLog();
      const shuffled = misread(store, (event) =>
        Number(event.position) === 11 ? { ...event, position } : event,
      );
      const { bad } = await examined(shuffled);
      expect(bad[0]?.found).toBe(`${position} comes after 000000000000010`);
    },
  );

  it('finds a view that is not what the log says, and names the first row', async () => {
    const { store } = await exampleLog();
    const row = { waiting: 7, held: 0, parked: 0, bytes: 0, deferred: 0 };
    const wrong: Store = {
      ...store,
      async range(view, options) {
        const rows = await store.range(view, options);
        return view.name === mailboxView.name
          ? rows.map(([key]) => [key, row as never] as const)
          : rows;
      },
    };
    const { exitCode, bad } = await examined(wrong);
    expect(exitCode).toBe(1);
    expect(bad).toMatchObject([
      { check: 'views', found: expect.stringContaining(`first at ${ALICE}`) },
    ]);
    expect(bad[0]?.todo).toContain('restante rebuild');
  });

  it('finds a row too many and a row too few', async () => {
    const { store } = await exampleLog();
    const less: Store = {
      ...store,
      range: async (view, options) => (await store.range(view, options)).slice(1),
    };
    expect((await examined(less)).bad[0]?.found).toContain('mailboxes has 1 rows of 2');
  });

  it('catches up with a server that writes meanwhile', async () => {
    const { store, happen } = await exampleLog();
    let written = false;
    const busy: Store = {
      ...store,
      async range(view, options) {
        if (!written) {
          written = true;
          await happen(`mailbox-${BOB}`, 'MessageReleased', {
            id: HELD_ID,
            from: 'held',
            by: 'operator',
          });
        }
        return store.range(view, options);
      },
    };
    const { exitCode, findings } = await examined(busy);
    const views = findings.find(({ check }) => check === 'views')?.found;
    expect([exitCode, views]).toEqual([0, '15 views are what the log says']);
  });

  it('says what to do about a log that cannot be read, without a stack trace', async () => {
    const { store } = await exampleLog();
    const broken = misread(store, (event) => {
      if (Number(event.position) === 3) throw new Error('a newer release\u001b wrote this');
      return event;
    });
    const { exitCode, bad } = await examined(broken);
    expect(exitCode).toBe(1);
    expect(bad).toHaveLength(1);
    expect(bad[0]?.found).toBe('unreadable after 2 events: a newer release\\x1b wrote this');
  });

  it('says which folder is missing, no folder, or not writable', async () => {
    const failure = { what: 'the store does not open', todo: 'do this' };
    const doctor = (dir: string) => run({ failure }, 'doctor', '--store', `lmdb:${dir}`);
    const dir = await folder();
    const missing = await doctor(join(dir, 'nowhere'));
    expect(missing.exitCode).toBe(1);
    expect(missing.out).toMatch(/FINDING +folder +.*ENOENT/);
    expect(missing.out).toMatch(/FINDING +store +the store does not open\n +to do: do this/);
    await writeFile(join(dir, 'file'), '');
    expect((await doctor(join(dir, 'file'))).out).toContain('is no folder');
    await chmod(dir, 0o500);
    const locked = await doctor(dir);
    await chmod(dir, 0o700);
    // The superuser may write everywhere.
    const expected = process.getuid?.() === 0 ? 'can be written' : 'cannot be written';
    expect(locked.out).toContain(expected);
  });

  it('examines an LMDB store beside the process that writes to it', async () => {
    const dir = await folder();
    const writer = await openLmdbStore({ dir, projections });
    const { happen } = await exampleLog(writer);
    const reader = await openLmdbStore({ dir, projections, readOnly: true });
    const stage = { store: reader };
    const well = await run(stage, 'doctor', '--store', `lmdb:${dir}`);
    expect(well.out).not.toContain('FINDING');
    expect(well.exitCode).toBe(0);
    await happen(`mailbox-${BOB}`, 'MessageReleased', {
      id: HELD_ID,
      from: 'held',
      by: 'operator',
    });
    const listed = await run(stage, 'mailbox', 'list');
    expect(listed.out).toMatch(/^sip:bob@example.org +idle +1 +0 /m);
    await reader.close();
    await writer.close();
  });
});

describe('rebuild', () => {
  it('asks for the writing lock and says how many events it read', async () => {
    const { store } = await exampleLog();
    const targets: unknown[] = [];
    const stage = { store, isTerminal: true, onOpen: (target: unknown) => targets.push(target) };
    const { exitCode, out, err } = await run(stage, 'rebuild', '--data', '/srv/restante');
    expect([exitCode, out]).toEqual([0, 'rebuilt the views from 11 events\n']);
    expect(err).toContain('rebuilding: 11 events');
    expect(targets).toEqual([{ url: 'lmdb:/srv/restante/store', readOnly: false }]);
    expect((await examined(store)).exitCode).toBe(0);
  });

  it('says that the server must be stopped', async () => {
    const failure: Extract<OpenedStore, { kind: 'failure' }> = {
      kind: 'failure',
      what: 'process 4711 writes to the store in data/store',
      todo: 'stop it first',
    };
    const { exitCode, out, err } = await run({ failure }, 'rebuild');
    expect([exitCode, out]).toEqual([3, '']);
    expect(err).toBe(
      'restante: process 4711 writes to the store in data/store\n' +
        '  where: lmdb:./data/store\n  to do: stop it first\n',
    );
  });
});
