/**
 * The receiving half of an MSRP session (RFC 4975 §§5.1, 7.2, 7.3): no sockets, no clock. No
 * message is kept here: its octets go on to a sink of the owner's as they come.
 */
import { answers } from './answers.ts';
import { type Finished, finishedMessages } from './finished-messages.ts';
import type { ContinuationFlag, FrameRefusal, MsrpRequest, StreamEvent } from './frame.ts';
import type { RequestHead } from './head.ts';
import type { AbortedMessage, IncomingHead, IncomingMessage } from './incoming.ts';
import { MSRP_LIMITS, type MsrpLimits } from './limits.ts';
import type { MessageSink } from './message-sink.ts';
import { addSpan, coverAll, type OctetSpans, octetsIn } from './ranges.ts';

export interface ReceiverOptions<Sink extends MessageSink> {
  readonly localUri: string;
  readonly random: (octets: number) => Uint8Array;
  readonly limits?: MsrpLimits;
  write(parts: readonly Uint8Array[]): void;
  /** Where a new message is to go, or the status to refuse it with. */
  begin(head: IncomingHead): Sink | number;
  /** A whole message; `answer(tid, status)` decides what its last chunk is answered. */
  completed(tid: string, message: IncomingMessage<Sink>): void;
  aborted(message: AbortedMessage): void;
  /** A request was answered with an error, or could not be answered. */
  refused(reason: string, section: string): void;
}

export interface MsrpReceiver {
  /** A request for this session, other than a REPORT. */
  request(frame: MsrpRequest): void;
  /** A SEND for this session whose body comes in pieces. */
  stream(event: StreamEvent): void;
  refusal(refusal: FrameRefusal): void;
  /** Refuses a request that is not for this session. */
  refuse(head: RequestHead, status: number, why: Why): void;
  /** Answers the chunk that completed a message; a second answer for the same tid is ignored. */
  answer(tid: string, status: number): void;
  /** Reports the failure of a message that was answered 200. */
  takeBack(messageId: string, status: number): void;
  /** No more will come: whatever is incomplete is given up. */
  end(reason: string): void;
  /** Requests that wait for `answer`. */
  readonly unanswered: number;
  /** Of all sinks of messages that are incomplete or unanswered. */
  readonly unwrittenBytes: number;
}

interface Why {
  readonly reason: string;
  readonly section: string;
}

interface Incomplete<Sink> {
  readonly messageId: string;
  readonly contentType: string;
  readonly sink: Sink;
  readonly seen: OctetSpans;
  /** Where its last octet so far ends. */
  extent: number;
  chunks: number;
  head: Uint8Array;
  headTid: string;
  /** Known once the `$` chunk came. */
  total?: number;
}

/** The chunk that is coming in. */
interface Chunk<Sink> {
  readonly head: RequestHead;
  readonly id: string;
  /** Where its next octet belongs, counted from 0. */
  at: number;
  /** What its octets belong to, also before that is known to stay; `undefined`: read past. */
  message: Incomplete<Sink> | undefined;
  /** What is due when it ends. `nothing`: it was answered, or never is. */
  due: 'message' | 'repetition' | 'response' | 'nothing';
}

const NO_OCTETS = new Uint8Array(0);
const TOO_LONG = { reason: 'the message is too long', section: '§10.5' };
const TOO_MUCH = { reason: 'too much is incomplete', section: '§10.5' };
const TOO_MANY = { reason: 'too many messages are incomplete', section: '§10.5' };
const TOO_MANY_GAPS = { reason: 'too many gaps', section: '§10.5' };

