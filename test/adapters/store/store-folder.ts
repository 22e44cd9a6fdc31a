import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const folders: string[] = [];

/** A fresh folder for a store, removed when the test file is done. */
export async function newFolder(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'restante-store-'));
  folders.push(folder);
  return folder;
}

afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
