import { createHash } from 'node:crypto';
import { mkdir, rename } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { rolldown } from 'rolldown';

/** Below the checkout, so that the bundle finds the installed packages. */
const FOLDER = resolve(import.meta.dirname, '../../node_modules/.cache/restante-bundles');

let bundles = 0;

/**
 * Bundles a TypeScript entry so that a child process can run it with plain Node (Node 20 strips no
 * types). Node's own modules and installed packages stay outside the bundle.
 *
 * @param entryTs path of the entry, absolute or relative to the working directory
 * @returns path of the `.mjs`, with an inline source map
 */
export async function bundle(entryTs: string): Promise<string> {
  const entry = resolve(entryTs);
  const build = await rolldown({
    input: entry,
    platform: 'node',
    external: (id) => !id.startsWith('.') && !id.startsWith('/'),
  });
  const key = createHash('sha256').update(entry).digest('hex').slice(0, 12);
  const file = join(FOLDER, `${basename(entry, '.ts')}-${key}.mjs`);
  // Test files run side by side, and so do loads: nobody may start what another has half written.
  const own = `${file}.${process.pid}.${bundles++}`;
  try {
    await mkdir(FOLDER, { recursive: true });
    await build.write({ file: own, format: 'esm', sourcemap: 'inline', codeSplitting: false });
    await rename(own, file);
  } finally {
    await build.close();
  }
  return file;
}
