/**
 * The example log, and what came for dave in Large Message mode: a small message whose session
 * ended with a BYE, one in a file whose sender fell silent, one that is held since its session is
 * still open, one that was given up, and an INVITE that was refused.
 */
import { createHash } from 'node:crypto';
import { openFileBlobs } from '../../src/adapters/blob/file.ts';
import { packLarge } from '../../src/deferral/large-record.ts';
import type { EventStore, ViewStore } from '../../src/engine/ports.ts';
import { streamName } from '../../src/engine/stream-name.ts';
import { contentsFolder } from '../../src/main/contents.ts';
import { type Carried, EVIDENCE, type ExampleLog, exampleLog } from './example-log.ts';

export const DAVE = 'sip:dave@example.org';
export const SMALL = streamName('deposit', 'a1a1a1a1a1a1a1a1a1a1a1a1');
export const BIG = streamName('deposit', 'b2b2b2b2b2b2b2b2b2b2b2b2');
export const OPEN = streamName('deposit', 'c3c3c3c3c3c3c3c3c3c3c3c3');
export const REFUSED = streamName('deposit', 'd4d4d4d4d4d4d4d4d4d4d4d4');
export const SMALL_ID = '1795338930000000@store.example.org';
export const BIG_ID = '1795338931000000@store.example.org';
export const OPEN_ID = '1795338932000000@store.example.org';

const encoder = new TextEncoder();

export const SMALL_BODY = encoder.encode('Dear Dave,\r\nclear \u001b[2J the table.\r\n');
export const BIG_BODY = Uint8Array.from({ length: 600_000 }, (_, at) => (at * 7 + (at >> 9)) & 255);
export const BIG_SHA256 = sha256(BIG_BODY);
const OPEN_BODY = encoder.encode('{"held":true}');

function sha256(octets: Uint8Array): string {
  return createHash('sha256').update(octets).digest('hex');
}

function lines(...text: readonly string[]): Uint8Array {
  return encoder.encode(text.map((line) => `${line}\r\n`).join(''));
}

function sip(startLine: string, name: string, ...headers: readonly string[]): Uint8Array {
  return lines(
    startLine,
    `Via: SIP/2.0/TCP scscf1.example.org:5060;branch=z9hG4bK${name}`,
    'From: "Bob" <sip:bob@example.com>;tag=7711',
    `To: <${DAVE}>;tag=im-${name}`,
    `Call-ID: call-${name}@ua.example.com`,
    ...headers,
    'Content-Length: 0',
    '',
  );
}

export function inviteOctets(name: string): Uint8Array {
  const subject = `Subject: minutes of ${name}`;
  return sip(`INVITE ${DAVE} SIP/2.0`, name, 'CSeq: 11 INVITE', 'Max-Forwards: 68', subject);
}

export function answerOctets(name: string): Uint8Array {
  const date = 'Date: Sun, 22 Nov 2026 09:15:20 GMT';
  return sip('SIP/2.0 200 OK', name, 'CSeq: 11 INVITE', date);
}

export function byeOctets(name: string): Uint8Array {
  const reason = 'Reason: SIP ;cause=200 ;text="all said"';
  return sip('BYE sip:im-store@127.0.0.1 SIP/2.0', name, 'CSeq: 12 BYE', reason);
}

export function headOctets(name: string, contentType: string): Uint8Array {
  return lines(
    `MSRP t${name} SEND`,
    `To-Path: msrp://127.0.0.1:2855/ours${name}secret;tcp`,
    `From-Path: msrp://192.0.2.7:8493/theirs${name}secret;tcp`,
    `Message-ID: msrp-${name}`,
    'Byte-Range: 1-*/*',
    `Content-Type: ${contentType}`,
    '',
  );
}

/** What the server keeps in a file: the body of the big message, in the folder `data`. */
export async function keepContent(data: string, octets: Uint8Array = BIG_BODY): Promise<void> {
  const blobs = await openFileBlobs({ dir: contentsFolder(data) });
  const writer = blobs.create();
  writer.write(0, octets);
  await writer.seal(octets.length);
  await blobs.close();
}

interface Left {
  readonly id: string;
  readonly contentType: string;
  readonly body: Uint8Array;
  /** The body is in a file. */
  readonly isFile?: boolean;
}

/** Fills a memory store, or the one that is given. */
export async function exampleLarge(store?: EventStore & ViewStore): Promise<ExampleLog> {
  const example = await exampleLog(store);
  const { happen } = example;
  const signal = (octets: Uint8Array): Carried => ({ octets, evidence: EVIDENCE });

  async function offer(stream: string, name: string): Promise<void> {
    const dialog = {
      callId: `call-${name}@ua.example.com`,
      local: `<${DAVE}>;tag=im-${name}`,
      remote: '"Bob" <sip:bob@example.com>;tag=7711',
      localTag: `im-${name}`,
      remoteTag: '7711',
      remoteTarget: 'sip:bob@192.0.2.7',
      routeSet: [],
      inviteCseq: 11,
    };
    const end = { path: ['msrp://192.0.2.7:8493/thei...;tcp'], setup: 'active' };
    const offered = { account: DAVE, rule: 2, dialog, end };
    await happen(stream, 'DepositOffered', offered, signal(inviteOctets(name)));
    await happen(stream, 'AckReceived', {});
    await happen(stream, 'ChannelBound', { remote: '192.0.2.7:40200' });
  }

  async function complete(stream: string, name: string, left: Left): Promise<void> {
    const { id, contentType, body, isFile = false } = left;
    const head = headOctets(name, contentType);
    const { octets, parts } = packLarge(answerOctets(name), head, isFile ? undefined : body);
    const data = {
      ...{ account: DAVE, id, messageId: `msrp-${name}`, contentType, parts, chunks: 3 },
      ...{ bytes: body.length, sha256: sha256(body), expiresAt: Date.UTC(2026, 11, 22) },
    };
    await happen(stream, 'MessageCompleted', data, { octets });
  }

  await offer(SMALL, 'small');
  const text = { contentType: 'text/plain;charset=UTF-8', body: SMALL_BODY };
  await complete(SMALL, 'small', { id: SMALL_ID, ...text });
  const given = { messageId: 'msrp-half', bytes: 2_048, reason: 'given up by the sender' };
  await happen(SMALL, 'DepositAborted', given);
  const reason = 'SIP ;cause=200 ;text="all said"';
  await happen(SMALL, 'ByeReceived', { reason }, signal(byeOctets('small')));

  await offer(BIG, 'big');
  const file = { contentType: 'application/pdf', body: BIG_BODY, isFile: true };
  await complete(BIG, 'big', { id: BIG_ID, ...file });
  await happen(BIG, 'IdleElapsed', { idleMs: 60_000 });
  await happen(BIG, 'ByeAnswered', { status: 408 });

  await offer(OPEN, 'open');
  const json = { contentType: 'application/json', body: OPEN_BODY };
  await complete(OPEN, 'open', { id: OPEN_ID, ...json });

  const refused = { account: DAVE, status: 480, reason: 'the sender also wants to receive' };
  await happen(REFUSED, 'DepositRefused', refused, signal(inviteOctets('refused')));
  return example;
}
