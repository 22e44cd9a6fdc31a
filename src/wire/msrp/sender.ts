/** The sending half of an MSRP session (RFC 4975 §§5.4, 7.1, 10): no sockets, time injected. */
import type { MsrpRequest, MsrpResponse } from './frame.ts';
import {
  CHUNK_BYTES,
  MSRP_LIMITS,
  TRANSACTION_MS,
  UNINTERRUPTED_BYTES_MAX,
  WINDOW_MESSAGES,
} from './limits.ts';
import { type OctetRanges, octetRanges } from './ranges.ts';
import { freshTid, renderSend } from './render.ts';
import { openTransactions, type SessionClock } from './transactions.ts';

export interface OutgoingMessage {
  /** The caller's name for it; comes back with the outcome. */
  readonly key: string;
  /** RFC 4975 §9 `ident`; the same for every repetition of the same body (§5.4). */
  readonly messageId: string;
  readonly contentType: string;
  readonly body: Uint8Array;
}

/** What became of one message: told exactly once. `sent`: some octet of it left. */
export type PushOutcome =
  | { readonly outcome: 'acknowledged' }
  | { readonly outcome: 'failed'; readonly status: number; readonly sent: boolean }
  | { readonly outcome: 'timeout' }
  | { readonly outcome: 'sessionLost'; readonly reason: string; readonly sent: boolean };

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
  readonly reported: OctetRanges;
  /** Octets sent so far. */
  sent: number;
  /** Chunks without an answer. */
  open: number;
  settled: boolean;
}

/** An answer that is waited for; `reports` is the wait for success REPORTs after the last 200. */
interface Awaited {
  readonly purpose: 'chunk' | 'bind' | 'abort' | 'reports';
  readonly sending?: Sending;
}

const TAKEN_MAX = 4096;
/** Answers after which the session is over (RFC 4975 §10, A-31). */
const SESSION_STATUSES: ReadonlySet<number> = new Set([408, 481, 501, 506]);

