/** Frames of MSRP out of a stream of octets (RFC 4975 §§7.1, 9). */

import { visible } from '../visible.ts';
import { type ContinuationFlag, endLineSearch } from './end-line.ts';
import { type HeadFault, headReader, type RequestHead, type ResponseHead } from './head.ts';
import { MSRP_LIMITS, type MsrpLimits, OTHER_BODY_BYTES_MAX } from './limits.ts';

export type { ContinuationFlag };

export interface MsrpRequest extends RequestHead {
  /** A view, not a copy; absent when the frame has no Content-Type. */
  readonly body?: Uint8Array;
  readonly flag: ContinuationFlag;
  /** The whole frame as received; a view. */
  readonly octets: Uint8Array;
}

export interface MsrpResponse extends ResponseHead {
  readonly flag: '$';
  readonly octets: Uint8Array;
}

export type MsrpFrame = MsrpRequest | MsrpResponse;

export interface FrameRefusal {
  readonly kind: 'refusal';
  readonly reason: string;
  /** The clause that was broken. */
  readonly section: string;
  /** The framing is lost: the connection must be closed, nothing more will be read. */
  readonly fatal: boolean;
  /** The request to answer with `status`, when enough of it could be read. */
  readonly answer?: Pick<RequestHead, 'method' | 'tid' | 'toPath' | 'fromPath'> &
    Pick<RequestHead, 'messageId' | 'failureReport'> & { readonly status: 400 | 413 };
}

/** A SEND whose body is longer than `wholeBytesMax`: all its octets are views that stay. */
export type StreamEvent =
  /** `octets`: start line, headers and blank line as received. */
  | { readonly kind: 'begun'; readonly head: RequestHead; readonly octets: Uint8Array }
  /** The next octets of the body, at least one. */
  | { readonly kind: 'piece'; readonly octets: Uint8Array }
  /** `octets`: the end-line as received, without the CRLF before it. */
  | { readonly kind: 'ended'; readonly flag: ContinuationFlag; readonly octets: Uint8Array };

export type FrameEvent =
  | { readonly kind: 'frame'; readonly frame: MsrpFrame }
  | StreamEvent
  | FrameRefusal;

export interface MsrpFramer {
  /** Takes the next octets of the connection; the framer may keep views of them. */
  push(chunk: Uint8Array): readonly FrameEvent[];
  /** No more will come: the SEND that is `underway`, as the beginning of one in pieces. */
  cut(): readonly StreamEvent[];
  /** Octets held of a frame that is not complete. */
  readonly pending: number;
  /** Within a frame: more of it is due, also when nothing of it is held. */
  readonly within: boolean;
  /** Head of the frame whose body is still coming in, not told of yet. */
  readonly underway: RequestHead | undefined;
}

const [LF, CR, HYPHEN, TAB, SPACE] = [10, 13, 45, 9, 32];
const MSRP_SPACE = new TextEncoder().encode('MSRP ');
const EMPTY = new Uint8Array(0);
/** What is copied at least when a frame does not lie in one piece. */
const PORTION_BYTES = 1024;

type Stage =
  | { readonly name: 'head' }
  | {
      readonly name: 'body';
      readonly head: RequestHead;
      /** Octets before the body. */
      readonly headBytes: number;
      readonly bytesMax: number;
    }
  /** A body that is not kept: told of in pieces or, of a refused frame, read past. */
  | { readonly name: 'flow'; readonly told: boolean }
  | { readonly name: 'dead' };

/**
 * Whatever way the octets are split, the same events come out; only the pieces of a long body are
 * cut elsewhere. The cost is linear in the octets pushed and the memory bounded by `limits`. What
 * lies in one chunk is not copied, and of a long body only what may be the start of its end-line.
 */
