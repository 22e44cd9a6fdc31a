import { type Fault, type Head, readHead } from './head.ts';
import { SIP_LIMITS, type SipLimits } from './limits.ts';
import { contentLength, type Parsed, parseBehindHead, type Refusal, tooLarge } from './message.ts';
import { isTokenCode } from './token.ts';

/**
 * One thing found in a stream. `ping`: a keep-alive that is answered with CRLF (RFC 5626 §4.4.1).
 * `fatal`: where the next message begins is lost; answer if there is a status, then close.
 */
export type Framed =
  | Extract<Parsed, { kind: 'message' }>
  | (Refusal & { readonly fatal: boolean })
  | { readonly kind: 'ping' };

export interface SipFramer {
  /** Takes the next octets of the stream, in pieces of any size, and returns what they complete. */
  push(chunk: Uint8Array): readonly Framed[];
  /** Octets held back because their message is not complete. */
  readonly pending: number;
}

const CR = 13;
const LF = 10;
/** An idle connection keeps no more than this. */
const IDLE_BYTES_MAX = 16 * 1024;

const NOT_SIP: Fault = { status: 400, reason: 'no SIP start line', section: 'RFC 3261 §7' };
const NO_LENGTH: Fault = {
  status: 400,
  reason: 'a stream needs one Content-Length in each message',
  section: 'RFC 3261 §18.3',
};

/**
 * Cuts a stream into messages (RFC 3261 §18.3). Any split of the same octets gives the same
 * messages; no octet is looked at twice, whatever the split. After a fatal refusal it is deaf.
 */
export function sipFramer(limits: SipLimits = SIP_LIMITS): SipFramer {
  const hoard = octetHoard();
  let scanned = 0;
  let emptyLines = 0;
  let head: Head | undefined;
  let needed = 0;
  let deaf = false;

  function fatal(fault: Fault, known: Head | undefined): Framed {
    deaf = true;
    const octets = hoard.take(known?.bodyStart ?? hoard.length());
    hoard.clear();
    const parsed = known && parseBehindHead(octets, known, 'datagram', limits);
    const { reason, section } = fault;
    if (parsed?.kind !== 'refusal') {
      const message = parsed?.message;
      const answerable = message?.start.kind === 'request' && message.start.method !== 'ACK';
      const status = answerable ? fault.status : null;
      return { kind: 'refusal', status, reason, section, ...(message && { message }), fatal: true };
    }
    const status = parsed.status === null ? null : fault.status;
    return { ...parsed, status, reason, section, fatal: true };
  }

  /** Skips empty lines; `true` when a message begins. */
  function atMessage(out: Framed[]): boolean {
    while (hoard.at(0) === CR && (hoard.length() < 2 || hoard.at(1) === LF)) {
      if (hoard.length() < 2) return false;
      hoard.skip(2);
      emptyLines += 1;
      if (emptyLines === 2) {
        out.push({ kind: 'ping' });
        emptyLines = 0;
      }
    }
    if (hoard.length() === 0) return false;
    emptyLines = 0;
    return true;
  }

  /** Finds the end of the head and with it the length of the message; `false`: more is needed. */
  function atBody(out: Framed[]): boolean {
    const end = hoard.emptyLineEnd(scanned);
    const size = end < 0 ? hoard.length() : end;
    if (size > limits.headBytesMax || !isTokenCode(hoard.at(0))) {
      const known = isTokenCode(hoard.at(0)) ? readHead(hoard.view(size), limits) : undefined;
      out.push(fatal(known?.fault ?? NOT_SIP, known));
      return false;
    }
    if (end < 0) {
      scanned = Math.max(0, size - 3);
      return false;
    }
    const found = readHead(hoard.view(end), limits);
    const length = contentLength(found);
    if (found.fault !== undefined || typeof length !== 'number') {
      out.push(fatal(found.fault ?? NO_LENGTH, found));
      return false;
    }
    if (end + length > limits.messageBytesMax) {
      out.push(fatal(tooLarge(limits), found));
      return false;
    }
    head = found;
    needed = end + length;
    return true;
  }

  return {
    push(chunk) {
      const out: Framed[] = [];
      if (deaf) return out;
      hoard.add(chunk);
      for (;;) {
        if (head === undefined && !(atMessage(out) && atBody(out))) break;
        if (head === undefined || hoard.length() < needed) break;
        const parsed = parseBehindHead(hoard.take(needed), head, 'exact', limits);
        out.push(parsed.kind === 'refusal' ? { ...parsed, fatal: false } : parsed);
        head = undefined;
        scanned = 0;
      }
      hoard.settle();
      return out;
    },
    get pending() {
      return hoard.length();
    },
  };
}

/** Octets in the order they came. What is taken out is a copy of its own. */
function octetHoard() {
  let octets = new Uint8Array(0);
  let from = 0;
  let to = 0;
  /** Whether `octets` is a chunk of the caller's, which must not be written nor kept. */
  let borrowed = false;

  /** Moves what is held to the start of a buffer of our own with room for `room` more. */
  function own(room: number): void {
    const length = to - from;
    const fits = !borrowed && length + room <= octets.length;
    const target = fits ? octets : new Uint8Array(Math.max(2 * (length + room), 256));
    target.set(octets.subarray(from, to));
    octets = target;
    from = 0;
    to = length;
    borrowed = false;
  }

  return {
    add(chunk: Uint8Array): void {
      if (from === to) {
        octets = chunk as Uint8Array<ArrayBuffer>;
        from = 0;
        to = chunk.length;
        borrowed = true;
        return;
      }
      if (to + chunk.length > octets.length) own(chunk.length);
      octets.set(chunk, to);
      to += chunk.length;
    },
    /** Call when done with a chunk: afterwards nothing of it is referred to. */
    settle(): void {
      if (from === to && (borrowed || octets.length > IDLE_BYTES_MAX)) octets = new Uint8Array(0);
      if (from === to) from = to = 0;
      else if (borrowed) own(0);
    },
    clear(): void {
      from = to = 0;
    },
    skip(count: number): void {
      from += count;
    },
    length: () => to - from,
    at: (index: number) => (from + index < to ? (octets[from + index] ?? -1) : -1),
    view: (end: number) => octets.subarray(from, from + end),
    take(end: number): Uint8Array {
      const taken = octets.slice(from, from + end);
      from += end;
      return taken;
    },
    /** Index behind the first CRLF CRLF that begins at or after `start`, or -1. */
    emptyLineEnd(start: number): number {
      // By hand: indexOf would run on through the room behind what is held.
      for (let at = from + start; at + 3 < to; at += 1) {
        if (octets[at] !== CR || octets[at + 1] !== LF) continue;
        if (octets[at + 2] === CR && octets[at + 3] === LF) return at + 4 - from;
      }
      return -1;
    },
  };
}
