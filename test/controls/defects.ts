import { createHash } from 'node:crypto';
import { cp, mkdir, rename } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { rolldown } from 'rolldown';

const ROOT = resolve(import.meta.dirname, '../..');
/** Below the checkout, so that the build finds the installed packages. */
const FOLDER = join(ROOT, 'node_modules/.cache/restante-servers');

interface Replacement {
  /** Relative to the root of the repository. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly put: string;
}

/** Defects that the tests must notice, as replacements in the source that is bundled. */
export const DEFECTS = {
  /** The runner takes every deposit for a new one. */
  skipDedupe: {
    file: 'src/engine/judge.ts',
    find: 'if (await isRepeated(',
    put: 'if (false && await isRepeated(',
  },
  /** Appends are answered while their commit is still being written and flushed. */
  acknowledgeBeforeFlush: {
    file: 'src/adapters/store/lmdb-commit.ts',
    find: 'await write(env, batch, withTail ? tail : undefined);',
    put: `const written = write(env, batch, withTail ? tail : undefined);
        for (const [pending, answer] of batch.answers.splice(0)) pending.answer(answer);
        await written;`,
  },
  /** Commits reach the page cache only. */
  unsafeNoSync: {
    file: 'src/main/open-store.ts',
    find: 'const options = { dir, projections, readOnly,',
    put: 'const options = { dir, projections, readOnly, unsafeNoSync: true,',
  },
  /** The last SEND of a message is answered as soon as it has come. */
  answerBeforeSeal: {
    file: 'src/adapters/msrp/deposit-channels.ts',
    find: '.then(answer);',
    put: '.then(() => {}); answer(200);',
  },
  /** Contents get their names while their octets are in the page cache only. */
  contentUnflushed: {
    file: 'src/adapters/blob/incoming-file.ts',
    find: 'await whole.datasync();',
    put: '',
  },
} satisfies Readonly<Record<string, Replacement>>;

export type Defect = keyof typeof DEFECTS;

function replacing({ file, find, put }: Replacement) {
  const target = join(ROOT, file);
  let replaced = false;
  return {
    name: 'defect',
    transform(code: string, id: string) {
      if (id !== target) return null;
      const parts = code.split(find);
      if (parts.length !== 2) {
        throw new Error(`${file} has ${parts.length - 1} times \`${find}\`: correct defects.ts`);
      }
      replaced = true;
      return parts.join(put);
    },
    buildEnd(error: Error | undefined) {
      if (!error && !replaced)
        throw new Error(`${file} is no part of the server: correct defects.ts`);
    },
  };
}

/**
 * Bundles the server as it stands in `src`, on wish with a defect in it.
 *
 * @returns path of the launcher, for `startServer`
 */
export async function serverBuild(defect?: Defect): Promise<string> {
  const entry = join(ROOT, 'src/main.ts');
  const build = await rolldown({
    input: entry,
    platform: 'node',
    external: (id) => !id.startsWith('.') && !id.startsWith('/'),
    plugins: defect ? [replacing(DEFECTS[defect])] : [],
  });
  const key = createHash('sha256').update(ROOT).digest('hex').slice(0, 12);
  // The entry reads the manifest of the folder above its own.
  const folder = join(FOLDER, `${defect ?? 'sound'}-${key}`);
  const file = join(folder, 'dist', 'main.mjs');
  // Test files run side by side: nobody may start what another has half written.
  const own = `${file}.${process.pid}`;
  try {
    await mkdir(join(folder, 'dist'), { recursive: true });
    const manifest = join(folder, `package.json.${process.pid}`);
    await cp(join(ROOT, 'package.json'), manifest);
    await rename(manifest, join(folder, 'package.json'));
    await build.write({ file: own, format: 'esm', codeSplitting: false });
    await rename(own, file);
  } finally {
    await build.close();
  }
  return file;
}
