/** Whether what is kept of Large messages is there, whole and unchanged. */
import { createHash } from 'node:crypto';
import { depositStream } from '../../deferral/account.ts';
import { readLarge } from '../../deferral/large-record.ts';
import type { Recorded } from '../../engine/recorded.ts';
import type { MessageCompletedData } from '../../machines/deposit/events.ts';
import type { LargeSource } from '../../machines/mailbox/events.ts';
import { under } from '../../projections/change.ts';
import { blobView, unsettledView } from '../../projections/large-messages.ts';
import { type MessageRow, messageView } from '../../projections/waiting-messages.ts';
import type { Contents, Store } from './command-line.ts';
import { type Faults, faults, type LogCheck } from './log-check.ts';
import { messageOf } from './store-access.ts';

export interface ContentCheckOptions {
  readonly store: Store;
  readonly contents: Contents;
  /** The rows that the log makes. */
  readonly rows: LogCheck['rows'];
  /** Leave the digests of files out. */
  readonly fast: boolean;
  progress(done: number, total: number): void;
}

export interface Amount {
  readonly count: number;
  readonly bytes: number;
}

export interface ContentCheck {
  /** Large messages that wait, are held or parked, or are on their way into their mailbox. */
  readonly messages: number;
  /** The files that they need. */
  readonly files: Amount;
  readonly faults: Faults;
  /** Files that no message needs. */
  readonly unneeded: Amount;
}

interface Needed {
  readonly id: string;
  readonly bytes: number;
  readonly source: LargeSource;
}

const BLOCK_BYTES = 256 * 1024;

function isNeeded(row: MessageRow | undefined): boolean {
  return row?.state === 'waiting' || row?.state === 'held' || row?.state === 'parked';
}

/** Came whole, and is not in its mailbox: the next start brings it there. */
async function onTheirWay({ store, rows }: ContentCheckOptions): Promise<readonly Needed[]> {
  const found: Needed[] = [];
  for (const key of rows.get(unsettledView.name)?.keys() ?? []) {
    const [deposit = '', id = ''] = key.split(' ');
    if (rows.get(messageView.name)?.has(id)) continue;
    for await (const event of store.read(depositStream(deposit))) {
      if (event.type !== 'MessageCompleted') continue;
      const { revision, data } = event as Recorded<string, MessageCompletedData>;
      if (data.id !== id) continue;
      const blob = data.parts.body === undefined ? { blob: data.sha256 } : {};
      found.push({ id, bytes: data.bytes, source: { deposit, revision, ...blob } });
    }
  }
  return found;
}

async function neededNow(options: ContentCheckOptions): Promise<readonly Needed[]> {
  const found: Needed[] = [];
  for (const [id, row] of options.rows.get(messageView.name) ?? []) {
    const { source, bytes } = row as MessageRow;
    if (source && isNeeded(row as MessageRow)) found.push({ id, bytes, source });
  }
  return [...found, ...(await onTheirWay(options))];
}

/** What is wrong with the file of a content; `undefined`: nothing. */
async function fileFault(
  { contents, fast }: ContentCheckOptions,
  sha256: string,
  bytes: number,
): Promise<string | undefined> {
  const path = contents.pathOf(sha256);
  try {
    const reader = await contents.open(sha256);
    if (!reader) return `${path} is missing`;
    try {
      if (reader.bytes !== bytes) return `${path} has ${reader.bytes} octets, not ${bytes}`;
      // The last block comes only when the digest is right.
      while (!fast && (await reader.next(BLOCK_BYTES)) !== undefined);
      return undefined;
    } finally {
      await reader.close();
    }
  } catch (error) {
    return messageOf(error);
  }
}

type FileFault = (sha256: string, bytes: number) => Promise<string | undefined>;

async function faultOf(
  store: Store,
  { bytes, source }: Needed,
  fileFaultOf: FileFault,
): Promise<string | undefined> {
  const record = await readLarge(store, source);
  const place = `${depositStream(source.deposit)}#${source.revision}`;
  if (!record) return `its record is not at ${place}`;
  if (record.data.bytes !== bytes) return `${place} has another length of it`;
  const { blob } = source;
  if (blob !== undefined) {
    return blob === record.data.sha256
      ? fileFaultOf(blob, bytes)
      : `${place} has another digest of it`;
  }
  const { body = new Uint8Array() } = record;
  const digest = createHash('sha256').update(body).digest('hex');
  const isRight = body.length === bytes && digest === record.data.sha256;
  return isRight ? undefined : `its body at ${place} is not what came`;
}

/** Files of no message that this pass or, by now, the store knows. */
async function unneededFiles(
  { store, contents }: ContentCheckOptions,
  needed: ReadonlySet<string>,
): Promise<Amount> {
  let [count, bytes] = [0, 0];
  for await (const content of contents.list()) {
    if (needed.has(content.sha256)) continue;
    const rows = await store.range(blobView, { ...under(content.sha256), limit: 1 });
    if (rows.length > 0) continue;
    count += 1;
    bytes += content.bytes;
  }
  return { count, bytes };
}

/** Rejects when the store or the folder of the contents cannot be read. */
export async function checkContents(options: ContentCheckOptions): Promise<ContentCheck> {
  const { store, progress } = options;
  const needed = await neededNow(options);
  const found = faults();
  const files = new Map<string, number>();
  /** Of each file once: many messages may need the same one. */
  const known = new Map<string, string | undefined>();
  const fileFaultOf: FileFault = async (sha256, bytes) => {
    const name = `${sha256} ${bytes}`;
    if (!known.has(name)) known.set(name, await fileFault(options, sha256, bytes));
    return known.get(name);
  };
  let done = 0;
  for (const one of needed) {
    const { id, bytes, source } = one;
    if (source.blob !== undefined) files.set(source.blob, bytes);
    const fault = await faultOf(store, one, fileFaultOf);
    // A server that runs may have delivered it since, and have removed its content.
    const row = fault === undefined ? undefined : await store.get(messageView, id);
    if (fault !== undefined && (row === undefined || isNeeded(row))) found.add(`${id}: ${fault}`);
    progress(++done, needed.length);
  }
  const bytes = [...files.values()].reduce((sum, size) => sum + size, 0);
  return {
    messages: needed.length,
    files: { count: files.size, bytes },
    faults: found,
    unneeded: await unneededFiles(options, new Set(files.keys())),
  };
}
