/** The SIP side put together: transports, transactions, what is observed and what is performed. */
import type { Channels } from '../../deferral/channel.ts';
import type { DepositChannels } from '../../deferral/deposit-channel.ts';
import type { Transports } from '../../deferral/transports.ts';
import type { Submit } from '../../engine/input.ts';
import { isPassedBack } from '../../wire/sip/forwarding.ts';
import { splitList } from '../../wire/sip/headers.ts';
import { type Hop, isReliable } from '../../wire/sip/hop.ts';
import type { SipMessage } from '../../wire/sip/message.ts';
import { type TransactionLayer, transactionLayer } from '../../wire/sip/transaction.ts';
import { type AccessOptions, openAccess } from './access/access.ts';
import { answers } from './answer.ts';
import type { LargeSettings } from './deposit/deposit-context.ts';
import { openDeposits } from './deposit/open-deposits.ts';
import { openForwarding } from './forward/open-forwarding.ts';
import { hostPort } from './host-port.ts';
import { observe } from './observe.ts';
import { observeDialog } from './observe-dialog.ts';
import { evidenceOf, type ObserveContext, type ObserveOptions } from './observe-options.ts';
import { ownEnds } from './own-ends.ts';
import { perform } from './push/perform.ts';
import type { ProofOptions } from './push/push-credentials.ts';
import { openRegistration } from './registration/open-registration.ts';
import type { RegEventOutcome } from './registration/reg-subscriptions.ts';
import { openRouting } from './routing/open-routing.ts';
import type { ListenAddress } from './transport/listen-address.ts';
import {
  openSipTransports,
  type SipTransports,
  type TransportOptions,
} from './transport/transport.ts';

export interface SipAgentOptions extends ObserveOptions, TransportOptions {
  /** Submits facts until the log has taken them. */
  readonly tell: Submit;
  /** Milliseconds since any moment that never step. Default: the host's. */
  readonly elapsedMs?: () => number;
  /** URI that every request leaves through: `sip:core.example.org;transport=tls`. */
  readonly nextHop?: string;
  /** `ADDRESS` or `ADDRESS:PORT`; absent: the system's. */
  readonly dnsServers?: readonly string[];
  readonly channels: Channels;
  /** The MSRP side of senders in Large Message mode. */
  readonly deposits: DepositChannels;
  readonly large: LargeSettings;
  /** MSRP over TLS is listened for; default: not. */
  readonly msrpTls?: boolean;
  /** Registrations are subscribed to where the IM tag is merely assumed (RFC 3680); default: not. */
  readonly regEvent?: boolean;
  onRegEvent?(outcome: RegEventOutcome): void;
  /** Who may come in beside the trusted peers, and how much; default: nobody. */
  readonly access?: AccessOptions;
  /** As whom a core is answered that challenges a push; absent: as nobody. */
  readonly proof?: ProofOptions;
  /** Traffic that is no message, or a failure of a socket. */
  onRefusedTraffic(reason: string, section: string, remote: string): void;
  onFault(where: string, fault: unknown): void;
}

