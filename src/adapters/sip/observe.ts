/**
 * What arrives over SIP becomes inputs, and outcomes become answers. The checks come in the order of
 * RFC 3261 §8.2: method, Request-URI, Require, then the method's own.
 */
import { accountName, deliveryStream } from '../../deferral/account.ts';
import { depositOf } from '../../deferral/deposit.ts';
import type { Evidence } from '../../engine/recorded.ts';
import type { PushDialog } from '../../machines/delivery/effects.ts';
import { isLargeMode } from '../../wire/large-mode.ts';
import { parseMsrpMedia } from '../../wire/sdp/msrp-media.ts';
import { parseMediaType, parseTokens } from '../../wire/sip/headers.ts';
import type { Hop } from '../../wire/sip/hop.ts';
import type { Refusal, SipMessage } from '../../wire/sip/message.ts';
import { parseNameAddr } from '../../wire/sip/name-addr.ts';
import type { ServerTransaction } from '../../wire/sip/server-transaction.ts';
import { parseUri } from '../../wire/sip/uri.ts';
import {
  ALLOWED_METHODS,
  answers,
  byeVerdict,
  DRAINING,
  depositVerdict,
  type Verdict,
} from './answer.ts';
import { hostPort } from './host-port.ts';
import type { ObserveOptions } from './observe-options.ts';
import { observeRegister } from './observe-register.ts';

/** Option tags of RFC 3261 §20.32 that are understood: session timers (RFC 4028). */
const SUPPORTED_OPTIONS: ReadonlySet<string> = new Set(['timer']);
const METHODS: ReadonlySet<string> = new Set(ALLOWED_METHODS.split(', '));
/** Methods that only make sense within a dialog (RFC 3261 §12.2.2). */
const IN_DIALOG: ReadonlySet<string> = new Set(['BYE', 'UPDATE']);
const SDP = 'application/sdp';

export function evidenceOf(hop: Hop): Evidence {
  const { transport, local, host, port } = hop;
  return { protocol: 'sip', transport, local, remote: hostPort(host, port) };
}

function toTagOf(request: SipMessage): string | undefined {
  return parseNameAddr(request.first('to') ?? '')?.tag;
}

export interface Observe {
  request(transaction: ServerTransaction): void;
  /** Traffic that is no message to go on with; what to answer, if anything. */
  refusal(refusal: Refusal, source: Hop): Uint8Array | undefined;
}

