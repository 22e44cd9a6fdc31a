/** Frames of MSRP out of a stream of octets (RFC 4975 §§7.1, 9). */

import { visible } from '../visible.ts';
import { type HeadFault, headReader, type RequestHead, type ResponseHead } from './head.ts';
import { MSRP_LIMITS, type MsrpLimits } from './limits.ts';
import { type Needle, needle } from './needle.ts';

/** `$` last chunk of its message, `+` more follow, `#` the message is given up. */
export type ContinuationFlag = '$' | '+' | '#';

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

export type FrameEvent = { readonly kind: 'frame'; readonly frame: MsrpFrame } | FrameRefusal;

export interface MsrpFramer {
  /** Takes the next octets of the connection; the framer may keep views of them. */
  push(chunk: Uint8Array): readonly FrameEvent[];
  /** Octets held of a frame that is not complete. */
  readonly pending: number;
  /** Head of the frame whose body is still coming in. */
  readonly underway: RequestHead | undefined;
}

const [LF, CR, HYPHEN, TAB, SPACE] = [10, 13, 45, 9, 32];
const MSRP_SPACE = new TextEncoder().encode('MSRP ');
const EMPTY = new Uint8Array(0);
const FLAGS: ReadonlyMap<number, ContinuationFlag> = new Map([
  [0x24, '$'],
  [0x2b, '+'],
  [0x23, '#'],
]);

type Stage =
  | { readonly name: 'head' }
  | {
      readonly name: 'body';
      readonly head: RequestHead;
      readonly end: Needle;
      readonly bodyBytes: number;
    }
  /** A refused frame, read past without being kept. */
  | { readonly name: 'skip'; readonly end: Needle }
  | { readonly name: 'dead' };

/**
 * Whatever way the octets are split, the same events come out. The cost is linear in the octets
 * pushed and the memory bounded by `limits`; a frame that lies in one chunk is not copied.
 */
export function msrpFramer(limits: MsrpLimits = MSRP_LIMITS): MsrpFramer {
  const readHead = headReader();
  const encoder = new TextEncoder();
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
    if (stage.name === 'dead' || chunk.length === 0) return [];
    append(chunk);
    events = [];
    // Each step consumes a line, a body or a frame.
    while (step());
    if (start === end) {
      [buffer, start, scan, end, lineStart] = [EMPTY, 0, 0, 0, 0];
    }
    return events;
  }

  function append(chunk: Uint8Array): void {
    const pending = end - start;
    if (pending === 0) {
      [buffer, start, scan, end, lineStart] = [chunk, 0, 0, chunk.length, 0];
      return;
    }
    if (buffer.length - end < chunk.length || end === buffer.length) {
      // Doubling keeps the copies linear; what was handed out as views is never written again.
      const grown = new Uint8Array(Math.max(pending * 2, pending + chunk.length));
      grown.set(buffer.subarray(start, end));
      [buffer, scan, lineStart] = [grown, scan - start, lineStart - start];
      [start, end] = [0, pending];
    }
    buffer.set(chunk, end);
    end += chunk.length;
  }

  function step(): boolean {
    switch (stage.name) {
      case 'head':
        return headLine();
      case 'body':
      case 'skip':
        return body(stage);
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
  function headEnd(to: number, endLine: string | undefined): boolean {
    if (lines === 0) return die('a frame begins with its start line', '§9');
    // One decoding for the whole head costs a fraction of one for each line.
    const head = readHead(decode(start, to - 2).split('\r\n'));
    lines = 0;
    const { tid } = head;
    if (tid === undefined) return die('a malformed start line', '§9');
    if (endLine !== undefined) {
      const flag = endLine.slice(-1);
      if (endLine !== `-------${tid}${flag}` || !(flag === '$' || flag === '+' || flag === '#')) {
        return die('the end-line does not match the start line', '§7.1');
      }
      if (head.kind === 'fault') events.push(refusalOf(head));
      else finish(head, flag, undefined);
      next();
      return true;
    }
    const end = needle(encoder.encode(`\r\n-------${tid}`));
    if (head.kind === 'request' && head.contentType !== undefined) {
      stage = { name: 'body', head, end, bodyBytes: scan - start };
    } else {
      const fault = head.kind === 'fault' ? head : { ...BARE_BODY, tid };
      events.push(refusalOf(head.kind === 'request' ? { ...fault, answerable: head } : fault));
      stage = { name: 'skip', end };
    }
    // Some senders end an empty body with the blank line alone: its CRLF may begin the end-line.
    scan -= 2;
    return true;
  }

  function body(now: Extract<Stage, { name: 'body' | 'skip' }>): boolean {
    const at = now.end.find(buffer, scan, end);
    const flagAt = at + now.end.length;
    scan = at >= 0 ? at : Math.max(scan, end - now.end.length + 1);
    if (now.name === 'body' && scan - start - now.bodyBytes > limits.chunkBytesMax) {
      const answer = { ...now.head, status: 413 } as const;
      const reason = `a chunk of more than ${limits.chunkBytesMax} octets`;
      events.push({ kind: 'refusal', reason, section: 'RFC 4975 §10.5', fatal: false, answer });
      stage = { name: 'skip', end: now.end };
      return true;
    }
    if (now.name === 'skip') start = scan;
    if (at < 0 || flagAt + 3 > end) return false;
    const flag = FLAGS.get(buffer[flagAt] ?? 0);
    if (flag === undefined || buffer[flagAt + 1] !== CR || buffer[flagAt + 2] !== LF) {
      scan = at + 1;
      return true;
    }
    scan = flagAt + 3;
    if (now.name === 'body') {
      const from = start + now.bodyBytes;
      finish(now.head, flag, buffer.subarray(from, Math.max(at, from)));
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

  return {
    push,
    get pending() {
      return end - start;
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
