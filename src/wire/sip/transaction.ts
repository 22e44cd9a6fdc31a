import type {
  ClientCallbacks,
  ClientContext,
  ClientEntry,
  ClientRequest,
  ClientTransaction,
} from './client-transaction.ts';
import { parseCSeq } from './headers.ts';
import { type Hop, topVia } from './hop.ts';
import { inviteClient } from './invite-client.ts';
import type { SipMessage } from './message.ts';
import { plainClient } from './plain-client.ts';
import { renderResponse } from './response.ts';
import { serverTable } from './server-table.ts';
import { tellSent } from './tell-sent.ts';
import { timerQueues } from './timer-queues.ts';
import { clientKey } from './transaction-key.ts';
import type { TransactionCounts, TransactionOptions } from './transaction-user.ts';

export interface TransactionLayer {
  /** Takes a message that the transport received. */
  receive(message: SipMessage, source: Hop): void;
  /**
   * Sends a request, not an ACK, in a new client transaction. The branch is that of its top Via
   * and never used before.
   */
  request(request: ClientRequest, hop: Hop, callbacks: ClientCallbacks): ClientTransaction;
  /** Calls back once, `delayMs` from now, unless the layer is closed; the result cancels. */
  timer(delayMs: number, callback: () => void): () => void;
  counts(): TransactionCounts;
  /** Forgets everything; nothing is called any more. */
  close(): void;
}

const IGNORED: ClientCallbacks = {
  onProvisional: () => {},
  onFinal: () => {},
  onTimeout: () => {},
  onUnreachable: () => {},
};

/** The transaction layer of RFC 3261 §17 and RFC 6026, without sockets and without a clock. */
export function transactionLayer(options: TransactionOptions): TransactionLayer {
  const { user, clock, answer = plainAnswer } = options;
  const { t1Ms = 500, t2Ms = 4_000, t4Ms = 5_000 } = options;
  const timers = timerQueues(clock);
  const clients = new Map<string, ClientEntry>();
  const servers = serverTable({ ...options, timers, answer, t1Ms, t2Ms, t4Ms });
  let strayTotal = 0;
  let closed = false;

  const context: ClientContext = {
    timers,
    t1Ms,
    t2Ms,
    t4Ms,
    send(octets, hop, result) {
      tellSent(options.send(octets, hop), (outcome) => {
        if (!closed) result(outcome);
      });
    },
    sendCancel(octets, branch, hop) {
      const onFinal = (response: SipMessage) => user.onCancelAnswered?.(response, hop);
      request({ octets, method: 'CANCEL', branch }, hop, { ...IGNORED, onFinal });
    },
    ended({ transaction }) {
      clients.delete(clientKey(transaction.branch, transaction.method));
    },
  };

  const request: TransactionLayer['request'] = (what, hop, callbacks) => {
    const client = what.method === 'INVITE' ? inviteClient : plainClient;
    const entry = client(context, what, hop, callbacks);
    clients.set(clientKey(what.branch, what.method), entry);
    entry.begin();
    return entry.transaction;
  };

  const receiveResponse = (message: SipMessage, status: number, source: Hop): void => {
    const branch = topVia(message)?.branch ?? '';
    const method = parseCSeq(message.first('cseq') ?? '')?.method ?? '';
    if (clients.get(clientKey(branch, method))?.receive(message, status) === true) return;
    strayTotal += 1;
    user.onStrayResponse(message, source);
  };

  return {
    receive(message, source) {
      if (closed) return;
      const { start } = message;
      if (start.kind === 'request') servers.receive(message, start.method, source);
      else receiveResponse(message, start.status, source);
    },
    request,
    timer(delayMs, callback) {
      const wait = timers.after(delayMs, callback, undefined);
      return () => timers.cancel(wait);
    },
    counts() {
      const served = servers.counts();
      const waits = timers.size() + served.completed;
      return { clients: clients.size, waits, strayTotal, ...served };
    },
    close() {
      closed = true;
      timers.close();
      clients.clear();
      servers.close();
    },
  };
}

/**
 * The layer's own answer when the user renders none. Its To tag is the same each time the request
 * comes again; what follows from it is nothing but telling transactions apart.
 */
function plainAnswer(request: SipMessage, source: Hop, status: number): Uint8Array {
  // FNV-1a, 32 bits: nobody may take it for more than a label.
  let hash = 0x811c9dc5;
  for (const c of topVia(request)?.branch ?? '') {
    hash = Math.imul(hash ^ c.charCodeAt(0), 0x01000193) >>> 0;
  }
  return renderResponse(request, source, { status, toTag: hash.toString(16) });
}
