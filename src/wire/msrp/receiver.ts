/** The receiving half of an MSRP session (RFC 4975 §§5.1, 7.2, 7.3): no sockets, no clock. */
import type { FrameRefusal, MsrpRequest } from './frame.ts';
import { MSRP_LIMITS, type MsrpLimits } from './limits.ts';
import { type OctetRanges, octetRanges } from './ranges.ts';
import { reassemble, startOf } from './reassembly.ts';
import { freshTid, renderReport, renderResponse } from './render.ts';
import { equalMsrpUris } from './uri.ts';

export interface IncomingMessage {
  readonly messageId: string;
  readonly contentType: string;
  readonly body: Uint8Array;
  /** As received, in order of arrival; the first of them names the paths and further headers. */
  readonly chunks: readonly MsrpRequest[];
}

export interface ReceiverOptions {
  readonly localUri: string;
  readonly random: (octets: number) => Uint8Array;
  readonly limits?: MsrpLimits;
  write(parts: readonly Uint8Array[]): void;
  /** A whole message; `answer(tid, status)` decides what its last chunk is answered. */
  completed(tid: string, message: IncomingMessage): void;
  /** The peer gave a message up with `#`. */
  aborted(messageId: string): void;
  /** A request was answered with an error, or could not be answered. */
  refused(reason: string, section: string): void;
}

export interface MsrpReceiver {
  /** Whether To-Path names this session; if not, the request was answered 481. */
  owns(frame: MsrpRequest): boolean;
  /** A request that this session owns, other than a REPORT. */
  request(frame: MsrpRequest): void;
  refusal(refusal: FrameRefusal): void;
  /** Answers the chunk that completed a message; a second answer for the same tid is ignored. */
  answer(tid: string, status: number): void;
  /** Completed messages that still wait for `answer`. */
  readonly unanswered: number;
}

interface Incomplete {
  readonly chunks: MsrpRequest[];
  readonly seen: OctetRanges;
  bytes: number;
  /** Known once the `$` chunk came. */
  total?: number;
}

/** A message that needs no more octets; its answer may still be open. */
interface Finished {
  status?: number;
  readonly waiting: MsrpRequest[];
  /** 0 for a message that was refused. */
  readonly bytes: number;
}

/** Estimate of what one kept chunk costs beside its octets. */
const CHUNK_OVERHEAD_BYTES = 512;
const NO_OCTETS = new Uint8Array(0);

type Answerable = Pick<MsrpRequest, 'method' | 'tid' | 'toPath' | 'fromPath' | 'failureReport'>;