export function msrpSender(options: SenderOptions): MsrpSender {
  const { clock, random, localUri, remotePath } = options;
  const chunkBytes = options.chunkBytes ?? CHUNK_BYTES;
  const windowMessages = options.windowMessages ?? WINDOW_MESSAGES;
  const transactionMs = options.transactionMs ?? TRANSACTION_MS;
  const wantsReports = options.successReport ?? remotePath.length > 1;
  const paths = { toPath: remotePath, fromPath: [localUri] } as const;
  const reports = { failureReport: 'yes', successReport: wantsReports ? 'yes' : 'no' } as const;

  let queue: OutgoingMessage[] = [];
  /** What stands before it in the queue has been taken. */
  let head = 0;
  /** Started and without an outcome, by Message-ID. */
  const inFlight = new Map<string, Sending>();
  const awaited = openTransactions<Awaited>(clock, transactionMs, expired);
  const acknowledged = new Map<string, { readonly key: string; readonly at: number }>();
  const refusedTypes = new Set<string>();
  let state: 'waiting' | 'open' | 'ended' = 'waiting';
  let current: Sending | undefined;
  let blockedSince: number | undefined;
  let answered = false;

  function pump(): void {
    while (state === 'open' && blockedSince === undefined) {
      current ??= begin();
      if (current === undefined) return;
      sendChunk(current);
    }
  }

  function begin(): Sending | undefined {
    for (let message = queue[head]; message !== undefined; message = queue[head]) {
      if (inFlight.size >= windowMessages || inFlight.has(message.messageId)) return undefined;
      take();
      if (refusedTypes.has(mediaType(message))) {
        // RFC 4975 §10.6: what was refused with 415 is not sent again in this session.
        options.outcome(message.key, { outcome: 'failed', status: 415, sent: false });
        continue;
      }
      const sending = { message, reported: octetRanges(), sent: 0, open: 0, settled: false };
      inFlight.set(message.messageId, sending);
      return sending;
    }
    return undefined;
  }

  /** Taking from the front of an array moves the rest of it: done rarely, it costs nothing. */
  function take(): void {
    head++;
    if (head < queue.length && head < TAKEN_MAX) return;
    queue = queue.slice(head);
    head = 0;
  }

  function sendChunk(sending: Sending): void {
    const { messageId, contentType, body } = sending.message;
    const total = body.length;
    const start = sending.sent + 1;
    const whole = total <= UNINTERRUPTED_BYTES_MAX;
    const chunk = whole ? body : body.subarray(start - 1, start - 1 + chunkBytes);
    sending.sent += chunk.length;
    sending.open++;
    const last = sending.sent === total;
    if (last) current = undefined;
    const byteRange = { start, end: whole ? total : '*', total } as const;
    transact({ purpose: 'chunk', sending }, chunk, {
      ...{ messageId, ...reports, byteRange, contentType, body: chunk },
      flag: last ? '$' : '+',
    });
  }

  type Variable = Omit<Parameters<typeof renderSend>[0], 'tid' | 'toPath' | 'fromPath'>;

  function transact(wait: Awaited, body: Uint8Array, send: Variable): void {
    const tid = freshTid(body, random);
    awaited.add(tid, wait);
    if (!options.write(renderSend({ tid, ...paths, ...send }))) blockedSince ??= clock.now();
  }

  function expired({ purpose, sending }: Awaited): void {
    if (purpose === 'abort' || sending?.settled || (purpose === 'bind' && answered)) return;
    if (sending !== undefined) settle(sending, { outcome: 'timeout' });
    lose('no answer within the transaction time');
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
      else if (sending.open === 0 && sending.sent === sending.message.body.length) {
        if (!wantsReports) settle(sending, { outcome: 'acknowledged' });
        // No tid holds a colon, so no response can answer this wait.
        else {
          awaited.add(`report:${sending.message.messageId}`, { purpose: 'reports', sending });
        }
      }
    }
    pump();
    return true;
  }

  function report(frame: MsrpRequest): boolean {
    const { messageId = '', status, byteRange } = frame;
    const sending = inFlight.get(messageId);
    const past = acknowledged.get(messageId);
    if (status === undefined || (sending === undefined && past === undefined)) return false;
    if (status.code >= 300) {
      if (SESSION_STATUSES.has(status.code)) lose(`a REPORT said ${status.code}`);
      else if (sending !== undefined) fail(sending, status.code);
      else if (past !== undefined && acknowledged.delete(messageId)) {
        options.takenBack(past.key, status.code);
      }
      pump();
      return true;
    }
    if (sending === undefined || !wantsReports || byteRange === undefined) return true;
    if (sending.reported.count > MSRP_LIMITS.gapsMax) return true;
    const total = sending.message.body.length;
    sending.reported.add(byteRange.start, byteRange.end === '*' ? total : byteRange.end);
    if (sending.sent === total && sending.reported.covers(total)) {
      settle(sending, { outcome: 'acknowledged' });
    }
    pump();
    return true;
  }

  function fail(sending: Sending, status: number): void {
    if (status === 415) refusedTypes.add(mediaType(sending.message));
    // RFC 4975 §10.5: after a 413 not even a closing chunk of this message may follow.
    if (status !== 413 && current === sending) giveUp(sending);
    settle(sending, { outcome: 'failed', status, sent: true });
  }

  function giveUp(sending: Sending): void {
    const { messageId, body } = sending.message;
    if (sending.sent === 0) return;
    const byteRange = { start: sending.sent + 1, end: '*', total: body.length } as const;
    transact({ purpose: 'abort' }, body.subarray(0, 0), {
      messageId,
      ...reports,
      byteRange,
      flag: '#',
    });
  }

  function settle(sending: Sending, outcome: PushOutcome): void {
    const { key, messageId } = sending.message;
    sending.settled = true;
    inFlight.delete(messageId);
    awaited.take(`report:${messageId}`);
    if (current === sending) current = undefined;
    if (outcome.outcome === 'acknowledged') remember(messageId, key);
    options.outcome(key, outcome);
  }

  /** a 200 can be taken back by a failure REPORT as long as a transaction could last. */
  function remember(messageId: string, key: string): void {
    const now = clock.now();
    for (const [oldId, old] of acknowledged) {
      if (old.at + transactionMs > now) break;
      acknowledged.delete(oldId);
    }
    acknowledged.delete(messageId);
    acknowledged.set(messageId, { key, at: now });
  }

  function end(reason: string): boolean {
    if (state === 'ended') return false;
    state = 'ended';
    const open = [...inFlight.values()];
    inFlight.clear();
    awaited.clear();
    for (const { message, sent } of open) {
      options.outcome(message.key, { outcome: 'sessionLost', reason, sent: sent > 0 });
    }
    const unsent = queue.slice(head);
    queue = [];
    head = 0;
    for (const { key } of unsent) {
      options.outcome(key, { outcome: 'sessionLost', reason, sent: false });
    }
    return true;
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
      const messageId = freshTid(new Uint8Array(0), random);
      const byteRange = { start: 1, end: 0, total: 0 };
      transact({ purpose: 'bind' }, new Uint8Array(0), { messageId, byteRange, flag: '$' });
    },
    send(message) {
      if (state === 'ended') {
        const reason = 'the session has ended';
        options.outcome(message.key, { outcome: 'sessionLost', reason, sent: false });
        return;
      }
      queue.push(message);
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
    end(reason) {
      end(reason);
    },
  };
}

function mediaType(message: OutgoingMessage): string {
  return (message.contentType.split(';')[0] ?? '').trim().toLowerCase();
}
