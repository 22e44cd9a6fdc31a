/** Requests over several hops, over the transaction layer and a network that only takes notes. */
import { hopMemory } from '../../src/adapters/sip/routing/hop-memory.ts';
import {
  type Attempt,
  type OutgoingCallbacks,
  requestSender,
} from '../../src/adapters/sip/routing/send-request.ts';
import type { Hop } from '../../src/wire/sip/hop.ts';
import { cancelFor } from '../../src/wire/sip/invite-requests.ts';
import { readSip, requestOctets, response, title, transactionStage } from './transaction-stage.ts';

/** `udp 192.0.2.1`. */
export function hopOf(text: string): Hop {
  const [transport = '', host = ''] = text.split(' ');
  return { transport: transport as Hop['transport'], host, port: 5060, local: '192.0.2.9:5060' };
}

const textOf = ({ transport, host }: Hop) => `${transport} ${host}`;

export function failoverStage(options: { readonly tcpListens?: boolean } = {}) {
  const stage = transactionStage();
  const { layer, clock, sent, network } = stage;
  /** What the caller was told. */
  const told: string[] = [];
  /** What was recorded, `>` out and `<` in. */
  const recorded: string[] = [];
  const attempts: Attempt[] = [];
  const send = requestSender({
    layer: () => layer,
    memory: hopMemory(clock.now),
    localFor: () => (options.tcpListens ? '192.0.2.9:5061' : undefined),
    signals: {
      sent: (octets) => recorded.push(`> ${title(readSip(octets))}`),
      received: (octets) => recorded.push(`< ${title(readSip(octets))}`),
      evidence: (octets) => octets,
      flushed: async () => {},
    },
  });
  const callbacks: OutgoingCallbacks = {
    onAttempt: (attempt) => attempts.push(attempt),
    onProvisional: (of, hop) => told.push(`${title(of)} of ${textOf(hop)}`),
    onFinal: (of, hop) => told.push(`${title(of)} of ${textOf(hop)}`),
    onTimeout: () => told.push('timeout'),
    onUnreachable: (reason) => told.push(`unreachable: ${reason}`),
    onCancelSent: (octets, hop) => told.push(`${title(readSip(octets))} to ${textOf(hop)}`),
  };
  let requests = 0;

  return {
    ...{ clock, network, told, recorded, attempts },
    send(method: string, hops: readonly string[], headers: Readonly<Record<string, string>> = {}) {
      requests += 1;
      const serial = requests;
      const render = (hop: Hop, attempt: number) => {
        const branch = `z9hG4bK${serial}.${attempt}`;
        const Via = `SIP/2.0/${hop.transport.toUpperCase()} ${hop.local};branch=${branch}`;
        return { octets: requestOctets(method, branch, { Via, ...headers }), branch };
      };
      send({ method, hops: hops.map(hopOf), render }, callbacks);
    },
    /** Each first sending of a request: when (ms since the start), what, where to. */
    tries() {
      const seen = new Set<string>();
      return sent.flatMap(({ atMs, title: what, message, hop }) => {
        const key = `${what} ${message.first('via')}`;
        if (seen.has(key)) return [];
        seen.add(key);
        return [`${atMs} ${what} ${textOf(hop)}`];
      });
    },
    sent,
    /** Transactions that are not over. */
    clients: () => layer.counts().clients,
    /** The peer of try `at` answers. */
    answer(at: number, status: number, headers: readonly (readonly [string, string])[] = []) {
      const { octets, hop } = attempts[at] as Attempt;
      layer.receive(response(readSip(octets), status, headers), hop);
    },
    /** As a caller cancels: the last try. */
    cancel() {
      const last = attempts.at(-1) as Attempt;
      return last.transaction.cancel(cancelFor(last.octets) as Uint8Array);
    },
    /** Lets the outcomes of sending arrive. */
    settled: () => new Promise((resolve) => setImmediate(resolve)),
  };
}
