import { type Hop, isReliable, responseHop, topVia } from './hop.ts';
import type { SipMessage } from './message.ts';
import { type Kept, octetArchive } from './octet-archive.ts';
import {
  type Arrival,
  type InviteServerEntry,
  inviteServer,
  plainServer,
  type ServerContext,
  type ServerEntry,
} from './server-transaction.ts';
import { tellSent } from './tell-sent.ts';
import { type TimerQueues, timerQueues } from './timer-queues.ts';
import { serverKey } from './transaction-key.ts';
import type { ServerCounts, TransactionOptions } from './transaction-user.ts';

export interface ServerTable {
  receive(request: SipMessage, method: string, source: Hop): void;
  counts(): ServerCounts;
  close(): void;
}

/** A plain transaction that has its final response: kept until Timer J. */
interface Completed extends Kept {
  readonly key: string;
}

/** The client repeats what it gets no answer to: nobody need be told of that one. */
const ignore = (): void => {};

type Entry = ServerEntry | InviteServerEntry | Completed;

type ServerTableOptions = TransactionOptions &
  Required<Pick<TransactionOptions, 'answer' | 't1Ms' | 't2Ms' | 't4Ms'>> & {
    readonly timers: TimerQueues;
  };

/** All server transactions, found by their key: each request goes to its own, or begins one. */
export function serverTable(options: ServerTableOptions): ServerTable {
  const { user, answer, t1Ms, transactionsMax = 500_000 } = options;
  const completedMs = 64 * t1Ms;
  const completedTimers = timerQueues(options.clock);
  const archive = octetArchive();
  const entries = new Map<string, Entry>();
  let closed = false;
  let unanswered = 0;
  const totals = {
    repeatedTotal: 0,
    evictedTotal: 0,
    refusedTotal: 0,
    unansweredTotal: 0,
    surplusTotal: 0,
    unacknowledgedTotal: 0,
  };

  const forget = (completed: Completed): void => {
    entries.delete(completed.key);
  };

  const context: ServerContext = {
    ...options,
    inviteAnswerMaxMs: options.inviteAnswerMaxMs ?? 600_000,
    send(octets, hop, transaction) {
      tellSent(options.send(octets, hop), (outcome) => {
        if (!closed && !outcome.sent) user.onLost?.(transaction, outcome.reason);
      });
    },
    answered() {
      unanswered -= 1;
    },
    completed(key, octets, hop) {
      // Timer J: 64*T1 on UDP, none on reliable transports (RFC 3261 §17.2.2).
      if (closed || isReliable(hop)) {
        entries.delete(key);
        return;
      }
      const { slab, start, end } = archive.keep(octets);
      const completed: Completed = { key, slab, start, end };
      entries.set(key, completed);
      completedTimers.after(completedMs, forget, completed);
    },
    ended(key) {
      entries.delete(key);
    },
    surplus() {
      totals.surplusTotal += 1;
    },
    unanswered() {
      totals.unansweredTotal += 1;
    },
    unacknowledged(transaction) {
      totals.unacknowledgedTotal += 1;
      user.onLost?.(transaction, 'no ACK to the failure within 64*T1');
    },
  };

  /** Makes room for one more; false when all that is there is still unanswered. */
  const makeRoom = (): boolean => {
    if (entries.size < transactionsMax) return true;
    const oldest = completedTimers.next(completedMs);
    if (oldest === undefined) return false;
    completedTimers.cancel(oldest);
    forget(oldest.value as Completed);
    totals.evictedTotal += 1;
    return true;
  };

  const repeat = (known: Entry, request: SipMessage, source: Hop): void => {
    totals.repeatedTotal += 1;
    if ('slab' in known) {
      // Not by the hop of old: the repetition says itself where its answer goes.
      const octets = known.slab.subarray(known.start, known.end);
      tellSent(options.send(octets, responseHop(request, source)), ignore);
    } else known.repeated();
  };

  const acknowledge = (known: Entry | undefined, ack: SipMessage, source: Hop): void => {
    const invite = known !== undefined && 'acknowledged' in known ? known : undefined;
    if (invite?.acknowledged() !== true) user.onAck(ack, source);
  };

  const cancel = (arrival: Arrival): void => {
    const { key, request, source, via } = arrival;
    // RFC 3261 §9.2: the transaction as if the method were not CANCEL; only INVITEs are cancelled.
    const target = entries.get(serverKey(request, 'INVITE', via));
    const invite = target && 'acknowledged' in target ? target.transaction : undefined;
    const { transaction } = begin(plainServer(context, arrival), key);
    user.onCancelReceived?.(request, source);
    const status = invite === undefined ? 481 : 200;
    transaction.respond(answer(request, source, status), status);
    if (invite !== undefined && !invite.answered) user.onCancel?.(invite, transaction);
  };

  const begin = (entry: ServerEntry, key: string): ServerEntry => {
    entries.set(key, entry);
    unanswered += 1;
    return entry;
  };

  return {
    receive(request, method, source) {
      const via = topVia(request);
      // Not possible after parseSip, which refuses such a request.
      if (via === undefined) return;
      const key = serverKey(request, method, via);
      const known = entries.get(key);
      const arrival: Arrival = { key, request, source, via };
      if (method === 'ACK') acknowledge(known, request, source);
      else if (known !== undefined) repeat(known, request, source);
      else if (options.refuses?.(request, source, unanswered) === true || !makeRoom()) {
        totals.refusedTotal += 1;
        const octets = answer(request, source, 503);
        tellSent(options.send(octets, responseHop(request, source)), ignore);
      } else if (method === 'CANCEL') cancel(arrival);
      else {
        const server = method === 'INVITE' ? inviteServer : plainServer;
        user.onRequest(begin(server(context, arrival), key).transaction);
      }
    },
    counts: () => ({
      servers: entries.size,
      completed: completedTimers.size(),
      unanswered,
      ...totals,
    }),
    close() {
      closed = true;
      completedTimers.close();
      entries.clear();
    },
  };
}