export interface SipAgent {
  readonly kind: 'open';
  readonly listening: readonly ListenAddress[];
  /** What the engine is started with. */
  readonly transports: Transports;
  reloadTls: SipTransports['reloadTls'];
  /**
   * From now on requests are answered, those too that came over TCP before, whose senders do not
   * repeat them; of those over UDP the next repetition is.
   */
  serve(): void;
  counts(): ReturnType<TransactionLayer['counts']> & ReturnType<SipTransports['counts']>;
  /** Resolves when no request that is passed on waits for its answer, or after `withinMs`. */
  drain(withinMs: number): Promise<void>;
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
  const { elapsedMs = () => performance.now() } = options;
  const steady = { now: elapsedMs, timer: clock.timer };
  let serving = false;
  let layer: TransactionLayer | undefined;
  const early: (readonly [SipMessage, Hop])[] = [];
  const render = answers(identity, () => clock.now());
  const access = openAccess({
    ...{ ...options, access: options.access ?? {} },
    ...{ render, tagFor, send, steadyNow: steady.now, random: options.identifiers.random },
  });
  /** A peer that we connected to has proved the name that we asked it for. */
  function isTrusted(hop: Hop): boolean {
    return access.isTrusted(hop.serverName ? { ...hop, peerNames: [hop.serverName] } : hop);
  }
  const passing = openForwarding({
    ...options,
    router: { toTarget: (target) => routing.router.toTarget(target) },
    sendRequest: (...request) => routing.sendRequest(...request),
    isTrusted,
    listening: () => ends.names(),
    timer: (delayMs, callback) => transactions().timer(delayMs, callback),
  });
  const registration = openRegistration({
    ...options,
    requester: access.requester,
    routing: () => routing,
  });
  const context: ObserveContext = {
    ...{ ...options, passing, registration },
    tagFor,
    requester: access.requester,
    contact: (source) => identity.contact(ends.reachable(source)),
    push: {
      description: (delivery) => performed.description(delivery),
      isOffering: (delivery) => performed.isOffering(delivery),
      peer: (delivery) => options.channels.peer?.(delivery),
    },
  };
  const dialogs = observeDialog(context);
  const deposits = openDeposits(
    {
      ...context,
      ...{ large: options.large, deposits: options.deposits, msrpTls: options.msrpTls ?? false },
    },
    {
      router: { toUri: (...way) => routing.router.toUri(...way) },
      sendRequest: (...request) => routing.sendRequest(...request),
    },
  );
  const onRequest = observe(context, dialogs, deposits);

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
    if (isRequest && !access.isTrusted(source)) {
      if (serving) access.stranger(message, source, (known) => admitted(known, source));
      else options.onRefusedTraffic('not serving yet', 'RFC 3261 §21.5.4', remote);
    } else if (serving || !isRequest) layer?.receive(message, source);
    else if (isReliable(source) && early.length < EARLY_MAX) early.push([message, source]);
    else options.onRefusedTraffic('not serving yet', 'RFC 3261 §21.5.4', remote);
  }

  function admitted(request: SipMessage, source: Hop): void {
    if (access.requester(request).kind === 'client') transports.vouch(source);
    layer?.receive(request, source);
  }

  const opened = await openSipTransports({
    ...options,
    clock: steady,
    onMessage: (message, source) => guarded(source, () => receive(message, source)),
    onRefusal(refusal, source) {
      const remote = hostPort(source.host, source.port);
      options.onRefusedTraffic(refusal.reason, refusal.section, remote);
      if (serving) guarded(source, () => access.unreadable(refusal, source));
    },
    onError: ({ where, what }) => onFault(where, what),
  });
  if (opened.kind === 'failed') return opened;
  const transports = opened;
  const ends = ownEnds(transports.listening, identity);

  function send(octets: Uint8Array, hop: Hop): void {
    const failed = (fault: unknown): void => unsent('send to', hop, fault);
    transports.send(octets, hop).then((result) => {
      if (!result.sent) failed(result.reason);
    }, failed);
  }

  /** Who is not trusted chose where the answer goes, and who acknowledges it: no log is his to fill. */
  function unsent(what: string, to: Hop, fault: unknown): void {
    const remote = hostPort(to.host, to.port);
    if (access.isTrusted(to)) onFault(`${what} ${remote}`, fault);
    else options.onRefusedTraffic('answer not sent', 'RFC 3261 §18.2.4', remote);
  }

  /** The same for an INVITE and its CANCEL (RFC 3261 §9.2), and whenever the request comes again. */
  function tagFor(request: SipMessage): string {
    const [via] = splitList(request.first('via') ?? '');
    return identity.tagOf(`${via} ${request.first('call-id')}`);
  }

  function transactions(): TransactionLayer {
    if (!layer) throw new Error('an effect was performed before the SIP side was opened');
    return layer;
  }
  const routing = openRouting({
    ...{ ...options, clock: steady, layer: transactions },
    localFor: ends.localFor,
  });
  const performed = perform({
    ...options,
    ...routing,
    settled: dialogs.settled,
    layer: transactions,
    isTrusted,
    send,
  });
  layer = transactionLayer({
    clock: steady,
    send(octets, hop) {
      if (isAck(octets)) signals.sent(octets, evidenceOf(hop));
      return transports.send(octets, hop);
    },
    refuses: (request, source, unanswered) =>
      access.isOverload(request, source, unanswered - passing.waiting()),
    answer(request, source, status) {
      const isRefusal = status === 503;
      const verdict = { status, toTag: tagFor(request) };
      if (isRefusal) return render(request, source, { ...verdict, ...access.overload() });
      const octets = render(request, source, verdict);
      signals.sent(octets, evidenceOf(source));
      return octets;
    },
    user: {
      onRequest: access.limited(onRequest),
      onAck(message, source) {
        // One that makes an event travels inside it.
        if (deposits.acknowledged(message)) return;
        signals.received(message.octets, evidenceOf(source));
        dialogs.acknowledged(message);
      },
      onCancelReceived: (cancel, source) => signals.received(cancel.octets, evidenceOf(source)),
      onCancelAnswered: (response, hop) => signals.received(response.octets, evidenceOf(hop)),
      onCancel(invite, cancel) {
        if (passing.relay.cancel(invite, cancel.request)) return;
        const { request, source } = invite;
        const octets = render(request, source, { status: 487, toTag: tagFor(request) });
        if (invite.respond(octets, 487)) signals.sent(octets, evidenceOf(source));
      },
      onStrayResponse(response, source) {
        // Call-IDs of ours are not to be guessed: a response with one is no stranger's.
        const known = identity.deliveryOf(response.first('call-id') ?? '') !== undefined;
        const taken = known || access.isTrusted(source);
        // RFC 6026 §8.9: what was passed on and is over is not passed back any more.
        if (taken && isPassedBack(response)) signals.received(response.octets, evidenceOf(source));
        else if (taken) performed.strayResponse(response, source);
        else {
          const remote = hostPort(source.host, source.port);
          options.onRefusedTraffic('stray response', 'RFC 3261 §18.1.2', remote);
        }
      },
      onLost: ({ source }, reason) => unsent('answer to', source, reason),
    },
  });
  const open = layer;
  return {
    kind: 'open',
    listening: transports.listening,
    reloadTls: transports.reloadTls,
    transports: {
      sip: performed.effects,
      channels: options.channels,
      deposits: deposits.transports,
    },
    serve() {
      serving = true;
      registration.start();
      for (const [message, source] of early.splice(0)) {
        guarded(source, () => receive(message, source));
      }
    },
    counts: () => ({ ...open.counts(), ...transports.counts() }),
    drain: passing.drain,
    async close() {
      dialogs.close();
      deposits.close();
      registration.close();
      open.close();
      routing.close();
      await transports.close();
    },
  };
}
