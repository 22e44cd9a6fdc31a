/**
 * What arrives over SIP becomes inputs, and outcomes become answers. The checks come in the order of
 * RFC 3261 §8.2: method, Request-URI, Require, then the method's own.
 */
import { servedAccount } from '../../deferral/account.ts';
import { parseTokens } from '../../wire/sip/headers.ts';
import type { SipMessage } from '../../wire/sip/message.ts';
import { parseNameAddr } from '../../wire/sip/name-addr.ts';
import type { ServerTransaction } from '../../wire/sip/server-transaction.ts';
import { parseUri } from '../../wire/sip/uri.ts';
import { ALLOWED_METHODS, answers, DRAINING, type Verdict } from './answer.ts';
import type { Deposits } from './deposit/open-deposits.ts';
import type { ObserveDialog } from './observe-dialog.ts';
import { observeMessage } from './observe-message.ts';
import { evidenceOf, type ObserveContext, type Respond } from './observe-options.ts';

/** Option tags of RFC 3261 §20.32 that are understood: session timers (RFC 4028). */
const SUPPORTED_OPTIONS: ReadonlySet<string> = new Set(['timer']);
/** Methods that only make sense within a dialog (RFC 3261 §12.2.2). */
const IN_DIALOG: ReadonlySet<string> = new Set(['BYE', 'UPDATE']);
/** Methods that make sense within a dialog and outside. */
const ANYWHERE: ReadonlySet<string> = new Set(['INVITE', 'MESSAGE', 'OPTIONS']);
const SDP = 'application/sdp';

function toTagOf(request: SipMessage): string | undefined {
  const to = request.first('to') ?? '';
  // Nearly always there is no such word, and nothing has to be parsed to know it.
  return /tag/i.test(to) ? parseNameAddr(to)?.tag : undefined;
}

/** What becomes of each new request. */
export function observe(
  options: ObserveContext,
  dialogs: Pick<ObserveDialog, 'request'>,
  deposits: Pick<Deposits, 'invite' | 'request'>,
): (transaction: ServerTransaction) => void {
  const { clock, signals, identity, registration } = options;
  // Who subscribes to nothing has no use for a NOTIFY (RFC 6665 §4.1.3).
  const allowed = registration.notify ? `${ALLOWED_METHODS}, NOTIFY` : ALLOWED_METHODS;
  const methods: ReadonlySet<string> = new Set(allowed.split(', '));
  const render = answers(identity, () => clock.now());
  const message = observeMessage(options);

  function responder(transaction: ServerTransaction): Respond {
    const { request, source } = transaction;
    const isInvite = request.start.kind === 'request' && request.start.method === 'INVITE';
    return (verdict) => {
      // RFC 3261 §9.2: the answer to a CANCEL of it will have the same tag.
      const tagged = isInvite ? { toTag: options.tagFor(request), ...verdict } : verdict;
      const octets = render(request, source, tagged);
      if (!transaction.respond(octets, verdict.status)) return undefined;
      signals.sent(octets, evidenceOf(source));
      return () => void transaction.respond(octets, verdict.status);
    };
  }

  /** The checks that come before the method's own; a verdict ends it. */
  function precheck(request: SipMessage): Verdict | undefined {
    const { start } = request;
    if (start.kind !== 'request') return { status: 400 };
    if (!methods.has(start.method)) return { status: 405, headers: [['Allow', allowed]] };
    const uri = parseUri(start.uri);
    if (!uri) return { status: 400 };
    if (uri.scheme !== 'sip' && uri.scheme !== 'sips' && uri.scheme !== 'tel') {
      return { status: 416 };
    }
    // Of a REGISTER it depends on who asks.
    const required = start.method === 'REGISTER' ? [] : parseTokens(request.all('require'));
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

  /** By Request-URI; when that names this server, as the core says whom it called. */
  function addressee(request: SipMessage): string | undefined {
    const uri = request.start.kind === 'request' ? request.start.uri : '';
    const called = parseNameAddr(request.first('p-called-party-id') ?? '')?.uri;
    const { domain } = options;
    return servedAccount(uri, domain) ?? servedAccount(called ?? '', domain);
  }

  async function dispatch(transaction: ServerTransaction): Promise<void> {
    const { request, source } = transaction;
    const method = request.start.kind === 'request' ? request.start.method : '';
    const arrived = { request, source, requester: options.requester(request) };
    if (options.passing.relay.isPush(arrived)) {
      const to = { account: addressee(request) ?? '', respond: responder(transaction) };
      return options.passing.relay.invite(transaction, arrived, to);
    }
    let verdict = precheck(request);
    // RFC 3261 §12.2.2: a To-tag names a dialog.
    const within = ANYWHERE.has(method) && toTagOf(request) !== undefined;
    if (!verdict && (within || IN_DIALOG.has(method))) {
      if (await deposits.request(transaction)) return;
      return dialogs.request(transaction, responder(transaction));
    }
    if (!verdict && (method === 'MESSAGE' || method === 'INVITE')) {
      const account = addressee(request);
      if (account === undefined) verdict = { status: 404 };
      else if (method === 'INVITE') return deposits.invite(transaction, account);
      else return message(transaction, account, responder(transaction));
    }
    const evidence = evidenceOf(source);
    if (!verdict && method === 'REGISTER') {
      return registration.register(request, source, responder(transaction));
    }
    if (!verdict && method === 'NOTIFY' && registration.notify) {
      return registration.notify(request, source, responder(transaction));
    }
    signals.received(request.octets, evidence);
    const respond = responder(transaction);
    if (verdict) return void respond(verdict);
    // OPTIONS (RFC 3261 §11.2); an ACK or CANCEL that matches nothing never comes here.
    respond({
      status: 200,
      headers: [
        ['Allow', allowed],
        ['Accept', `${SDP}, message/sip, text/plain`],
        ['Accept-Encoding', 'identity'],
        ['Accept-Language', '*'],
        ['Supported', 'timer'],
      ],
    });
  }

  return (transaction) => {
    dispatch(transaction).catch((fault: unknown) => {
      options.onFault('sip request', fault);
      if (!transaction.answered) responder(transaction)({ status: 500 });
    });
  };
}
