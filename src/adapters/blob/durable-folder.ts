import { mkdir, open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** What was made, renamed or removed in this folder survives a loss of power. */
export async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Makes a folder and those above it, where they are missing, and flushes what was made. */
export async function makeFolder(path: string): Promise<void> {
  const highest = await mkdir(path, { recursive: true });
  if (highest === undefined) return;
  const end = dirname(resolve(highest));
  for (let folder = resolve(path); folder !== end; ) {
    folder = dirname(folder);
    await flushFolder(folder);
  }
}
