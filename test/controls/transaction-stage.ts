import type { Hop, SendResult } from '../../src/wire/sip/hop.ts';
import { parseSip, type SipMessage } from '../../src/wire/sip/message.ts';
import { renderResponse } from '../../src/wire/sip/response.ts';
import type { ServerTransaction } from '../../src/wire/sip/server-transaction.ts';
import { transactionLayer } from '../../src/wire/sip/transaction.ts';
import type { TransactionOptions } from '../../src/wire/sip/transaction-user.ts';
import { simulatedClock } from './simulated-clock.ts';

export const UDP: Hop = {
  transport: 'udp',
  host: '192.0.2.7',
  port: 5060,
  local: '192.0.2.1:5060',
};
export const TCP: Hop = { ...UDP, transport: 'tcp', connection: 1 };

/** A request as octets; headers given replace those of the same name, '' leaves one out. */
export function requestOctets(
  method: string,
  branch: string,
  headers: Readonly<Record<string, string>> = {},
): Uint8Array {
  const all = {
    Via: `SIP/2.0/UDP 192.0.2.7:5060;branch=${branch}`,
    'Max-Forwards': '70',
    From: '<sip:bob@example.com>;tag=b1',
    To: '<sip:alice@example.org>',
    'Call-ID': 'c1@example.com',
    CSeq: `1 ${method}`,
    ...headers,
    'Content-Length': '0',
  };
  const lines = Object.entries(all).filter(([, value]) => value !== '');
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return new TextEncoder().encode(`${method} sip:alice@example.org SIP/2.0\r\n${head}\r\n`);
}

export function readSip(octets: Uint8Array): SipMessage {
  const parsed = parseSip(octets, 'exact');
  if (parsed.kind !== 'message') throw new Error(`not a SIP message: ${parsed.reason}`);
  return parsed.message;
}

export function request(
  method: string,
  branch: string,
  headers: Readonly<Record<string, string>> = {},
): SipMessage {
  return readSip(requestOctets(method, branch, headers));
}

export function response(
  to: SipMessage,
  status: number,
  headers: readonly (readonly [string, string])[] = [],
): SipMessage {
  return readSip(renderResponse(to, UDP, { status, toTag: 'a1', headers }));
}

/** `MESSAGE` or `200 MESSAGE`. */
export function title(message: SipMessage): string {
  const { start } = message;
  if (start.kind === 'request') return start.method;
  return `${start.status} ${(message.first('cseq') ?? '').replace(/^\d+ /, '')}`;
}

/** A transaction layer between a network and a user that both only take notes. */
export function transactionStage(options: Partial<TransactionOptions> = {}) {
  const clock = simulatedClock(1_000_000);
  const startedMs = clock.now();
  /** What was sent: when (ms since the start), what, where to. */
  const sent: { atMs: number; title: string; message: SipMessage; hop: Hop }[] = [];
  const heard: string[] = [];
  const transactions: ServerTransaction[] = [];
  /** What becomes of all that is sent, and which hops (`tcp 192.0.2.7`) nothing can be sent to. */
  const network: { result: SendResult; refuses: readonly string[] } = {
    result: { sent: true },
    refuses: [],
  };
  const layer = transactionLayer({
    clock,
    send(octets, hop) {
      const message = readSip(octets);
      sent.push({ atMs: clock.now() - startedMs, title: title(message), message, hop });
      if (network.refuses.includes(`${hop.transport} ${hop.host}`)) {
        return Promise.resolve({ sent: false, reason: `${hop.transport} refused` });
      }
      return network.result.sent ? undefined : Promise.resolve(network.result);
    },
    user: {
      onRequest(transaction) {
        heard.push(title(transaction.request));
        transactions.push(transaction);
      },
      onAck: () => heard.push('ACK'),
      onCancel: (invite) => heard.push(`cancel ${title(invite.request)}`),
      onCancelAnswered: (message) => heard.push(title(message)),
      onStrayResponse: (message) => heard.push(`stray ${title(message)}`),
      onLost: (_, reason) => heard.push(`lost: ${reason}`),
    },
    ...options,
  });
  return {
    clock,
    layer,
    heard,
    transactions,
    network,
    sent,
    /** `[ms since the start, what]` of all that was sent. */
    schedule: () => sent.map(({ atMs, title: what }) => [atMs, what]),
    /** Answers the transaction that began last. */
    answer(status: number, headers: readonly (readonly [string, string])[] = []) {
      const transaction = transactions.at(-1);
      if (transaction === undefined) throw new Error('no request came');
      const { request: of, source } = transaction;
      const octets = renderResponse(of, source, { status, toTag: 'us', headers });
      return transaction.respond(octets, status);
    },
    /** Sends a request and notes its outcomes in `heard`. */
    request(method: string, branch: string, hop: Hop) {
      const octets = requestOctets(method, branch, { Route: '<sip:proxy.example.org;lr>' });
      const transaction = layer.request({ octets, method, branch }, hop, {
        onProvisional: (of) => heard.push(`provisional ${title(of)}`),
        onFinal: (of) => heard.push(`final ${title(of)}`),
        onTimeout: () => heard.push('timeout'),
        onUnreachable: (reason) => heard.push(`unreachable: ${reason}`),
        onCancelSent: (cancel) => heard.push(`${title(readSip(cancel))} sent`),
      });
      return { transaction, octets, message: readSip(octets) };
    },
    /** The layer holds nothing and waits for nothing. */
    isEmpty() {
      const { clients, servers, completed, waits } = layer.counts();
      return clients + servers + completed + waits + clock.pending() === 0;
    },
  };
}
