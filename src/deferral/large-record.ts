/** What is kept of a Large message (IM-11.3.2.5-2…-4), as the events of its session hold it. */
import type { EventStore } from '../engine/ports.ts';
import type { Recorded } from '../engine/recorded.ts';
import type { MessageCompletedData } from '../machines/deposit/events.ts';
import type { LargeSource } from '../machines/mailbox/events.ts';
import { depositStream } from './account.ts';

export interface LargeRecord {
  /** The sender's INVITE and our 2xx, as they were on the wire. */
  readonly invite: Uint8Array;
  readonly answer: Uint8Array;
  /** Start line, headers and empty line of the SEND. */
  readonly head: Uint8Array;
  /** Absent: in the blob store, as `data.sha256`. */
  readonly body?: Uint8Array;
  readonly data: MessageCompletedData;
  /** When the message was whole, in epoch milliseconds. */
  readonly receivedAt: number;
}

/** The octets of a MessageCompleted: one part behind the other. */
export function packLarge(
  answer: Uint8Array,
  head: Uint8Array,
  body: Uint8Array | undefined,
): { readonly octets: Uint8Array; readonly parts: MessageCompletedData['parts'] } {
  const octets = new Uint8Array(answer.length + head.length + (body?.length ?? 0));
  octets.set(answer);
  octets.set(head, answer.length);
  if (body) octets.set(body, answer.length + head.length);
  const parts = { answer: answer.length, head: head.length };
  return { octets, parts: body ? { ...parts, body: body.length } : parts };
}

async function eventAt(store: EventStore, stream: string, from: number) {
  for await (const event of store.read(stream, { from, limit: 1 })) return event;
  return undefined;
}

/** `undefined`: the log does not have it. */
export async function readLarge(
  store: EventStore,
  { deposit, revision }: LargeSource,
): Promise<LargeRecord | undefined> {
  const stream = depositStream(deposit);
  const [offered, completed] = await Promise.all([
    eventAt(store, stream, 0),
    eventAt(store, stream, revision),
  ]);
  if (!offered?.octets || completed?.type !== 'MessageCompleted' || !completed.octets) {
    return undefined;
  }
  const { octets, at, data } = completed as Recorded<string, MessageCompletedData>;
  const { answer, head, body } = data.parts;
  const rest = octets?.subarray(answer) ?? new Uint8Array(0);
  return {
    invite: offered.octets,
    answer: octets?.subarray(0, answer) ?? rest,
    head: rest.subarray(0, head),
    ...(body === undefined ? {} : { body: rest.subarray(head, head + body) }),
    data,
    receivedAt: at,
  };
}
