/** The body that pushes one message: built from the log, the same whenever it is built (A-15). */
import { hex, keyedToken } from '../engine/identity.ts';
import type { BlobStore, Digest, EventStore } from '../engine/ports.ts';
import type { MessageRow } from '../projections/waiting-messages.ts';
import { encapsulateLarge } from '../wire/mime/encapsulate-large.ts';
import { encapsulate } from '../wire/mime/encapsulation.ts';
import type { BodySource } from '../wire/msrp/body-source.ts';
import { joinSources } from '../wire/msrp/join-sources.ts';
import { joinOctets } from '../wire/msrp/render.ts';
import { mailboxStream } from './account.ts';
import { blobBody } from './blob-body.ts';
import { readLarge } from './large-record.ts';

const BOUNDARY_OCTETS = 8;
const MESSAGE_ID_OCTETS = 16;
const TID_OCTETS = 8;

const encoder = new TextEncoder();

export interface BuildOptions {
  readonly store: EventStore;
  readonly blobs: BlobStore | undefined;
  readonly digest: Digest;
  readonly secret: Uint8Array;
  /** What the client takes of a MESSAGE (A-22). */
  readonly encapsulation: 'auto' | 'sipfrag';
}

export interface BuiltMessage {
  /** MSRP Message-ID: changes with the body (RFC 4975 §7.1.1). */
  readonly messageId: string;
  readonly contentType: string;
  readonly body: Uint8Array | BodySource;
  readonly bytes: number;
}

/** A text says why it cannot be built. Rejects when the log cannot be read. */
export async function buildMessage(
  options: BuildOptions,
  row: MessageRow,
  id: string,
): Promise<BuiltMessage | string> {
  return row.source ? buildLarge(options, row, id) : buildPlain(options, row, id);
}

function common({ digest, secret }: BuildOptions, row: MessageRow, id: string) {
  return {
    receivedAt: row.receivedAt,
    exposeIdentity: true,
    dateSource: 'original',
    seed: `restante-${keyedToken(digest, secret, `boundary ${id}`, BOUNDARY_OCTETS)}`,
  } as const;
}

function messageIdOf({ digest, secret }: BuildOptions, id: string, content: Uint8Array): string {
  const name = `msrp ${id} ${hex(digest.sha256(content))}`;
  return keyedToken(digest, secret, name, MESSAGE_ID_OCTETS);
}

async function buildPlain(
  options: BuildOptions,
  row: MessageRow,
  id: string,
): Promise<BuiltMessage | string> {
  const range = { from: row.deferred, limit: 1 };
  for await (const { octets } of options.store.read(mailboxStream(row.account), range)) {
    if (!octets) break;
    const { encapsulation } = options;
    const built = encapsulate(octets, { ...common(options, row, id), encapsulation });
    if (built.kind === 'refusal') return `cannot be wrapped: ${built.reason} (${built.section})`;
    const { contentType, body } = built;
    const messageId = messageIdOf(options, id, body);
    return { messageId, contentType, body, bytes: body.length };
  }
  return 'its octets are not in the log';
}

async function buildLarge(
  options: BuildOptions,
  row: MessageRow,
  id: string,
): Promise<BuiltMessage | string> {
  const { store, blobs, digest, secret } = options;
  const record = row.source && (await readLarge(store, row.source));
  if (!record) return 'its octets are not in the log';
  const { data, invite, answer, head, body } = record;
  const tid = data.endLineOccurs ? keyedToken(digest, secret, `tid ${id}`, TID_OCTETS) : undefined;
  const built = encapsulateLarge(
    {
      ...{ invite, answer, head, bytes: data.bytes },
      ...(body === undefined ? {} : { body }),
      ...(tid === undefined ? {} : { tid }),
    },
    common(options, row, id),
  );
  if (built.kind === 'refusal') return `cannot be wrapped: ${built.reason} (${built.section})`;
  if (body === undefined && blobs === undefined)
    return 'its content is in a blob store, none is here';
  const { contentType, before, after } = built;
  // Named by what it is made of: a body of any size is read once, when it is sent.
  const made = joinOctets([before, encoder.encode(data.sha256), after]);
  const middle = body ?? (blobs && blobBody(blobs, data.sha256, data.bytes));
  const whole = joinSources(middle ? [before, middle, after] : [before, after]);
  return {
    messageId: messageIdOf(options, id, made),
    contentType,
    body: whole,
    bytes: whole.bytes,
  };
}
