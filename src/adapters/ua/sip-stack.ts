/**
 * The SIP stack of the user agent: the npm package `sip`, so that the server is met by a parser,
 * transactions and timers that are not its own. What the package lacks is made up for here: it knows
 * octets only as binary strings, resolves no name through the system, takes requests to its own
 * address for flow tokens, waits for ever after a 1xx, and leaves TCP connections open at its end.
 */

import {
  bindStack,
  type ServerAddress,
  type SipStackOptions,
  type UaRequest,
  type UaResponse,
} from './bound-stack.ts';
import type { PackageRequest } from './sip-package.ts';

export type { ServerAddress, SipStackOptions, UaRequest, UaResponse };

export interface UaAnswer {
  readonly status: number;
  readonly reason: string;
  /** From asking to the final answer, in milliseconds. */
  readonly ms: number;
}

export interface SipStack {
  readonly host: string;
  readonly port: number;
  /**
   * Sends a request to the server and resolves with its final answer; 408 when there is none, 503
   * when the server cannot be reached or the stack was closed.
   */
  request(request: UaRequest): Promise<UaAnswer>;
  respond(request: PackageRequest, response: UaResponse): void;
  close(): void;
}

/** RFC 3261 §17.1.2.2: Timer F is 64*T1 = 32 s; the package forgets it after a 1xx. */
const ANSWER_MS = 33_000;
/** A UDP datagram of IPv4 holds 65,507 octets; the head needs some of them. */
const UDP_BODY_BYTES_MAX = 60_000;

/** Opens the stack on its own port; requests go to `server`, whatever their URI. */
export async function openSipStack(options: SipStackOptions): Promise<SipStack> {
  const { transport } = options.server;
  const pending = new Set<(status: number, reason: string) => void>();
  const stack = await bindStack(options);

  function request(asked: UaRequest): Promise<UaAnswer> {
    if (transport === 'udp' && (asked.body?.length ?? 0) > UDP_BODY_BYTES_MAX) {
      const limit = `${UDP_BODY_BYTES_MAX} octets do not fit a datagram: use tcp`;
      return Promise.reject(new Error(`bodies of more than ${limit}`));
    }
    return new Promise((resolve) => {
      const startedMs = performance.now();
      const settle = (status: number, reason: string) => {
        clearTimeout(guard);
        pending.delete(settle);
        resolve({ status, reason, ms: performance.now() - startedMs });
      };
      const guard = setTimeout(() => settle(408, 'no answer'), ANSWER_MS);
      pending.add(settle);
      stack.send(asked, ({ status, reason }) => settle(status, reason));
    });
  }

  return {
    host: stack.host,
    port: stack.port,
    request,
    respond: stack.respond,
    close() {
      for (const settle of pending) settle(503, 'the user agent was closed');
      stack.close();
    },
  };
}
