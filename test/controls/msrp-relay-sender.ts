/** What a client behind a relay sends: chunks, the answers to them, and the REPORTs about them. */
import { randomBytes } from 'node:crypto';
import { RELAY_CHUNK_BYTES } from './msrp-relay.ts';
import { frameOctets, type RelayFrame } from './msrp-relay-frames.ts';

export interface RelayMessage {
  readonly body: Uint8Array | string;
  /** Default: text/plain. */
  readonly contentType?: string;
  readonly messageId?: string;
  /** Default: 2048. */
  readonly chunkBytes?: number;
  /** Byte-Range: `1-*\/N` (default), `1-2048/N`, or `1-*\/*`. */
  readonly range?: 'open' | 'exact' | 'unknown';
  /** Default: yes. */
  readonly successReport?: 'yes' | 'no';
  /** Default: absent, which is yes. */
  readonly failureReport?: 'yes' | 'no' | 'partial';
}

export interface SentMessage {
  readonly messageId: string;
  /** The relay's status for each chunk, in order of arrival. */
  readonly answers: readonly number[];
  /** What came back about it; the status is the one in the header. */
  readonly reports: readonly { readonly status: number; readonly range: string }[];
}

interface SenderOptions {
  readonly uri: string;
  readonly usePath: readonly string[];
  readonly frames: readonly RelayFrame[];
  write(octets: Buffer): void;
  wait(settled: () => SentMessage | undefined): Promise<SentMessage>;
}

export function relaySender(
  options: SenderOptions,
): (peerPath: readonly string[], message: RelayMessage) => Promise<SentMessage> {
  const { uri, usePath, frames, write } = options;
  return async (peerPath, message) => {
    const messageId = message.messageId ?? randomBytes(10).toString('hex');
    const body = Buffer.from(message.body);
    const { successReport = 'yes', failureReport } = message;
    const chunks = chunksOf(body, message);
    const tids = new Set<string>();
    for (const { headers, part, flag } of chunks) {
      const tid = randomBytes(10).toString('hex');
      tids.add(tid);
      const named = {
        'Message-ID': messageId,
        'Success-Report': successReport,
        ...(failureReport === undefined ? {} : { 'Failure-Report': failureReport }),
        ...headers,
      };
      const toPath = [...usePath, ...peerPath];
      write(
        frameOctets({
          ...{ tid, says: 'SEND', toPath, fromPath: [uri], headers: named, body: part, flag },
        }),
      );
    }
    const answered = failureReport === undefined || failureReport === 'yes';
    return options.wait(() => {
      const answers = frames
        .filter(({ direction, tid, status }) => direction === 'in' && status && tids.has(tid))
        .map(({ status = 0 }) => status);
      const reports = reportsOn(messageId, frames);
      const failed = [...answers, ...reports.map(({ status }) => status)].some((s) => s >= 300);
      const complete = (!answered || answers.length === tids.size) && (failed || reported(reports));
      return complete ? { messageId, answers, reports } : undefined;
    });

    function reported(reports: SentMessage['reports']): boolean {
      if (successReport === 'no') return true;
      const octets = reports.reduce((sum, { range }) => sum + octetsOf(range), 0);
      return reports.length > 0 && octets >= body.length;
    }
  };
}

function chunksOf(body: Buffer, message: RelayMessage) {
  const { chunkBytes = RELAY_CHUNK_BYTES, range = 'open', contentType = 'text/plain' } = message;
  const total = range === 'unknown' ? '*' : body.length;
  const count = Math.max(1, Math.ceil(body.length / chunkBytes));
  return Array.from({ length: count }, (_, n) => {
    const part = body.subarray(n * chunkBytes, (n + 1) * chunkBytes);
    const start = n * chunkBytes + 1;
    const end = range === 'exact' ? start + part.length - 1 : '*';
    const headers = { 'Byte-Range': `${start}-${end}/${total}`, 'Content-Type': contentType };
    return { headers, part, flag: n === count - 1 ? ('$' as const) : ('+' as const) };
  });
}

function reportsOn(messageId: string, frames: readonly RelayFrame[]): SentMessage['reports'] {
  return frames
    .filter(({ direction, method }) => direction === 'in' && method === 'REPORT')
    .filter(({ headers }) => headers['Message-ID'] === messageId)
    .map(({ headers }) => ({
      status: Number(headers.Status?.split(' ')[1]),
      range: headers['Byte-Range'] ?? '',
    }));
}

function octetsOf(range: string): number {
  const [, start, end] = /^(\d+)-(\d+)\//.exec(range) ?? [];
  return start === undefined || end === undefined ? 0 : Number(end) - Number(start) + 1;
}
