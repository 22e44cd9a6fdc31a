import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/** Octets of the secret that keys what goes on the wire: as much as HMAC-SHA-256 can use. */
export const SECRET_OCTETS = 32;

/**
 * Reads the store's secret, or makes it at the first start: flushed before it is used, since what
 * it derived must be derived again after a crash. Rejects with what, where and what to do.
 */
export async function storeSecret(folder: string): Promise<Uint8Array> {
  const path = join(folder, 'secret');
  await mkdir(folder, { recursive: true });
  const known = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (known) {
    if (known.length === SECRET_OCTETS) return known;
    throw new Error(
      `${path} holds ${known.length} octets instead of ${SECRET_OCTETS}: restore it from a backup; ` +
        'with another secret, messages in delivery would get other MSRP Message-IDs',
    );
  }
  const made = randomBytes(SECRET_OCTETS);
  const draft = `${path}.${process.pid}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(made);
    await file.sync();
  } finally {
    await file.close();
  }
  // A hard link cannot replace a secret that another process made meanwhile.
  await link(draft, path);
  await unlink(draft);
  await chmod(path, 0o600);
  const directory = await open(folder);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
  return made;
}
