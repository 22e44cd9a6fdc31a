import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { rolldown } from 'rolldown';

/** Below the checkout, so that the bundle finds the installed packages. */
const FOLDER = resolve(import.meta.dirname, '../../node_modules/.cache/restante-bundles');

/**
 * Bundles a TypeScript entry so that a child process can run it with plain Node (Node 20 strips no
 * types). Node's own modules and installed packages stay outside the bundle.
 *
 * @param entryTs path of the entry, absolute or relative to the working directory
 * @returns path of the `.mjs`; source lines are kept for stack traces by an inline source map
 */
export async function bundle(entryTs: string): Promise<string> {
  const entry = resolve(entryTs);
  const build = await rolldown({
    input: entry,
    platform: 'node',
    external: (id) => !id.startsWith('.') && !id.startsWith('/'),
  });
  const name = basename(entry, '.ts');
  // Per entry and per process: test files that run side by side do not write the same file.
  const key = createHash('sha256').update(`${entry} ${process.pid}`).digest('hex').slice(0, 12);
  const file = join(FOLDER, `${name}-${key}.mjs`);
  try {
    await mkdir(FOLDER, { recursive: true });
    await build.write({ file, format: 'esm', sourcemap: 'inline', codeSplitting: false });
  } finally {
    await build.close();
  }
  return file;
}
