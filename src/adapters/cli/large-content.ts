/** What is kept of a Large message: its record in the log, its body there or in a file. */
import { type LargeRecord, readLarge } from '../../deferral/large-record.ts';
import type { MessageRow } from '../../projections/waiting-messages.ts';
import { journaled } from '../../wire/journal.ts';
import { visible } from '../../wire/visible.ts';
import type { CommandLine, Contents, Store } from './command-line.ts';
import { headersText, linesText } from './content-text.ts';
import { EXIT, problemText } from './problem.ts';
import { BYE_HEADERS, byeHeaders, type SenderSession, senderSession } from './sender-session.ts';
import { messageOf } from './store-access.ts';
import { type Cell, utc } from './table.ts';

export interface LargeContent {
  readonly id: string;
  readonly row: MessageRow;
  /** Absent: the log does not have it. */
  readonly record?: LargeRecord;
  readonly session: SenderSession;
  /** Name of its content, when the body is in a file. */
  readonly blob?: string;
}

/** What of INVITE and 200 concerns the message; `--record` has all of them. */
const RELEVANT_HEADERS = [
  'from',
  'to',
  'p-asserted-identity',
  'subject',
  'date',
  'priority',
  'call-id',
  'cseq',
  'contact',
  'expires',
  'privacy',
];
/** Content types that a person reads. */
const TEXT = /^\s*(text\/|message\/(cpim|imdn)|application\/([^;]*\+)?(xml|json)\b)/i;
/** Octets of a body written at a time. */
const BLOCK_BYTES = 64 * 1024;

/** `undefined`: the message is none of Large Message mode. */
export async function largeContent(
  store: Store,
  id: string,
  row: MessageRow,
): Promise<LargeContent | undefined> {
  const { source } = row;
  if (source === undefined) return undefined;
  const record = await readLarge(store, source);
  const session = await senderSession(store, source.deposit, id);
  const { blob } = source;
  return {
    ...{ id, row, session },
    ...(record ? { record } : {}),
    ...(blob === undefined ? {} : { blob }),
  };
}

/** A content goes some time after its message: then it is no loss. */
function isNeeded({ row }: LargeContent): boolean {
  return row.state === 'waiting' || row.state === 'held' || row.state === 'parked';
}

async function bodyPlace(large: LargeContent, contents: Contents): Promise<string> {
  const { blob, row } = large;
  if (blob === undefined) return 'in the log';
  const path = contents.pathOf(blob);
  try {
    const reader = await contents.open(blob);
    await reader?.close();
    if (reader && reader.bytes !== row.bytes) return `${path}: DAMAGED, ${reader.bytes} octets`;
    if (reader) return path;
    return isNeeded(large) ? `${path}: MISSING` : 'no longer kept: no message needs it';
  } catch (error) {
    return `${path}: UNREADABLE, ${messageOf(error)}`;
  }
}

/** What the listing of a message says of a Large one. */
export async function largeEntries(
  large: LargeContent,
  contents: Contents,
): Promise<readonly (readonly [string, Cell])[]> {
  const { record, session } = large;
  const { contentType, messageId, sha256, chunks } = record?.data ?? {};
  const { bye, withoutBye, deposit, state } = session;
  return [
    ['content type', contentType],
    ['MSRP message-id', messageId],
    ['sha-256', sha256],
    ['chunks', chunks],
    ['body', await bodyPlace(large, contents)],
    ['session', `deposit-${deposit}, ${state}`],
    ['bye', bye ? `received ${utc(bye.at)}` : `none: ${withoutBye}`],
  ];
}

export function largeText({ record, row, session }: LargeContent): string {
  const { bye } = session;
  const end = bye?.octets ? `\nbye:\n${headersText(bye.octets, BYE_HEADERS)}` : '';
  if (record === undefined) return `\ncontent: its record is not in the log\n${end}`;
  const { invite, answer, head, body, data } = record;
  const parts = [
    headersText(invite, RELEVANT_HEADERS),
    answer.length === 0 ? '' : headersText(answer, RELEVANT_HEADERS),
    linesText(withoutSessionIds(head)).replace(/\n {2}\n$/, '\n'),
  ];
  const isReadable = body !== undefined && TEXT.test(data.contentType);
  const shown = isReadable
    ? linesText(body)
    : `  (${row.bytes} octets of ${visible(data.contentType)}: --raw writes them)\n`;
  return `\ncontent:\n${[...parts, shown].filter((part) => part !== '').join('\n')}${end}`;
}

/** RFC 4975 §14.1: a terminal is no place for what opens a session that may still be open. */
function withoutSessionIds(head: Uint8Array): Uint8Array {
  return journaled(head, { protocol: 'msrp', mode: 'headers', sha256: () => head }).octets;
}

/** All of it, for a program; octets in base64. */
export function largeJson({ record, session, blob }: LargeContent, contents: Contents): object {
  const base64 = (octets: Uint8Array | undefined) =>
    octets && Buffer.from(octets).toString('base64');
  const { bye, deposit, state, withoutBye } = session;
  const { contentType, messageId, sha256, chunks } = record?.data ?? {};
  return {
    ...{ contentType, messageId, sha256, chunks },
    invite: base64(record?.invite),
    answer: base64(record?.answer),
    head: base64(record?.head),
    ...(blob === undefined ? { body: base64(record?.body) } : { file: contents.pathOf(blob) }),
    session: { deposit, state, ...(bye ? {} : { withoutBye }) },
    bye: bye ? { time: utc(bye.at), headers: byeHeaders(bye), octets: base64(bye.octets) } : null,
  };
}

/** INVITE, our 200, head of the SEND and BYE, one behind the other, as they were on the wire. */
export async function writeRecord(cli: CommandLine, { record, session }: LargeContent) {
  const { invite, answer, head } = record ?? {};
  for (const octets of [invite, answer, head, session.bye?.octets]) {
    if (octets) await cli.output.write(octets);
  }
  return EXIT.ok;
}

/** The octets of the body and nothing else. */
export async function writeBody(
  cli: CommandLine,
  large: LargeContent,
  contents: Contents,
): Promise<number> {
  const { id, row, record, blob } = large;
  if (blob === undefined) {
    await cli.output.write(record?.body ?? new Uint8Array());
    return EXIT.ok;
  }
  const where = contents.pathOf(blob);
  let written = 0;
  const fail = (what: string, todo: string): number => {
    const how = written === 0 ? '' : `; the ${written} octets that were written are not all of it`;
    cli.output.error(problemText({ what: `${what}${how}`, where, todo: visible(todo) }));
    return EXIT.finding;
  };
  const restore = 'restore that file from a backup, and see restante doctor for others like it';
  try {
    const reader = await contents.open(blob);
    if (!reader) {
      const isLoss = isNeeded(large);
      const what = isLoss ? 'is missing' : 'is no longer kept';
      const gone = `the message is ${row.state}: its body was removed when nobody needed it`;
      const named = 'name the folder of the server with --data; if that is it, ';
      return fail(`the body of ${id} ${what}`, isLoss ? `${named}${restore}` : gone);
    }
    try {
      if (reader.bytes !== row.bytes) {
        return fail(`the body of ${id} has ${reader.bytes} octets, not ${row.bytes}`, restore);
      }
      for (let next = await reader.next(BLOCK_BYTES); next; next = await reader.next(BLOCK_BYTES)) {
        await cli.output.write(next);
        written += next.length;
      }
      return EXIT.ok;
    } finally {
      await reader.close();
    }
  } catch (error) {
    return fail(`the body of ${id} cannot be read`, messageOf(error));
  }
}
