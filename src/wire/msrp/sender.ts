/** The sending half of an MSRP session (RFC 4975 §§5.4, 7.1, 10): no sockets, time injected. */
import { acknowledgedMessages } from './acknowledged.ts';
import { fifo } from './fifo.ts';
import type { MsrpRequest, MsrpResponse } from './frame.ts';
import {
  CHUNK_BYTES,
  MSRP_LIMITS,
  TRANSACTION_MS,
  UNINTERRUPTED_BYTES_MAX,
  WINDOW_MESSAGES,
} from './limits.ts';
import type { OutgoingMessage, PushOutcome } from './outgoing.ts';
import { addSpan, coverAll, type OctetSpans } from './ranges.ts';
import {
  closeBody,
  closeReading,
  lengthOf,
  openReading,
  type Reading,
  readChunk,
} from './reading.ts';
import { refusedTypes } from './refused-types.ts';
import { freshTid, renderSend } from './render.ts';
import { openTransactions, type SessionClock } from './transactions.ts';

export type { OutgoingMessage, PushOutcome };

export interface SenderOptions {
  readonly localUri: string;
  /** `a=path` of the peer, leftmost first. */
  readonly remotePath: readonly string[];
  readonly clock: SessionClock;
  readonly random: (octets: number) => Uint8Array;
  readonly windowMessages?: number;
  readonly chunkBytes?: number;
  readonly transactionMs?: number;
  /** Default: only when relays stand between, whose 200 says nothing of the peer. */
  readonly successReport?: boolean;
  /**
   * RFC 4975 §7.1.1. `yes` (default): each chunk is answered. `partial`: only errors are, so that
   * their absence for the transaction time acknowledges. `no`: what was sent is acknowledged.
   */
  readonly failureReport?: 'yes' | 'no' | 'partial';
  /** Asked before each chunk; `false`: not now, wait for `drained`. Absent: always. */
  ready?(): boolean;
  /** `false`: no more until `drained`. */
  write(parts: readonly Uint8Array[]): boolean;
  outcome(key: string, outcome: PushOutcome): void;
  /** A failure REPORT came after the 200s. */
  takenBack(key: string, status: number): void;
  lost(reason: string): void;
}

export interface MsrpSender {
  /** From now on the session is bound and frames may leave. */
  open(): void;
  /** The SEND without a body that binds a session with nothing to say yet (RFC 4975 §5.4). */
  bind(): void;
  send(message: OutgoingMessage): void;
  /** `false`: no transaction of ours. */
  response(frame: MsrpResponse): boolean;
  /** `false`: not about a message of ours. */
  report(frame: MsrpRequest): boolean;
  drained(): void;
  /** Gives up the message under way with `#` where that is possible, then ends. */
  abort(reason: string): void;
  /** Every message without an outcome gets `sessionLost`. */
  end(reason: string): void;
}

interface Sending {
  readonly message: OutgoingMessage;
  readonly body: Reading;
  /** Of what success reports came; absent before the first. */
  reported?: OctetSpans;
  /** Chunks that left, and those of them without an answer. */
  chunks: number;
  open: number;
  settled: boolean;
}

/** An answer that is waited for; `reports` is the wait for success REPORTs after the last 200. */
interface Awaited {
  readonly purpose: 'chunk' | 'bind' | 'abort' | 'reports';
  readonly sending?: Sending;
}

/** Answers after which the session is over (RFC 4975 §10, A-31). */
const SESSION_STATUSES: ReadonlySet<number> = new Set([408, 481, 501, 506]);

