/**
 * What a SIGKILL cannot show: that what is told sealed has left the page cache, and what becomes of
 * a content when the disk fails. Both are shown by the system calls, which strace also makes fail.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openFileBlobs } from '../../../src/adapters/blob/file.ts';
import { parseTrace, type SystemCall } from '../../controls/strace-trace.ts';
import { startChild } from '../store/child.ts';
import { newFolder } from '../store/store-folder.ts';
import { listOf } from './blob-examples.ts';
import { flushVerdict, TRACED } from './blob-flush.ts';

const CHILD = join(import.meta.dirname, 'blob-child.ts');
const MIB = 1024 * 1024;
const STRACE = spawnSync('strace', ['-V']).status === 0;
if (!STRACE) {
  console.warn('SKIPPED: nothing shows that contents are flushed, for strace is missing');
}

/** Runs the child to its end under strace; what it printed, and the trace. */
async function run(args: readonly string[], rules: readonly string[], threads = 1) {
  const trace = join(await newFolder(), 'trace');
  const strace = ['strace', '-f', '-tt', '-s', '2000', '-o', trace, ...rules];
  // strace counts the calls of each thread: with one, the count is that of all.
  const child = await startChild(CHILD, args, ['env', `UV_THREADPOOL_SIZE=${threads}`, ...strace]);
  const { how, errors } = await child.ended;
  expect([how, errors]).toEqual([0, '']);
  return { lines: child.lines(), calls: parseTrace(readFileSync(trace, 'latin1')) };
}

describe.skipIf(!STRACE)('under strace, a content that is told sealed', () => {
  const CONTENTS = 12;
  let calls: readonly SystemCall[];
  let dir: string;
  beforeAll(async () => {
    dir = join(await newFolder(), 'blobs');
    const args = ['seal', dir, String(CONTENTS)];
    calls = (await run(args, ['-e', `trace=${TRACED}`])).calls;
  });

  test('is flushed, then renamed, then its folder is flushed', () => {
    expect(flushVerdict(calls)).toEqual({ told: CONTENTS, early: [] });
  });

  const without = (name: string) => calls.filter((call) => call.name !== name);
  /** As if these calls had been made when all was told. */
  const late = (name: string) =>
    calls.map((call) => (call.name === name ? { ...call, entered: 1e9, returned: 1e9 } : call));

  test.each([
    ['its flush missing', () => without('fdatasync'), 'renamed before its flush'],
    ['its flush late', () => late('fdatasync'), 'renamed before its flush'],
    ['its name missing', () => without('rename'), 'not renamed'],
    ['its name late', () => late('rename'), 'not renamed'],
    ['the flush of its folder missing', () => without('fsync'), 'its name is not flushed'],
    [
      'the flush of the folder of folders missing',
      () => calls.filter(({ name, text }) => name !== 'openat' || !text.includes(`"${dir}"`)),
      'its folder is not flushed',
    ],
    ['the flush of its folder late', () => late('fsync'), 'its name is not flushed'],
  ])('and %s would be found out', (_, changed, why) => {
    expect(flushVerdict(changed())).toEqual({ told: CONTENTS, early: Array(CONTENTS).fill(why) });
  });
});

describe.skipIf(!STRACE)('under strace, a disk that fails', () => {
  test.each([
    ['a write', 'pwrite64,pwritev', 'EIO', 2, 'failed'],
    ['a write for want of room', 'pwrite64,pwritev', 'EDQUOT', 2, 'full'],
    ['a write for the size of the file', 'pwrite64,pwritev', 'EFBIG', 3, 'full'],
    ['the early flush, and not the one at the end', 'fdatasync', 'EIO', 1, 'failed'],
    ['the flush at the end', 'fdatasync', 'EIO', 3, 'failed'],
    ['the flush for want of room', 'fdatasync', 'ENOSPC', 1, 'full'],
    ['the name', 'rename', 'EIO', 1, 'failed'],
    ['the name for want of room', 'rename', 'ENOSPC', 1, 'full'],
    // The first one is that of the open.
    ['the flush of the folder of folders', 'fsync', 'EIO', 2, 'failed'],
    ['the flush of the folder', 'fsync', 'EIO', 3, 'failed'],
  ])('in %s → told, nothing unfinished is left, the store works on', async (...row) => {
    const [, names, error, when, outcome] = row;
    const dir = await newFolder();
    await (await openFileBlobs({ dir })).close();
    const inject = `inject=${names}:error=${error}:when=${when}`;
    const rules = ['-e', `trace=${names}`, '-e', inject];
    const { lines } = await run(['fault', dir, String(10 * MIB)], rules);
    expect(lines[0]).toContain(`${outcome} `);
    expect(lines[0]).toMatch(new RegExp(`${error}|Unknown system error -122`));
    expect(lines[1]).toMatch(/^sealed /);
    expect(lines).toHaveLength(2);
    expect(readdirSync(join(dir, 'tmp'))).toEqual([]);
    const store = await openFileBlobs({ dir });
    expect(Object.values(await listOf(store))).toContain(1_000);
    await store.close();
  });

  test('a slow one that still removes what is sealed anew → what was sealed is there', async () => {
    const rules = ['-e', 'trace=unlink', '-e', 'inject=unlink:delay_enter=300000'];
    const { lines } = await run(['race', await newFolder(), '5000'], rules, 4);
    expect(lines).toEqual(['sealed 5000']);
  });

  test('a slow one takes no more memory than who writes allows', async ({ task }) => {
    const delay = 'inject=pwrite64,pwritev:delay_enter=15000';
    const rules = ['-e', 'trace=pwrite64,pwritev', '-e', delay];
    const { lines } = await run(['pour', await newFolder(), '128'], rules);
    const [outcome, most = '', grown = ''] = (lines[0] ?? '').split(' ');
    expect(outcome).toBe('sealed');
    expect(Number(most)).toBeGreaterThan(4 * MIB);
    expect(Number(most)).toBeLessThanOrEqual(4 * MIB + MIB / 16);
    const measured = `128 MiB to a slow disk: the process grew by ${Number(grown) >> 20} MiB`;
    console.log(measured);
    Object.assign(task.meta, { measured });
    expect(Number(grown)).toBeLessThan(96 * MIB);
  });
});
