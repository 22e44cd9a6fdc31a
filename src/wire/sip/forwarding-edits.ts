/** Changes of a message that leave every other octet as it came (RFC 3261 §16.6). */
import type { Field, SipMessage } from './message.ts';

/** `text` in place of the octets from `start` to `end`; the same place for both inserts it. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const utf8 = new TextEncoder();

/** Edits do not overlap; those that insert at one place stand there in the order given. */
export function edited(octets: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = 0;
  // What is inserted where something is taken away comes before it.
  const inOrder = [...edits].sort((a, b) => a.start - b.start || a.end - b.end);
  for (const { start, end, text } of inOrder) {
    parts.push(octets.subarray(at, start), utf8.encode(text));
    at = end;
  }
  parts.push(octets.subarray(at));
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let length = 0;
  for (const part of parts) {
    whole.set(part, length);
    length += part.length;
  }
  return whole;
}

export function fieldsOf(message: SipMessage, name: string): readonly Field[] {
  return message.fields.filter((field) => field.name === name);
}

/** Another value in the same line, under the name as it was spelled. */
export function valueEdit({ valueStart, end }: Field, text: string): Edit {
  return { start: valueStart, end: end - 2, text };
}

export function removal({ start, end }: Field): Edit {
  return { start, end, text: '' };
}

export function insertion(at: number, lines: readonly (readonly [string, string])[]): Edit {
  const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return { start: at, end: at, text };
}

/** Behind the last header line. */
export function headEnd({ fields }: SipMessage): number {
  return fields.at(-1)?.end ?? 0;
}

/** A stream needs Content-Length, a datagram may come without (RFC 3261 §18.3, §16.6 step 9). */
export function lengthEdits(message: SipMessage): readonly Edit[] {
  if (message.first('content-length') !== undefined) return [];
  return [insertion(headEnd(message), [['Content-Length', String(message.body.length)]])];
}
