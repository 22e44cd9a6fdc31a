/** The SIP side put together: transports, transactions, what is observed and what is performed. */
import type { Channels } from '../../deferral/channel.ts';
import type { SipEffects } from '../../deferral/deferral.ts';
import type { Submit } from '../../engine/input.ts';
import { type Hop, responseHop } from '../../wire/sip/hop.ts';
import type { SipMessage } from '../../wire/sip/message.ts';
import { type TransactionLayer, transactionLayer } from '../../wire/sip/transaction.ts';
import { answers } from './answer.ts';
import { hostPort } from './host-port.ts';
import type { ListenAddress } from './listen-address.ts';
import { evidenceOf, observe } from './observe.ts';
import type { ObserveOptions } from './observe-options.ts';
import { perform } from './perform.ts';
import { type NextHop, router } from './route.ts';
import { openSipTransports, type SipTransports } from './transport.ts';
import type { TransportLimits } from './transport-contract.ts';

export interface SipAgentOptions extends ObserveOptions {
  /** Submits facts until the log has taken them. */
  readonly tell: Submit;
  /** `udp://127.0.0.1:5060`, `tcp://[::1]:5060`. */
  readonly listen: readonly string[];
  readonly nextHop?: NextHop;
  readonly channels: Channels;
  readonly limits?: Partial<TransportLimits>;
  /** Traffic that is no message, or a failure of a socket. */
  onRefusedTraffic(reason: string, section: string, remote: string): void;
  onFault(where: string, fault: unknown): void;
}

export interface SipAgent {
  readonly kind: 'open';
  readonly listening: readonly ListenAddress[];
  readonly effects: SipEffects;
  /** From now on requests are answered; earlier ones are dropped, and their senders repeat them. */
  serve(): void;
  counts(): ReturnType<TransactionLayer['counts']> & ReturnType<SipTransports['counts']>;
  close(): Promise<void>;
}

const ACK = [0x41, 0x43, 0x4b, 0x20];

/** The ACK to a failure is the transaction layer's own; all else is recorded where it is made. */
function isAck(octets: Uint8Array): boolean {
  return ACK.every((octet, at) => octets[at] === octet);
}

export async function openSipAgent(
  options: SipAgentOptions,
): Promise<SipAgent | { readonly kind: 'failed'; readonly failures: readonly string[] }> {
  const { clock, signals, identity, onFault } = options;
  let serving = false;
  let layer: TransactionLayer | undefined;
  const render = answers(identity, () => clock.now());
  const observed = observe(options);
  const opened = await openSipTransports({
    listen: options.listen,
    clock,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    onMessage(message, source) {
      try {
        const isRequest = message.start.kind === 'request';
        if (isRequest && !options.trusted(source.host)) stranger(message, source);
        else if (serving || !isRequest) layer?.receive(message, source);
      } catch (fault) {
        // A defect in handling one message must not end the service of all others.
        onFault(`message from ${hostPort(source.host, source.port)}`, fault);
      }
    },
    onRefusal(refusal, source) {
      const remote = hostPort(source.host, source.port);
      options.onRefusedTraffic(refusal.reason, refusal.section, remote);
      try {
        const octets = serving ? observed.refusal(refusal, source) : undefined;
        const broken = refusal.message;
        if (octets && !isAmplified(octets, broken, source)) send(octets, answerHop(broken, source));
      } catch (fault) {
        onFault(`refusal to ${remote}`, fault);
      }
    },
    onError: ({ where, what }) => onFault(where, what),
  });
  if (opened.kind === 'failed') return opened;
  const transports = opened;

  function send(octets: Uint8Array, hop: Hop): void {
    const to = hostPort(hop.host, hop.port);
    const unsent = (fault: unknown): void => {
      // Who is not trusted chose where the answer goes: the log is not theirs to fill.
      if (options.trusted(hop.host)) onFault(`send to ${to}`, fault);
      else options.onRefusedTraffic('answer not sent', 'RFC 3261 §18.2.4', to);
    };
    transports.send(octets, hop).then((result) => {
      if (!result.sent) unsent(result.reason);
    }, unsent);
  }

  /**
   * One answer without a transaction, the same each time (RFC 3261 §8.2.7), and no evidence: who is
   * not trusted can neither have answers repeated nor fill the log.
   */
  function stranger(request: SipMessage, source: Hop): void {
    const remote = hostPort(source.host, source.port);
    options.onRefusedTraffic('untrusted peer', 'RFC 3325 §5', remote);
    if (!serving || isAck(request.octets)) return;
    const toTag = identity.tagOf(`${request.first('via')} ${request.first('call-id')}`);
    const octets = render(request, source, { status: 403, toTag });
    if (!isAmplified(octets, request, source)) send(octets, answerHop(request, source));
  }

  /**
   * RFC 3261 §18.2.2, also for what cannot be read as a whole. The `maddr` of who is not trusted is
   * not followed: it would aim our answers at others.
   */
  function answerHop(request: SipMessage | undefined, source: Hop): Hop {
    const hop = request ? responseHop(request, source) : source;
    return options.trusted(source.host) ? hop : { ...hop, host: source.host };
  }

  /** Who can forge a source address must gain nothing by it (RFC 3261 §26.1.5). */
  function isAmplified(answer: Uint8Array, to: SipMessage | undefined, source: Hop): boolean {
    if (source.transport !== 'udp' || options.trusted(source.host)) return false;
    return answer.length > (to?.octets.length ?? 0);
  }

  function localFor(transport: 'udp' | 'tcp', host: string): string | undefined {
    const v6 = host.includes(':');
    const own = transports.listening.find(
      (address) => address.transport === transport && address.host.includes(':') === v6,
    );
    return own && identity.advertised(hostPort(own.host, own.port));
  }

  const performed = perform({
    ...options,
    router: router({ views: options.views, nextHop: options.nextHop, localFor }),
    layer() {
      if (!layer) throw new Error('an effect was performed before the SIP side was opened');
      return layer;
    },
    send,
  });
  layer = transactionLayer({
    // A step of the wall clock must not end transactions early.
    clock: { now: () => performance.now(), timer: clock.timer },
    send(octets, hop) {
      if (isAck(octets)) signals.sent(octets, evidenceOf(hop));
      return transports.send(octets, hop);
    },
    answer(request, source, status) {
      const octets = render(request, source, { status });
      signals.sent(octets, evidenceOf(source));
      return octets;
    },
    user: {
      onRequest: observed.request,
      onAck: (message, source) => signals.received(message.octets, evidenceOf(source)),
      onCancel(invite) {
        const octets = render(invite.request, invite.source, { status: 487 });
        signals.sent(octets, evidenceOf(invite.source));
        invite.respond(octets, 487);
      },
      onStrayResponse: performed.strayResponse,
      onLost: (transaction, reason) =>
        onFault(`answer to ${hostPort(transaction.source.host, transaction.source.port)}`, reason),
    },
  });
  const open = layer;
  return {
    kind: 'open',
    listening: transports.listening,
    effects: performed.effects,
    serve() {
      serving = true;
    },
    counts: () => ({ ...open.counts(), ...transports.counts() }),
    async close() {
      open.close();
      await transports.close();
    },
  };
}