export function observe(
  options: ObserveOptions & { onFault(where: string, fault: unknown): void },
): Observe {
  const { clock, signals, identity } = options;
  const render = answers(identity, () => clock.now());

  function responder(transaction: ServerTransaction): (verdict: Verdict) => void {
    const { request, source } = transaction;
    return (verdict) => {
      const octets = render(request, source, verdict);
      transaction.respond(octets, verdict.status);
      signals.sent(octets, evidenceOf(source));
    };
  }

  /** The checks that come before the method's own; a verdict ends it. */
  function precheck(request: SipMessage): Verdict | undefined {
    const { start } = request;
    if (start.kind !== 'request') return { status: 400 };
    if (!METHODS.has(start.method)) return { status: 405, headers: [['Allow', ALLOWED_METHODS]] };
    const uri = parseUri(start.uri);
    if (!uri) return { status: 400 };
    if (uri.scheme !== 'sip' && uri.scheme !== 'sips' && uri.scheme !== 'tel') {
      return { status: 416 };
    }
    const required = parseTokens(request.all('require'));
    if (required === undefined) return { status: 400 };
    const unsupported = required.filter((option) => !SUPPORTED_OPTIONS.has(option));
    if (unsupported.length > 0) {
      return { status: 420, headers: [['Unsupported', unsupported.join(', ')]] };
    }
    return options.draining() && isNewWork(start.method, request) ? DRAINING : undefined;
  }

  /**
   * What a draining server refuses. A REGISTER is taken: an S-CSCF that hears of an error may
   * deregister the client, and the next start opens the delivery that this one no longer can.
   */
  function isNewWork(method: string, request: SipMessage): boolean {
    return method === 'MESSAGE' || (method === 'INVITE' && toTagOf(request) === undefined);
  }

  /** A subscriber of the served domain, by Request-URI. */
  function addressee(request: SipMessage): string | undefined {
    const uri = request.start.kind === 'request' ? request.start.uri : '';
    const { scheme, host } = parseUri(uri) ?? {};
    if (scheme !== 'tel' && host !== options.domain) return undefined;
    return accountName(uri);
  }

  async function message(transaction: ServerTransaction): Promise<void> {
    const { request, source } = transaction;
    const respond = responder(transaction);
    const account = addressee(request);
    const evidence = evidenceOf(source);
    const refuse = (verdict: Verdict): void => {
      signals.received(request.octets, evidence);
      respond(verdict);
    };
    if (account === undefined) return refuse({ status: 404 });
    const at = clock.now();
    const { identifiers, digest } = options;
    const id = identifiers.messageId();
    const deposit = depositOf(request, { account, at, id, digest, evidence });
    if (deposit.kind === 'refused') {
      return refuse({ status: deposit.reason === 'tooLarge' ? 413 : 480 });
    }
    await options.submit(deposit.stream, deposit.input, (outcome) => {
      if (outcome.outcome !== 'accepted') signals.received(request.octets, evidence);
      respond(depositVerdict(outcome));
    });
  }

  /** The delivery whose dialog a request of the client belongs to; tags and all. */
  async function dialogOf(request: SipMessage): Promise<string | undefined> {
    const delivery = identity.deliveryOf(request.first('call-id') ?? '');
    if (delivery === undefined) return undefined;
    const ours = toTagOf(request);
    const theirs = parseNameAddr(request.first('from') ?? '')?.tag;
    if (ours !== identity.fromTagOf(delivery)) return undefined;
    const state = await options.runner.state(deliveryStream(delivery));
    const { dialog } = state.context as { readonly dialog: PushDialog | null };
    const open = state.value === 'pushing' || state.value === 'bye';
    return open && dialog?.toTag === theirs ? delivery : undefined;
  }

  async function inDialog(transaction: ServerTransaction, method: string): Promise<void> {
    const { request, source } = transaction;
    const respond = responder(transaction);
    const evidence = evidenceOf(source);
    const delivery = await dialogOf(request);
    if (delivery === undefined) {
      signals.received(request.octets, evidence);
      return respond({ status: 481 });
    }
    if (method !== 'BYE') {
      signals.received(request.octets, evidence);
      // A refresh changes nothing here; another description is not taken (RFC 3261 §14.2).
      const refreshes = method === 'UPDATE' && request.body.length === 0;
      return respond({
        status: refreshes ? 200 : 488,
        headers: [['Contact', identity.contact(source)]],
      });
    }
    const reason = request.first('reason');
    await options.submit(
      deliveryStream(delivery),
      {
        type: 'ByeReceived',
        at: clock.now(),
        data: reason === undefined ? {} : { reason },
        cause: `bye received ${request.first('cseq') ?? ''}`,
        octets: signals.evidence(request.octets, 'sip'),
        evidence,
      },
      ({ outcome }) => {
        if (outcome !== 'accepted') signals.received(request.octets, evidence);
        respond(byeVerdict(outcome));
      },
    );
  }

  /** Session mode is not deferrable, and Large mode needs a session that takes messages (§1.4). */
  function invite(transaction: ServerTransaction): void {
    const { request } = transaction;
    const respond = responder(transaction);
    const offer = parseMsrpMedia(request.body);
    const media = offer.kind === 'media' ? offer.media : undefined;
    const judged = isLargeMode(request, media, { acceptUntagged: true });
    const type = parseMediaType(request.first('content-type') ?? SDP)?.name;
    if (addressee(request) === undefined) respond({ status: 404 });
    // RFC 3261 §8.2.3: a body of a type that is not taken, and what would be.
    else if (type !== SDP) respond({ status: 415, headers: [['Accept', SDP]] });
    else respond({ status: judged.verdict === 'no' ? judged.status : 480 });
  }

  async function dispatch(transaction: ServerTransaction): Promise<void> {
    const { request, source } = transaction;
    const method = request.start.kind === 'request' ? request.start.method : '';
    const verdict = precheck(request);
    if (!verdict && method === 'MESSAGE') return message(transaction);
    const evidence = evidenceOf(source);
    if (!verdict && method === 'REGISTER') {
      return observeRegister(options, request, source, evidence, responder(transaction));
    }
    const within = method === 'INVITE' && toTagOf(request) !== undefined;
    if (!verdict && (IN_DIALOG.has(method) || within)) {
      return inDialog(transaction, method);
    }
    signals.received(request.octets, evidence);
    const respond = responder(transaction);
    if (verdict) return respond(verdict);
    if (method === 'INVITE') return invite(transaction);
    // OPTIONS (RFC 3261 §11.2); an ACK or CANCEL that matches nothing never comes here.
    respond({
      status: 200,
      headers: [
        ['Allow', ALLOWED_METHODS],
        ['Accept', `${SDP}, message/sip, text/plain`],
        ['Supported', 'timer'],
      ],
    });
  }

  return {
    request(transaction) {
      dispatch(transaction).catch((fault: unknown) => {
        options.onFault('sip request', fault);
        if (!transaction.answered) responder(transaction)({ status: 500 });
      });
    },
    refusal({ status, message: broken }, source) {
      if (status === null || broken === undefined) return undefined;
      return render(broken, source, { status });
    },
  };
}
