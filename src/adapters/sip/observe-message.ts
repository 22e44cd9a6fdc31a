/**
 * A MESSAGE for a subscriber (RFC 3428 §7): passed on to a client that is there, or deferred. Its
 * sender gets one final answer, and a 202 only when the message is in the log.
 */
import {
  type Deposit,
  depositKey,
  depositOf,
  expiryOf,
  MESSAGE_BYTES_MAX,
} from '../../deferral/deposit.ts';
import type { Outcome } from '../../engine/input.ts';
import { depositView } from '../../projections/deposits.ts';
import { forwardingRefusal } from '../../wire/sip/forwarding.ts';
import { parseExpires } from '../../wire/sip/headers.ts';
import type { SipMessage } from '../../wire/sip/message.ts';
import type { ServerTransaction } from '../../wire/sip/server-transaction.ts';
import { depositVerdict, type Headers, unknownVerdict, type Verdict } from './answer.ts';
import type { Arrived, Forwarded, ForwardMessage } from './forward/forward-contract.ts';
import { loopToken } from './forward/pass-on.ts';
import { reachOf } from './forward/reach.ts';
import { recentMessages } from './forward/recent-messages.ts';
import { withdraw } from './forward/withdraw.ts';
import { evidenceOf, type ObserveContext } from './observe-options.ts';
import { statusOf } from './push/push-context.ts';

export type ObserveMessage = (
  transaction: ServerTransaction,
  account: string,
  respond: (verdict: Verdict) => void,
) => Promise<void>;

type Answered = Extract<Forwarded, { kind: 'answered' }>;

interface Arrival extends Arrived {
  readonly transaction: ServerTransaction;
  readonly account: string;
  readonly at: number;
  respond(verdict: Verdict): void;
}

