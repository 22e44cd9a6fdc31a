/** What a client behind a relay gets: chunks put together, answered hop by hop, and reported on. */
import { randomBytes } from 'node:crypto';
import { frameOctets, type RelayFrame } from './msrp-relay-frames.ts';

export interface ReceivedMessage {
  readonly messageId: string;
  readonly contentType: string;
  readonly body: Buffer;
  /** As the last hop wrote it: relays first. */
  readonly fromPath: readonly string[];
  /** Byte-Range of each chunk, in order of arrival. */
  readonly ranges: readonly string[];
}

export interface ReceiverManners {
  /** The status of each SEND, which goes to the relay alone; default: 200. */
  answer?(frame: RelayFrame): number;
  /**
   * The status of the REPORT on a whole message, which goes to its sender; `0`: none. Default: 200.
   * One of success is sent only to who asked for it.
   */
  report?(message: ReceivedMessage): number;
}

interface Partial {
  readonly chunks: { readonly start: number; readonly body: Buffer }[];
  readonly ranges: string[];
  total?: number;
}

const SUCCESS = 200;

export function relayReceiver(options: {
  readonly uri: string;
  readonly manners: ReceiverManners;
  write(octets: Buffer): void;
}): { readonly messages: readonly ReceivedMessage[]; frame(frame: RelayFrame): void } {
  const { uri, manners, write } = options;
  const messages: ReceivedMessage[] = [];
  const partials = new Map<string, Partial>();

  function collect(frame: RelayFrame, body: Buffer): void {
    const { 'Message-ID': messageId = '', 'Byte-Range': range = '1-*/*' } = frame.headers;
    const partial = partials.get(messageId) ?? { chunks: [], ranges: [] };
    partials.set(messageId, partial);
    const start = Number(range.split('-')[0]);
    partial.chunks.push({ start, body });
    partial.ranges.push(range);
    if (frame.flag === '$') partial.total = start - 1 + body.length;
    const octets = partial.chunks.reduce((sum, { body: { length } }) => sum + length, 0);
    if (frame.flag === '#') partials.delete(messageId);
    else if (octets === partial.total) complete(messageId, partial, frame);
  }

  function complete(messageId: string, partial: Partial, frame: RelayFrame): void {
    partials.delete(messageId);
    const inOrder = [...partial.chunks].sort((a, b) => a.start - b.start);
    const message = {
      messageId,
      contentType: frame.headers['Content-Type'] ?? '',
      body: Buffer.concat(inOrder.map(({ body }) => body)),
      fromPath: frame.fromPath,
      ranges: partial.ranges,
    };
    report(frame, message);
    messages.push(message);
  }

  function report(frame: RelayFrame, message: ReceivedMessage): void {
    const status = manners.report?.(message) ?? SUCCESS;
    const { 'Success-Report': success = 'no', 'Failure-Report': failure = 'yes' } = frame.headers;
    if (status === 0 || (status === SUCCESS ? success === 'no' : failure === 'no')) return;
    const { length } = message.body;
    write(
      frameOctets({
        // RFC 4975 §7.1.2: back along the whole way that it came.
        ...{ tid: tid(), says: 'REPORT', toPath: frame.fromPath, fromPath: [uri] },
        headers: {
          'Message-ID': message.messageId,
          'Byte-Range': `1-${length}/${length}`,
          Status: `000 ${status}`,
        },
      }),
    );
  }

  return {
    messages,
    frame(frame) {
      if (frame.method !== 'SEND') return;
      const status = manners.answer?.(frame) ?? SUCCESS;
      const { 'Failure-Report': failure = 'yes' } = frame.headers;
      if (failure === 'yes' || (failure === 'partial' && status !== SUCCESS)) {
        // RFC 4975 §7.2: to the nearest hop.
        const paths = { toPath: frame.fromPath.slice(0, 1), fromPath: [uri] };
        const says = `${status} ${status === SUCCESS ? 'OK' : 'Refused'}`;
        write(frameOctets({ tid: frame.tid, says, ...paths }));
      }
      if (status === SUCCESS && frame.body !== undefined) collect(frame, frame.body);
    },
  };
}

function tid(): string {
  return randomBytes(10).toString('hex');
}