export function msrpReceiver(options: ReceiverOptions): MsrpReceiver {
  const { localUri, random } = options;
  const limits = options.limits ?? MSRP_LIMITS;
  const partials = new Map<string, Incomplete>();
  const finished = new Map<string, Finished>();
  /** Message-ID by the tid of the chunk that completed it. */
  const unanswered = new Map<string, string>();
  /** Octets held for all partial messages together. */
  let partialBytes = 0;

  function owns(frame: MsrpRequest): boolean {
    const [own] = frame.toPath;
    const ours = frame.toPath.length === 1 && own !== undefined && equalMsrpUris(own, localUri);
    if (!ours) refuse(frame, 481, 'To-Path does not name this session', '§7.3');
    return ours;
  }

  function request(frame: MsrpRequest): void {
    if (frame.method !== 'SEND') refuse(frame, 501, 'unknown method', '§10.8');
    else if (frame.messageId === undefined) refuse(frame, 400, 'a SEND has a Message-ID', '§7.1');
    else chunk(frame, frame.messageId);
  }

  function chunk(frame: MsrpRequest, id: string): void {
    const { flag } = frame;
    const known = finished.get(id);
    if (flag === '#') abandon(frame, id);
    else if (known !== undefined) repeat(frame, id, known);
    else collect(frame, id);
  }

  function collect(frame: MsrpRequest, id: string): void {
    const { body = NO_OCTETS, contentType, flag } = frame;
    // RFC 4975 §5.4: a SEND without a body binds the session and carries no message.
    const partial = partials.get(id);
    if (contentType === undefined && partial === undefined) {
      respond(frame, 200);
      return;
    }
    const start = startOf(frame);
    const end = start + body.length - 1;
    const { total = '*' } = frame.byteRange ?? {};
    const expected = total === '*' ? end : Math.max(end, total);
    if (expected > limits.messageBytesMax) stop(frame, id, 'the message is too long');
    else if (partial === undefined && contentType !== undefined && start === 1 && flag === '$') {
      complete(frame, id, { contentType, body, chunks: [frame] });
    } else if (partial === undefined && partials.size >= limits.partialMessagesMax) {
      stop(frame, id, 'too many messages are incomplete');
    } else extend(frame, id, { start, end, partial });
  }

  function extend(
    frame: MsrpRequest,
    id: string,
    piece: { start: number; end: number; partial: Incomplete | undefined },
  ): void {
    const partial = piece.partial ?? { chunks: [], seen: octetRanges(), bytes: 0 };
    partials.set(id, partial);
    // Small chunks cost their headers and our bookkeeping too.
    const cost = frame.octets.length + CHUNK_OVERHEAD_BYTES;
    partial.bytes += cost;
    partialBytes += cost;
    if (partialBytes > 2 * limits.messageBytesMax) stop(frame, id, 'too much is incomplete');
    else if (partial.seen.count > limits.gapsMax) stop(frame, id, 'too many gaps');
    else if (piece.end > (partial.total ?? piece.end)) {
      refuse(frame, 400, 'octets behind the last chunk', '§7.3.1');
    } else join(frame, id, piece, partial);
  }

  function join(
    frame: MsrpRequest,
    id: string,
    piece: { start: number; end: number },
    partial: Incomplete,
  ): void {
    partial.chunks.push(frame);
    partial.seen.add(piece.start, piece.end);
    if (frame.flag === '$') partial.total = piece.end;
    const { total } = partial;
    if (total === undefined || !partial.seen.covers(total)) {
      respond(frame, 200);
      return;
    }
    forget(id);
    const contentType = partial.chunks[0]?.contentType ?? '';
    const body = reassemble(partial.chunks, total);
    complete(frame, id, { contentType, body, chunks: partial.chunks });
  }

  function complete(
    frame: MsrpRequest,
    messageId: string,
    message: Omit<IncomingMessage, 'messageId'>,
  ): void {
    if (unanswered.has(frame.tid)) {
      refuse(frame, 400, 'the transaction id is in use', '§7.1');
      return;
    }
    finish(messageId, { waiting: [frame], bytes: message.body.length });
    unanswered.set(frame.tid, messageId);
    options.completed(frame.tid, { messageId, ...message });
  }

  /** RFC 4975 §5.4: a message that is already here is acknowledged and not delivered again. */
  function repeat(frame: MsrpRequest, id: string, known: Finished): void {
    if (known.status === undefined) known.waiting.push(frame);
    else respond(frame, known.status, known.bytes);
    if (known.status !== undefined && known.status >= 300 && frame.flag === '$') {
      finished.delete(id);
    }
  }

  function abandon(frame: MsrpRequest, id: string): void {
    if (forget(id)) options.aborted(id);
    const known = finished.get(id);
    if (known?.status !== undefined && known.status >= 300) finished.delete(id);
    respond(frame, 200);
  }

  /** RFC 4975 §10.5: no more chunks of this message are wanted. */
  function stop(frame: MsrpRequest, id: string, reason: string): void {
    forget(id);
    if (frame.flag === '+') finish(id, { waiting: [], bytes: 0, status: 413 });
    refuse(frame, 413, reason, '§10.5');
  }

  function answer(tid: string, status: number): void {
    const id = unanswered.get(tid);
    const known = id === undefined ? undefined : finished.get(id);
    if (id === undefined || known === undefined) return;
    unanswered.delete(tid);
    known.status = status;
    for (const frame of known.waiting.splice(0)) respond(frame, status, known.bytes);
    // What was refused may be tried again; what was taken in must not be taken in twice.
    if (status >= 300) finished.delete(id);
  }

  function respond(frame: Answerable & Reported, status: number, completedBytes?: number): void {
    const wanted = frame.failureReport ?? 'yes';
    const { tid, fromPath } = frame;
    if (wanted === 'yes' || (wanted === 'partial' && status >= 300)) {
      // RFC 4975 §7.2: a SEND is answered to the first hop alone.
      const toPath = frame.method === 'SEND' ? fromPath.slice(0, 1) : fromPath;
      options.write([renderResponse({ tid, status, toPath, fromPath: [localUri] })]);
    }
    if (completedBytes === undefined || frame.successReport !== 'yes' || status >= 300) return;
    const byteRange = { start: 1, end: completedBytes, total: completedBytes };
    const report = { namespace: '000', code: 200, comment: 'OK' };
    const tidOfReport = freshTid(NO_OCTETS, random);
    const paths = { toPath: fromPath, fromPath: [localUri] };
    const { messageId = '' } = frame;
    options.write([
      renderReport({ tid: tidOfReport, ...paths, messageId, byteRange, status: report }),
    ]);
  }

  function refuse(frame: Answerable, status: number, reason: string, section: string): void {
    respond(frame, status);
    options.refused(reason, `RFC 4975 ${section}`);
  }

  function finish(id: string, entry: Finished): void {
    finished.set(id, entry);
    if (finished.size <= limits.rememberedMessagesMax) return;
    for (const [oldId, old] of finished) {
      if (old.status === undefined) continue;
      finished.delete(oldId);
      return;
    }
  }

  function forget(id: string): boolean {
    partialBytes -= partials.get(id)?.bytes ?? 0;
    return partials.delete(id);
  }

  return {
    owns,
    request,
    refusal({ answer: unread, reason, section }) {
      options.refused(reason, section);
      if (unread === undefined || unread.method === 'REPORT') return;
      respond(unread, unread.status);
      if (unread.status !== 413 || unread.messageId === undefined) return;
      forget(unread.messageId);
      finish(unread.messageId, { waiting: [], bytes: 0, status: 413 });
    },
    answer,
    get unanswered() {
      return unanswered.size;
    },
  };
}

type Reported = { readonly successReport?: 'yes' | 'no'; readonly messageId?: string };