export function msrpFramer(limits: MsrpLimits = MSRP_LIMITS): MsrpFramer {
  const readHead = headReader();
  const endLine = endLineSearch();
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let buffer: Uint8Array = EMPTY;
  /** The frame in progress is `buffer[start, end)`; `scan` is where to look on. */
  let start = 0;
  let scan = 0;
  let end = 0;
  let stage: Stage = { name: 'head' };
  let lineStart = 0;
  let lines = 0;
  let events: FrameEvent[] = [];

  function push(chunk: Uint8Array): readonly FrameEvent[] {
    events = [];
    let at = 0;
    while (at < chunk.length && stage.name !== 'dead') {
      if (start < end) at = bridge(chunk, at);
      else {
        look(chunk, at, chunk.length);
        // Each step consumes a line, a body or a frame.
        while (step());
        at = chunk.length;
      }
    }
    if (start === end) look(EMPTY, 0, 0);
    return events;
  }

  function look(octets: Uint8Array, from: number, to: number): void {
    [buffer, start, scan, lineStart, end] = [octets, from, from, from, to];
  }

  /**
   * Copies no more of the chunk than the frame that began before it needs; returns where the chunk
   * is to be read on in place.
   */
  function bridge(chunk: Uint8Array, at: number): number {
    const portion = Math.min(portionBytes(), chunk.length - at);
    append(chunk.subarray(at, at + portion));
    const seam = end - portion;
    while (step() && start < seam);
    if (start < seam || stage.name === 'dead') return at + portion;
    const unread = end - start;
    look(EMPTY, 0, 0);
    return at + portion - unread;
  }

  function portionBytes(): number {
    const pending = end - start;
    switch (stage.name) {
      case 'flow':
        return endLine.length;
      case 'body': {
        const untilLong = stage.headBytes + stage.bytesMax + endLine.length - pending;
        return Math.min(Math.max(pending, PORTION_BYTES), Math.max(untilLong, 1));
      }
      default:
        return Math.max(pending, PORTION_BYTES);
    }
  }

  function append(portion: Uint8Array): void {
    const pending = end - start;
    if (buffer.length - end < portion.length) {
      // Doubling keeps the copies linear; what was handed out as views is never written again.
      const grown = new Uint8Array(Math.max(pending * 2, pending + portion.length));
      grown.set(buffer.subarray(start, end));
      [buffer, scan, lineStart] = [grown, scan - start, lineStart - start];
      [start, end] = [0, pending];
    }
    buffer.set(portion, end);
    end += portion.length;
  }

  function step(): boolean {
    switch (stage.name) {
      case 'head':
        return headLine();
      case 'body':
        return body(stage);
      case 'flow':
        return flow(stage);
      case 'dead':
        return false;
      default:
        return stage satisfies never;
    }
  }

  function headLine(): boolean {
    while (scan < end && buffer[scan] !== LF) scan++;
    const bytes = Math.min(scan, end) - start;
    if (bytes > limits.headBytesMax) return die('start line and headers are too long', '§9');
    if (scan === end) return false;
    scan++;
    if (buffer[scan - 2] !== CR || scan - 2 < lineStart) return die('a line ends without CR', '§9');
    const first = buffer[lineStart];
    const at = lineStart;
    if (first === CR && scan - at === 2) return headEnd(at, undefined);
    if (first === HYPHEN) return headEnd(at, decode(at, scan - 2));
    if (lines === 0 && !isStart(buffer, at)) {
      return die(`not a start line of MSRP: ${visible(decode(at, scan - 2).slice(0, 80))}`, '§9');
    }
    if (first === SPACE || first === TAB) return die('MSRP headers are not folded', '§9');
    lineStart = scan;
    lines++;
    return lines > limits.headersMax + 1 ? die('too many headers', '§9') : true;
  }

  /** `to` is where the blank line or, when the frame has no body, the given end-line begins. */
  function headEnd(to: number, last: string | undefined): boolean {
    if (lines === 0) return die('a frame begins with its start line', '§9');
    // One decoding for the whole head costs a fraction of one for each line.
    const head = readHead(decode(start, to - 2).split('\r\n'));
    lines = 0;
    const { tid } = head;
    if (tid === undefined) return die('a malformed start line', '§9');
    if (last !== undefined) {
      const flag = last.slice(-1);
      if (last !== `-------${tid}${flag}` || !(flag === '$' || flag === '+' || flag === '#')) {
        return die('the end-line does not match the start line', '§7.1');
      }
      if (head.kind === 'fault') events.push(refusalOf(head));
      else finish(head, flag, undefined);
      next();
      return true;
    }
    endLine.begin(tid);
    if (head.kind === 'request' && head.contentType !== undefined) {
      const bytesMax = head.method === 'SEND' ? limits.wholeBytesMax : OTHER_BODY_BYTES_MAX;
      stage = { name: 'body', head, headBytes: scan - start, bytesMax };
    } else {
      const fault = head.kind === 'fault' ? head : { ...BARE_BODY, tid };
      events.push(refusalOf(head.kind === 'request' ? { ...fault, answerable: head } : fault));
      stage = { name: 'flow', told: false };
    }
    // Some senders end an empty body with the blank line alone: its CRLF may begin the end-line.
    scan -= 2;
    return true;
  }

  function body(now: Extract<Stage, { name: 'body' }>): boolean {
    const at = endLine.find(buffer, scan, end);
    scan = at >= 0 ? at : endLine.beginning(buffer, scan, end);
    const from = start + now.headBytes;
    if (scan - from > now.bytesMax) {
      tooLong(now);
      return true;
    }
    if (at < 0) return false;
    scan = at + endLine.length;
    finish(now.head, endLine.flag(buffer, at), buffer.subarray(from, Math.max(at, from)));
    next();
    return true;
  }

  function tooLong({ head, headBytes, bytesMax }: Extract<Stage, { name: 'body' }>): void {
    const told = head.method === 'SEND';
    const octets = buffer.subarray(start, start + headBytes);
    start += headBytes;
    stage = { name: 'flow', told };
    if (told) {
      events.push({ kind: 'begun', head, octets });
      return;
    }
    const reason = `a ${head.method} with a body of more than ${bytesMax} octets`;
    const answer = { ...head, status: 413 } as const;
    events.push({ kind: 'refusal', reason, section: 'RFC 4975 §7.1', fatal: false, answer });
  }

  function flow({ told }: Extract<Stage, { name: 'flow' }>): boolean {
    const at = endLine.find(buffer, scan, end);
    scan = at >= 0 ? at : endLine.beginning(buffer, scan, end);
    if (told && scan > start) {
      events.push({ kind: 'piece', octets: buffer.subarray(start, scan) });
    }
    start = scan;
    if (at < 0) return false;
    scan = at + endLine.length;
    if (told) {
      const octets = buffer.subarray(at + 2, scan);
      events.push({ kind: 'ended', flag: endLine.flag(buffer, at), octets });
    }
    next();
    return true;
  }

  function finish(
    head: RequestHead | ResponseHead,
    flag: ContinuationFlag,
    body: Uint8Array | undefined,
  ): void {
    const octets = buffer.subarray(start, scan);
    // The head is ours alone: it becomes the frame, which is cheaper than a copy of it.
    const frame: MsrpFrame =
      head.kind === 'response'
        ? Object.assign(head, { flag: '$' as const, octets })
        : Object.assign(head, body === undefined ? { flag, octets } : { flag, octets, body });
    events.push({ kind: 'frame', frame });
  }

  function next(): void {
    start = scan;
    lineStart = scan;
    stage = { name: 'head' };
  }

  function die(reason: string, section: string): false {
    events.push({ kind: 'refusal', reason, section: `RFC 4975 ${section}`, fatal: true });
    stage = { name: 'dead' };
    [buffer, start, scan, end] = [EMPTY, 0, 0, 0];
    return false;
  }

  function decode(from: number, to: number): string {
    return decoder.decode(buffer.subarray(from, to));
  }

  function cut(): readonly StreamEvent[] {
    if (stage.name !== 'body' || stage.head.method !== 'SEND') return [];
    const { head, headBytes } = stage;
    const from = start + headBytes;
    const begun = { kind: 'begun', head, octets: buffer.subarray(start, from) } as const;
    const piece = { kind: 'piece', octets: buffer.subarray(from, scan) } as const;
    stage = { name: 'dead' };
    return scan > from ? [begun, piece] : [begun];
  }

  return {
    push,
    cut,
    get pending() {
      return end - start;
    },
    get within() {
      return end > start || stage.name === 'body' || stage.name === 'flow';
    },
    get underway() {
      return stage.name === 'body' ? stage.head : undefined;
    },
  };
}

const BARE_BODY = {
  kind: 'fault',
  reason: 'a blank line without Content-Type: a frame without a body has none',
  section: 'RFC 4975 §7.1',
} as const;

function isStart(octets: Uint8Array, at: number): boolean {
  for (let i = 0; i < MSRP_SPACE.length; i++) if (octets[at + i] !== MSRP_SPACE[i]) return false;
  return true;
}

function refusalOf(fault: HeadFault): FrameRefusal {
  const { reason, section, answerable } = fault;
  const answer =
    answerable === undefined ? {} : { answer: { ...answerable, status: 400 as const } };
  return { kind: 'refusal', reason, section, fatal: false, ...answer };
}