export function msrpSender(options: SenderOptions): MsrpSender {
  const { clock, random, localUri, remotePath, failureReport = 'yes' } = options;
  const chunkBytes = options.chunkBytes ?? CHUNK_BYTES;
  const windowMessages = options.windowMessages ?? WINDOW_MESSAGES;
  const transactionMs = options.transactionMs ?? TRANSACTION_MS;
  const wantsReports = options.successReport ?? remotePath.length > 1;
  const paths = { toPath: remotePath, fromPath: [localUri] } as const;
  const reports = { failureReport, successReport: wantsReports ? 'yes' : 'no' } as const;

  const queue = fifo<OutgoingMessage>();
  /** Started and without an outcome, by Message-ID. */
  const inFlight = new Map<string, Sending>();
  const awaited = openTransactions<Awaited>(clock, transactionMs, expired);
  const acknowledged = acknowledgedMessages(clock, transactionMs);
  const refused = refusedTypes();
  let state: 'waiting' | 'open' | 'ended' = 'waiting';
  let current: Sending | undefined;
  let blockedSince: number | undefined;
  let answered = false;
  let pumping = false;
  let again = false;

  /** Whoever is told of an outcome, or wakes us, in the middle of it has it go on afterwards. */
  function pump(): void {
    again = true;
    if (pumping) return;
    pumping = true;
    try {
      while (again) {
        again = false;
        while (advance());
      }
    } finally {
      pumping = false;
    }
  }

  /** `false`: there is nothing more to do now. */
  function advance(): boolean {
    if (state !== 'open' || blockedSince !== undefined) return false;
    current ??= begin();
    const sending = current;
    if (sending === undefined) return false;
    if (options.ready?.() === false) {
      blockedSince = clock.now();
      return false;
    }
    const parts = readChunk(sending.body, chunkBytes, pump);
    if (parts === 'later') return false;
    if (sending !== current) return true;
    if ('failed' in parts) {
      giveUp(sending);
      const { failed: reason } = parts;
      settle(sending, { outcome: 'unreadable', reason, sent: sending.chunks > 0 });
    } else sendChunk(sending, parts);
    return true;
  }

  function begin(): Sending | undefined {
    for (let message = queue.first(); message !== undefined; message = queue.first()) {
      if (inFlight.size >= windowMessages || inFlight.has(message.messageId)) return undefined;
      queue.take();
      if (refused.has(message.contentType)) {
        closeBody(message.body);
        // RFC 4975 §10.6: what was refused with 415 is not sent again in this session.
        options.outcome(message.key, { outcome: 'failed', status: 415, sent: false });
        continue;
      }
      const body = openReading(message.body);
      const sending = { message, body, chunks: 0, open: 0, settled: false };
      inFlight.set(message.messageId, sending);
      return sending;
    }
    return undefined;
  }

  function sendChunk(sending: Sending, parts: readonly Uint8Array[]): void {
    const { message, body } = sending;
    const { messageId, contentType } = message;
    const { bytes: total, taken } = body;
    const start = taken - lengthOf(parts) + 1;
    sending.chunks++;
    sending.open++;
    const last = taken === total;
    if (last) {
      current = undefined;
      closeReading(body);
    }
    const byteRange = {
      start,
      end: total <= UNINTERRUPTED_BYTES_MAX ? total : '*',
      total,
    } as const;
    transact({ purpose: 'chunk', sending }, parts, {
      ...{ messageId, ...reports, byteRange, contentType, body: parts },
      flag: last ? '$' : '+',
    });
    if (last && failureReport === 'no') proved(sending);
  }

  type Variable = Omit<Parameters<typeof renderSend>[0], 'tid' | 'toPath' | 'fromPath'>;

  function transact(wait: Awaited, body: readonly Uint8Array[], send: Variable): void {
    const tid = freshTid(body, random);
    awaited.add(tid, wait);
    if (!options.write(renderSend({ tid, ...paths, ...send }))) blockedSince ??= clock.now();
  }

  /** All chunks have got what answer they get: what is left are the reports, if any are due. */
  function proved(sending: Sending): void {
    if (wantsReports) {
      // No tid holds a colon, so no response can answer this wait.
      awaited.add(`report:${sending.message.messageId}`, { purpose: 'reports', sending });
    } else settle(sending, { outcome: 'acknowledged' });
  }

  function expired({ purpose, sending }: Awaited): void {
    if (purpose === 'abort' || sending?.settled || (purpose === 'bind' && answered)) return;
    if (sending !== undefined && purpose === 'chunk' && failureReport !== 'yes') {
      sending.open--;
      // RFC 4975 §7.1.1: with `partial`, an answer that did not come says that nothing failed.
      if (failureReport === 'partial' && isThrough(sending)) {
        settle(sending, { outcome: 'acknowledged' });
        pump();
      }
      return;
    }
    if (sending !== undefined) settle(sending, { outcome: 'timeout' });
    lose('no answer within the transaction time');
  }

  function isThrough({ open, body }: Sending): boolean {
    return open === 0 && body.taken === body.bytes;
  }

  function response(frame: MsrpResponse): boolean {
    const wait = awaited.take(frame.tid);
    if (wait === undefined) return false;
    answered = true;
    const { sending, purpose } = wait;
    if (SESSION_STATUSES.has(frame.status) && purpose !== 'abort') {
      lose(`the peer answered ${frame.status}`);
    } else if (sending !== undefined && !sending.settled) {
      sending.open--;
      if (frame.status >= 300) fail(sending, frame.status);
      else if (failureReport !== 'no' && isThrough(sending)) proved(sending);
    }
    pump();
    return true;
  }

  function report(frame: MsrpRequest): boolean {
    const { messageId = '', status, byteRange } = frame;
    const sending = inFlight.get(messageId);
    const isOurs = sending !== undefined || acknowledged.has(messageId);
    if (status === undefined || !isOurs) return false;
    // RFC 4975 §7.3.2: what a code of another namespace means is not for us to say.
    if (status.namespace !== '000') return true;
    if (status.code >= 300) {
      if (SESSION_STATUSES.has(status.code)) lose(`a REPORT said ${status.code}`);
      else if (sending !== undefined) fail(sending, status.code);
      else options.takenBack(acknowledged.take(messageId) ?? '', status.code);
      pump();
      return true;
    }
    if (sending === undefined || !wantsReports || byteRange === undefined) return true;
    sending.reported ??= [];
    if (sending.reported.length > MSRP_LIMITS.gapsMax) return true;
    const { bytes, taken } = sending.body;
    addSpan(sending.reported, byteRange.start, byteRange.end === '*' ? bytes : byteRange.end);
    if (taken === bytes && coverAll(sending.reported, bytes)) {
      settle(sending, { outcome: 'acknowledged' });
    }
    pump();
    return true;
  }

  function fail(sending: Sending, status: number): void {
    if (status === 415) refused.add(sending.message.contentType);
    // RFC 4975 §10.5: after a 413 not even a closing chunk of this message may follow.
    if (status !== 413 && current === sending) giveUp(sending);
    settle(sending, { outcome: 'failed', status, sent: true });
  }

  function giveUp({ message, body, chunks }: Sending): void {
    if (chunks === 0) return;
    const { messageId } = message;
    const byteRange = { start: body.taken + 1, end: '*', total: body.bytes } as const;
    transact({ purpose: 'abort' }, [], { messageId, ...reports, byteRange, flag: '#' });
  }

  function settle(sending: Sending, outcome: PushOutcome): void {
    const { key, messageId } = sending.message;
    sending.settled = true;
    inFlight.delete(messageId);
    awaited.take(`report:${messageId}`);
    if (current === sending) current = undefined;
    closeReading(sending.body);
    if (outcome.outcome === 'acknowledged') acknowledged.put(messageId, key);
    options.outcome(key, outcome);
  }

  function end(reason: string): boolean {
    if (state === 'ended') return false;
    state = 'ended';
    current = undefined;
    const open = [...inFlight.values()];
    inFlight.clear();
    awaited.clear();
    const unsent = queue.clear();
    for (const { message, body, chunks } of open) {
      closeReading(body);
      options.outcome(message.key, { outcome: 'sessionLost', reason, sent: chunks > 0 });
    }
    for (const message of unsent) unsendable(message, reason);
    return true;
  }

  function unsendable({ key, body }: OutgoingMessage, reason: string): void {
    closeBody(body);
    options.outcome(key, { outcome: 'sessionLost', reason, sent: false });
  }

  function lose(reason: string): void {
    if (end(reason)) options.lost(reason);
  }

  return {
    open() {
      if (state === 'waiting') state = 'open';
      pump();
    },
    bind() {
      const messageId = freshTid([], random);
      const byteRange = { start: 1, end: 0, total: 0 };
      transact({ purpose: 'bind' }, [], { messageId, byteRange, flag: '$' });
    },
    send(message) {
      if (state === 'ended') {
        unsendable(message, 'the session has ended');
        return;
      }
      queue.put(message);
      pump();
    },
    response,
    report,
    drained() {
      // The 30 s count from the last octet written, not from when it was queued.
      if (blockedSince !== undefined) awaited.restart(blockedSince);
      blockedSince = undefined;
      pump();
    },
    abort(reason) {
      if (state === 'open' && current !== undefined) giveUp(current);
      end(reason);
    },
    end: (reason) => void end(reason),
  };
}