export function observeMessage(options: ObserveContext): ObserveMessage {
  const { clock, digest, identifiers, identity, signals, views, onForwarded } = options;
  const recent = recentMessages(() => performance.now());

  function received({ request, source }: Arrival): void {
    signals.received(request.octets, evidenceOf(source));
  }

  function refuse(arrival: Arrival, verdict: Verdict): void {
    received(arrival);
    arrival.respond(verdict);
  }

  function depositFor({ request, source, account, at }: Arrival) {
    const stamp = {
      account,
      at,
      id: identifiers.messageId(),
      digest,
      evidence: evidenceOf(source),
    };
    return depositOf(request, stamp);
  }

  /** `unreachable`: the client was just asked, so that a push is not tried at once. */
  async function defer(arrival: Arrival, why: 'waits' | 'unreachable'): Promise<void> {
    const deposit = depositFor(arrival);
    if (deposit.kind === 'refused') {
      return refuse(arrival, { status: deposit.reason === 'tooLarge' ? 413 : 480 });
    }
    const input = why === 'waits' ? deposit.input : unreached(deposit.input);
    await options.submit(deposit.stream, input, (outcome) => {
      if (outcome.outcome !== 'accepted') received(arrival);
      arrival.respond(depositVerdict(outcome));
    });
  }

  /** What is said of a message before its client is asked (RFC 3261 §16.3, RFC 3428 §7). */
  function refusal({ request, at }: Arrival, loop: string): number | undefined {
    if (request.octets.length > MESSAGE_BYTES_MAX) return 413;
    if (!isNowOrNever(request) && expiryOf(request, at) <= at) return 480;
    return forwardingRefusal(request, loop);
  }

  async function forward(arrival: Arrival, forwardMessage: ForwardMessage): Promise<void> {
    const { request, account } = arrival;
    const key = depositKey(digest, account, request);
    // Whatever a core does to its Request-URI: it is the same message for the same subscriber.
    const loop = loopToken(identity, `message ${key}`);
    const status = refusal(arrival, loop);
    if (status !== undefined) {
      if (status === 482) onForwarded?.({ outcome: 'looped', status });
      return refuse(arrival, { status });
    }
    if ((await views.get(depositView, key)) !== undefined) return defer(arrival, 'waits');
    const known = recent.verdictOf(key);
    if (known) {
      received(arrival);
      return arrival.respond(await known);
    }
    if (options.passing.isFull()) return defer(arrival, 'waits');
    const pending = recent.begin(key);
    received(arrival);
    try {
      const asked = outcomeOf(arrival, loop, forwardMessage);
      const { verdict, kept } = await options.passing.during(asked);
      pending.settle(verdict, kept ? 'kept' : 'forgotten');
    } catch (fault) {
      pending.settle(unknownVerdict(), 'forgotten');
      throw fault;
    }
  }

  /** Answers the sender; the verdict is for others who send the same. */
  async function outcomeOf(
    arrival: Arrival,
    loop: string,
    forwardMessage: ForwardMessage,
  ): Promise<{ readonly verdict: Verdict; readonly kept: boolean }> {
    const { account } = arrival;
    let late = false;
    let deferred: string | undefined;
    const withdrawLate = (): void => {
      if (!late || deferred === undefined) return;
      withdraw(options, account, deferred).then(
        (end) =>
          onForwarded?.({ outcome: end === 'withdrawn' ? 'withdrawn' : 'twice', status: 200 }),
        (fault: unknown) => options.onFault('withdrawal', fault),
      );
    };
    const forwarded = await forwardMessage(arrival, { account, loop }, () => {
      late = true;
      withdrawLate();
    });
    if (forwarded.kind === 'answered') return passBack(arrival, forwarded);
    onForwarded?.({ outcome: 'deferred', status: forwarded.status });
    const { verdict, id } = await deferUndelivered(arrival);
    deferred = id;
    withdrawLate();
    return { verdict, kept: verdict.status !== 500 };
  }

  function passBack({ transaction, respond }: Arrival, { response, octets }: Answered) {
    const said = statusOf(response);
    onForwarded?.({ outcome: 'relayed', status: said });
    const verdict = { status: said === 503 ? 500 : said, headers: toldAgain(response) };
    if (octets === undefined) respond(verdict);
    else if (transaction.respond(octets, verdict.status)) {
      signals.sent(octets, evidenceOf(transaction.source));
    }
    // Who is challenged asks again, in other words.
    return { verdict, kept: said !== 401 && said !== 407 };
  }

  /** Its arrival is in the journal already, before what was sent on. */
  async function deferUndelivered(arrival: Arrival) {
    const deposit = depositFor(arrival);
    const isOver = deposit.kind === 'refused' || (deposit.input.data.expiresAt ?? 0) <= clock.now();
    if (isOver) {
      const verdict = { status: 480 };
      arrival.respond(verdict);
      return { verdict, id: undefined };
    }
    const { evidence: _, ...input } = deposit.input;
    let verdict: Verdict = unknownVerdict();
    const told = (outcome: Outcome): void => {
      verdict = depositVerdict(outcome);
      arrival.respond(verdict);
    };
    const { outcome } = await options.submit(deposit.stream, unreached(input), told);
    return { verdict, id: outcome === 'accepted' ? deposit.input.data.id : undefined };
  }

  return async (transaction, account, respond) => {
    const { request, source } = transaction;
    const at = clock.now();
    const requester = options.requester(request);
    const arrival = { request, source, requester, transaction, account, at, respond };
    const { forwardMessage } = options.passing;
    // RFC 3261 §16.3 step 5: a proxy that cannot do what is required of it is none.
    const mayForward = forwardMessage && request.first('proxy-require') === undefined;
    if (!mayForward) return defer(arrival, 'waits');
    const reach = await reachOf(views, account, at);
    if (reach !== 'reachable') return defer(arrival, reach === 'failed' ? 'unreachable' : 'waits');
    return forward(arrival, forwardMessage);
  };
}

type DepositInput = Extract<Deposit, { kind: 'deposit' }>['input'];

function unreached(input: DepositInput): DepositInput {
  return { ...input, data: { ...input.data, unreachable: true } };
}

/** RFC 3428 §7: delivered at once, or not at all. */
function isNowOrNever(request: SipMessage): boolean {
  return parseExpires(request.first('expires') ?? '') === 0;
}

/** What a failure says is to be done about it (RFC 3261 §21): also to who asks the same again. */
const REMEDIES = [
  ...['WWW-Authenticate', 'Proxy-Authenticate', 'Contact', 'Allow', 'Unsupported', 'Retry-After'],
  ...['Accept', 'Accept-Encoding', 'Accept-Language'],
];

/** Of a longer answer only the status is kept: many of them are, for as long as repetitions come. */
const TOLD_AGAIN_BYTES_MAX = 4_096;

function toldAgain(response: SipMessage): Headers {
  if (statusOf(response) < 300 || response.octets.length > TOLD_AGAIN_BYTES_MAX) return [];
  return REMEDIES.flatMap((name) =>
    response.all(name.toLowerCase()).map((value) => [name, value] as const),
  );
}
