import { openEncapsulated } from '../../wire/mime/encapsulation.ts';
import { needle } from '../../wire/msrp/needle.ts';

/** A whole MSRP message, as it came. */
export interface PushedMessage {
  readonly messageId: string;
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** A pushed message as the client understood it. */
export interface ReceivedMessage {
  /** MSRP Message-ID of the push: the same whenever the same body is pushed again. */
  readonly messageId: string;
  /** This client has seen the Message-ID before and would show the message only once. */
  readonly duplicate: boolean;
  /** The relevant headers; names as they came. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly from?: string;
  readonly date?: string;
  readonly subject?: string;
  /** When the server received it, seconds since 1970 with milliseconds. */
  readonly timestamp?: string;
  /** Type of the encapsulated message, such as `message/sip`; of the body when nothing is in it. */
  readonly type: string;
  /** The encapsulated message, octet for octet. */
  readonly inner: Uint8Array;
  /** The body of the encapsulated message. */
  readonly text: string;
}

const EMPTY_LINE = needle(new TextEncoder().encode('\r\n\r\n'));
const decoder = new TextDecoder();

/** Reads a pushed body; one that is no encapsulation is taken as plain content. */
export function receivedMessage(incoming: PushedMessage, duplicate: boolean): ReceivedMessage {
  const { messageId, contentType, body } = incoming;
  const opened = openEncapsulated(contentType, body);
  if (opened.kind === 'refusal') {
    const text = decoder.decode(body);
    return { messageId, duplicate, fields: [], type: contentType, inner: body, text };
  }
  const { fields, type, message: inner } = opened;
  const text = decoder.decode(contentOf(type, inner));
  const named = Object.fromEntries(fields.map(([name, value]) => [name.toLowerCase(), value]));
  const known = (['from', 'date', 'subject', 'timestamp'] as const).flatMap((name) => {
    const value = named[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { messageId, duplicate, fields, ...Object.fromEntries(known), type, inner, text };
}

/** Behind the empty line; of an MSRP request without its end-line (RFC 4975 §7.1). */
function contentOf(type: string, message: Uint8Array): Uint8Array {
  const head = EMPTY_LINE.find(message, 0, message.length);
  if (head === -1) return new Uint8Array(0);
  const content = message.subarray(head + EMPTY_LINE.length);
  if (type !== 'message/msrp') return content;
  // The end-line is the last line; a CRLF closes it and another one the content.
  const lastLine = content.lastIndexOf(10, -2);
  return lastLine === -1 ? content : content.subarray(0, Math.max(0, lastLine - 1));
}