export function msrpReceiver<Sink extends MessageSink>(
  options: ReceiverOptions<Sink>,
): MsrpReceiver {
  const limits = options.limits ?? MSRP_LIMITS;
  const { respond, report } = answers(options);
  const partials = new Map<string, Incomplete<Sink>>();
  const finished = finishedMessages(limits.rememberedMessagesMax);
  /** By the tid of the chunk that completed it. */
  const unanswered = new Map<string, { readonly id: string; readonly sink: Sink }>();
  /** Requests in `waiting` of all finished messages. */
  let owed = 0;
  /** Room that all partial messages take in their sinks. */
  let partialBytes = 0;
  let current: Chunk<Sink> | undefined;
  let over = false;

  function refuse(head: RequestHead, status: number, { reason, section }: Why): void {
    respond(head, status);
    options.refused(reason, `RFC 4975 ${section}`);
  }

  function request(frame: MsrpRequest): void {
    if (frame.method !== 'SEND') {
      refuse(frame, 501, { reason: 'unknown method', section: '§10.9' });
      return;
    }
    const { body = NO_OCTETS, octets, flag } = frame;
    const head = frame.body ? octets.subarray(0, body.byteOffset - octets.byteOffset) : octets;
    const chunk = open(frame, head, flag);
    current = chunk;
    if (body.length > 0) take(chunk, body);
    close(chunk, flag);
  }

  function stream(event: StreamEvent): void {
    if (event.kind === 'begun') current = open(event.head, event.octets, undefined);
    else if (current === undefined) return;
    else if (event.kind === 'piece') take(current, event.octets);
    else close(current, event.flag);
  }

  /** `flag`: how the chunk ends, when that is known already. */
  function open(
    head: RequestHead,
    octets: Uint8Array,
    flag: ContinuationFlag | undefined,
  ): Chunk<Sink> {
    const { messageId: id = '', byteRange, contentType } = head;
    const at = (byteRange?.start ?? 1) - 1;
    const chunk: Chunk<Sink> = { head, id, at, message: undefined, due: 'nothing' };
    const known = finished.get(id);
    const status = known?.status;
    const partial = partials.get(id);
    if (id === '') refuse(head, 400, { reason: 'a SEND has a Message-ID', section: '§7.1' });
    else if (flag === '#') chunk.due = 'response';
    else if (unanswered.has(head.tid)) {
      refuse(head, 400, { reason: 'the transaction id is in use', section: '§7.1' });
    } else if (status !== undefined && status >= 300) respond(head, status);
    else if (known !== undefined) chunk.due = 'repetition';
    // RFC 4975 §5.4: a SEND without a body binds the session and carries no message.
    else if (contentType === undefined && partial === undefined) chunk.due = 'response';
    else if (partial === undefined) first(chunk, octets, flag);
    else further(chunk, octets, partial);
    return chunk;
  }

  function first(chunk: Chunk<Sink>, octets: Uint8Array, flag?: ContinuationFlag): void {
    const { head, id: messageId, at } = chunk;
    const { contentType = '', successReport = 'no', failureReport = 'yes' } = head;
    const { total = '*' } = head.byteRange ?? {};
    const isWhole = at === 0 && flag === '$';
    if (isTooLong(chunk)) stop(chunk, 413, TOO_LONG);
    else if (!isWhole && partials.size >= limits.partialMessagesMax) stop(chunk, 413, TOO_MANY);
    else {
      const sink = options.begin({
        ...{ messageId, contentType, successReport, failureReport },
        ...(total === '*' ? {} : { total }),
      });
      if (typeof sink === 'number') {
        stop(chunk, sink, { reason: `refused with ${sink}`, section: '§7.2' });
      } else if (over) sink.discard('the session ended');
      else {
        const start = { extent: 0, chunks: 0, head: NO_OCTETS, headTid: '' };
        const message = { messageId, contentType, sink, seen: [], ...start };
        // What is a single frame, as most are, never becomes one of them.
        if (flag === undefined) partials.set(messageId, message);
        further(chunk, octets, message);
      }
    }
  }

  function further(chunk: Chunk<Sink>, octets: Uint8Array, message: Incomplete<Sink>): void {
    const { head, at } = chunk;
    if (isTooLong(chunk)) stop(chunk, 413, TOO_LONG);
    else if ((head.contentType ?? message.contentType) !== message.contentType) {
      refuse(head, 400, { reason: 'a chunk of another Content-Type', section: '§7.3.1' });
    } else {
      if (at === 0) [message.head, message.headTid] = [octets, head.tid];
      chunk.message = message;
      chunk.due = 'message';
    }
  }

  /** As the chunk itself says, before any octet of it came. */
  function isTooLong({ head, at }: Chunk<Sink>): boolean {
    const { total = '*' } = head.byteRange ?? {};
    return Math.max(at, total === '*' ? 0 : total) > limits.messageBytesMax;
  }

  function take(chunk: Chunk<Sink>, octets: Uint8Array): void {
    const { head, at, message } = chunk;
    const end = at + octets.length;
    chunk.at = end;
    if (message === undefined) return;
    const growth = Math.max(0, end - message.extent);
    if (end > limits.messageBytesMax) stop(chunk, 413, TOO_LONG);
    else if (partialBytes + growth > 2 * limits.messageBytesMax) stop(chunk, 413, TOO_MUCH);
    else if (end > (message.total ?? end)) {
      chunk.message = undefined;
      chunk.due = 'nothing';
      refuse(head, 400, { reason: 'octets behind the last chunk', section: '§7.3.1' });
    } else {
      message.extent += growth;
      partialBytes += growth;
      addSpan(message.seen, at + 1, end);
      if (message.seen.length > limits.gapsMax) stop(chunk, 413, TOO_MANY_GAPS);
      else message.sink.write(at, octets);
    }
  }

  function close(chunk: Chunk<Sink>, flag: ContinuationFlag): void {
    const { head, id, due, message } = chunk;
    const known = finished.get(id);
    current = undefined;
    if (flag === '#') abandon(chunk);
    // What was refused may be tried again once its last chunk is through.
    if (flag !== '+' && (known?.status ?? 0) >= 300) finished.delete(id);
    if (due === 'nothing') return;
    if (flag === '#' || due === 'response') respond(head, 200);
    else if (message !== undefined) join(chunk, message, flag);
    else if (known !== undefined) repeat(head, known);
  }

  function join(
    { head, id, at }: Chunk<Sink>,
    message: Incomplete<Sink>,
    flag: ContinuationFlag,
  ): void {
    message.chunks++;
    if (flag === '$') message.total = at;
    const { contentType, total, sink, chunks, headTid } = message;
    if (total === undefined || !coverAll(message.seen, total)) {
      partials.set(id, message);
      respond(head, 200);
      return;
    }
    forget(message);
    const { fromPath, failureReport } = head;
    finished.put(id, { waiting: [head], bytes: total, fromPath, failureReport });
    owed++;
    unanswered.set(head.tid, { id, sink });
    const told = { messageId: id, contentType, bytes: total, head: message.head, headTid };
    options.completed(head.tid, { ...told, chunks, sink });
  }

  /** RFC 4975 §5.4: a message that is already here is acknowledged and not delivered again. */
  function repeat(head: RequestHead, known: Finished): void {
    if (known.status === undefined) {
      known.waiting.push(head);
      owed++;
    } else acknowledge(head, known.status, known.bytes);
  }

  /** RFC 4975 §10.5: no more chunks of this message are wanted. */
  function stop(chunk: Chunk<Sink>, status: number, why: Why): void {
    const message = chunk.message ?? partials.get(chunk.id);
    chunk.message = undefined;
    chunk.due = 'nothing';
    const { fromPath, failureReport } = chunk.head;
    finished.put(chunk.id, { waiting: [], bytes: 0, status, fromPath, failureReport });
    refuse(chunk.head, status, why);
    giveUp(message, why.reason);
  }

  function answer(tid: string, status: number): void {
    const { id = '' } = unanswered.get(tid) ?? {};
    const known = finished.get(id);
    if (!unanswered.delete(tid) || known === undefined) return;
    known.status = status;
    owed -= known.waiting.length;
    for (const head of known.waiting.splice(0)) acknowledge(head, status, known.bytes);
    // What was refused may be tried again; what was taken in must not be taken in twice.
    if (status >= 300) finished.delete(id);
  }

  function acknowledge(head: RequestHead, status: number, bytes: number): void {
    respond(head, status);
    if (status < 300) report(head, bytes, status);
  }

  /** RFC 4975 §7.1: the sender gave the message up, perhaps with its only chunk. */
  function abandon({ head, id, at, due, message = partials.get(id) }: Chunk<Sink>): void {
    const reason = 'the peer gave the message up';
    if (message !== undefined) giveUp(message, reason);
    else if (due === 'response' && head.contentType !== undefined && !finished.get(id)) {
      const bytes = at - (head.byteRange?.start ?? 1) + 1;
      options.aborted({ messageId: id, bytes, reason });
    }
  }

  function forget({ messageId, extent }: Incomplete<Sink>): void {
    partials.delete(messageId);
    partialBytes -= extent;
  }

  function giveUp(message: Incomplete<Sink> | undefined, reason: string): void {
    if (message === undefined) return;
    const { messageId, sink, seen } = message;
    forget(message);
    sink.discard(reason);
    options.aborted({ messageId, bytes: octetsIn(seen), reason });
  }

  return {
    request,
    stream,
    refuse,
    refusal({ answer: unread, reason, section }) {
      options.refused(reason, section);
      if (unread !== undefined) respond(unread, unread.status);
    },
    answer,
    takeBack(messageId, status) {
      const known = finished.get(messageId);
      if (known?.status === undefined || known.status >= 300) return;
      finished.delete(messageId);
      const { fromPath, failureReport, bytes } = known;
      report({ messageId, fromPath, failureReport }, bytes, status);
    },
    end(reason) {
      over = true;
      const open = new Set(partials.values());
      if (current?.message !== undefined) open.add(current.message);
      if (current !== undefined) [current.message, current.due] = [undefined, 'nothing'];
      for (const message of open) giveUp(message, reason);
    },
    get unanswered() {
      return owed;
    },
    get unwrittenBytes() {
      let bytes = 0;
      for (const { sink } of partials.values()) bytes += sink.unwrittenBytes;
      for (const { sink } of unanswered.values()) bytes += sink.unwrittenBytes;
      return bytes;
    },
  };
}
