/** The SIP side put together: transports, transactions, what is observed and what is performed. */
import type { Channels } from '../../deferral/channel.ts';
import type { SipEffects } from '../../deferral/deferral.ts';
import type { Submit } from '../../engine/input.ts';
import { renderOffer } from '../../wire/sdp/render-msrp.ts';
import { splitList } from '../../wire/sip/headers.ts';
import { type Hop, isReliable, type SipTransport } from '../../wire/sip/hop.ts';
import type { SipMessage } from '../../wire/sip/message.ts';
import { type TransactionLayer, transactionLayer } from '../../wire/sip/transaction.ts';
import { bareAnswers } from './access/bare-answers.ts';
import { answers } from './answer.ts';
import { hostPort } from './host-port.ts';
import { observe } from './observe.ts';
import { observeDialog } from './observe-dialog.ts';
import { evidenceOf, type ObserveContext, type ObserveOptions } from './observe-options.ts';
import { perform } from './push/perform.ts';
import { hopMemory } from './routing/hop-memory.ts';
import { type NextHop, router } from './routing/route.ts';
import { requestSender } from './routing/send-request.ts';
import type { ListenAddress } from './transport/listen-address.ts';
import { openSipTransports, type SipTransports } from './transport/transport.ts';
import type { TransportLimits } from './transport/transport-contract.ts';

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
  /**
   * From now on requests are answered, those too that came over TCP before, whose senders do not
   * repeat them; of those over UDP the next repetition is.
   */
  serve(): void;
  counts(): ReturnType<TransactionLayer['counts']> & ReturnType<SipTransports['counts']>;
  close(): Promise<void>;
}

const ACK = [0x41, 0x43, 0x4b, 0x20];

/** Requests over TCP that wait for `serve`; more are dropped, and told. */
const EARLY_MAX = 1_000;

/** The ACK to a failure is the transaction layer's own; all else is recorded where it is made. */
function isAck(octets: Uint8Array): boolean {
  return ACK.every((octet, at) => octets[at] === octet);
}

export async function openSipAgent(
  options: SipAgentOptions,
): Promise<SipAgent | { readonly kind: 'failed'; readonly failures: readonly string[] }> {
  const { clock, signals, identity, onFault } = options;
  // A step of the wall clock must not end transactions or connections early.
  const steady = { now: () => performance.now(), timer: clock.timer };
  let serving = false;
  let layer: TransactionLayer | undefined;
  const early: (readonly [SipMessage, Hop])[] = [];
  const render = answers(identity, () => clock.now());
  const context: ObserveContext = {
    ...options,
    tagFor,
    requester: () => ({ kind: 'core' }),
    contact: (source) => identity.contact(reachable(source)),
    push: {
      description: (delivery) => renderOffer({ ...options.channels.offer(delivery), originId: 0 }),
      isOffering: () => false,
      peer: (delivery) => options.channels.peer?.(delivery),
    },
  };
  const dialogs = observeDialog(context);
  const onRequest = observe(context, dialogs);
  const bare = bareAnswers({ ...options, render, tagFor, send });

  /** A defect in handling one message must not end the service of all others. */
  function guarded(source: Hop, handle: () => void): void {
    try {
      handle();
    } catch (fault) {
      onFault(`message from ${hostPort(source.host, source.port)}`, fault);
    }
  }

  function receive(message: SipMessage, source: Hop): void {
    const remote = hostPort(source.host, source.port);
    const isRequest = message.start.kind === 'request';
    if (isRequest && !options.trusted(source.host)) {
      options.onRefusedTraffic('untrusted peer', 'RFC 3325 §5', remote);
      if (serving) bare.stranger(message, source);
    } else if (serving || !isRequest) layer?.receive(message, source);
    else if (isReliable(source) && early.length < EARLY_MAX) early.push([message, source]);
    else options.onRefusedTraffic('not serving yet', 'RFC 3261 §21.5.4', remote);
  }

  const opened = await openSipTransports({
    listen: options.listen,
    clock: steady,
    trusted: options.trusted,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    onMessage: (message, source) => guarded(source, () => receive(message, source)),
    onRefusal(refusal, source) {
      const remote = hostPort(source.host, source.port);
      options.onRefusedTraffic(refusal.reason, refusal.section, remote);
      if (serving) guarded(source, () => bare.unreadable(refusal, source));
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

  /** The same for an INVITE and its CANCEL (RFC 3261 §9.2), and whenever the request comes again. */
  function tagFor(request: SipMessage): string {
    const [via] = splitList(request.first('via') ?? '');
    return identity.tagOf(`${via} ${request.first('call-id')}`);
  }

  /** Our end of a connection that we opened has a port at which nobody else reaches us. */
  function reachable(source: Hop): Hop {
    const own = transports.listening.filter(({ transport }) => transport === source.transport);
    const at = source.local.lastIndexOf(':');
    const [first] = own;
    const taken = own.some(({ port }) => port === Number(source.local.slice(at + 1)));
    if (taken || !first) return source;
    return { ...source, local: `${source.local.slice(0, at)}:${first.port}` };
  }

  function localFor(transport: SipTransport, host: string): string | undefined {
    const v6 = host.includes(':');
    const own = transports.listening.find(
      (address) => address.transport === transport && address.host.includes(':') === v6,
    );
    return own && identity.advertised(hostPort(own.host, own.port));
  }

  function transactions(): TransactionLayer {
    if (!layer) throw new Error('an effect was performed before the SIP side was opened');
    return layer;
  }
  const sendRequest = requestSender({
    layer: transactions,
    signals,
    memory: hopMemory(steady.now),
    localFor,
  });
  const performed = perform({
    ...options,
    settled: dialogs.settled,
    router: router({ views: options.views, nextHop: options.nextHop, localFor, onFault }),
    layer: transactions,
    sendRequest,
    send,
  });
  layer = transactionLayer({
    clock: steady,
    send(octets, hop) {
      if (isAck(octets)) signals.sent(octets, evidenceOf(hop));
      return transports.send(octets, hop);
    },
    answer(request, source, status) {
      const octets = render(request, source, { status, toTag: tagFor(request) });
      signals.sent(octets, evidenceOf(source));
      return octets;
    },
    user: {
      onRequest,
      onAck(message, source) {
        signals.received(message.octets, evidenceOf(source));
        dialogs.acknowledged(message);
      },
      onCancelReceived: (cancel, source) => signals.received(cancel.octets, evidenceOf(source)),
      onCancelAnswered: (response, hop) => signals.received(response.octets, evidenceOf(hop)),
      onCancel(invite) {
        const { request, source } = invite;
        const octets = render(request, source, { status: 487, toTag: tagFor(request) });
        if (invite.respond(octets, 487)) signals.sent(octets, evidenceOf(source));
      },
      onStrayResponse(response, source) {
        // Call-IDs of ours are not to be guessed: a response with one is no stranger's.
        const known = identity.deliveryOf(response.first('call-id') ?? '') !== undefined;
        if (known || options.trusted(source.host)) performed.strayResponse(response, source);
        else {
          const remote = hostPort(source.host, source.port);
          options.onRefusedTraffic('stray response', 'RFC 3261 §18.1.2', remote);
        }
      },
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
      for (const [message, source] of early.splice(0)) {
        guarded(source, () => receive(message, source));
      }
    },
    counts: () => ({ ...open.counts(), ...transports.counts() }),
    async close() {
      open.close();
      await transports.close();
    },
  };
}
