import { accountName } from '../../../deferral/account.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { parseNameAddr, parseNameAddrs } from '../../../wire/sip/name-addr.ts';
import type { Verdict } from '../answer.ts';
import type { Requester } from './requester.ts';
import { type Rate, tokenBuckets } from './token-buckets.ts';

/** Senders whose rate is known at once. */
const SENDERS_MAX = 20_000;
/** What a sender asks to be kept: by MESSAGE, or by a session (Large mode). */
const DEPOSITS: ReadonlySet<string> = new Set(['MESSAGE', 'INVITE']);

/** Who sends it: as the core asserts, or as the client has proved. */
function senderOf(request: SipMessage, requester: Requester): string {
  if (requester.kind === 'client') return requester.account;
  const [asserted] = parseNameAddrs(request.first('p-asserted-identity') ?? '') ?? [];
  const uri = asserted?.uri ?? parseNameAddr(request.first('from') ?? '')?.uri ?? '';
  return accountName(uri) ?? '';
}

/**
 * What a sender hears who sends more than is taken of one: 480, with the seconds until the next is
 * (RFC 3261 §20.33). Never 503: the core would turn away from this server for all.
 */
export function senderLimit(options: {
  readonly rate: Rate;
  /** Steady milliseconds. */
  now(): number;
  /** Our own address: pushes that the core sends back here are no messages of somebody. */
  readonly own: string;
}): (request: SipMessage, requester: Requester) => Verdict | undefined {
  const buckets = tokenBuckets({ ...options, keysMax: SENDERS_MAX });
  const own = accountName(options.own);
  const seconds = Math.ceil(1 / options.rate.perSecond);
  return (request, requester) => {
    const method = request.start.kind === 'request' ? request.start.method : '';
    if (!DEPOSITS.has(method) || requester.kind === 'dialog') return undefined;
    const isWithin = parseNameAddr(request.first('to') ?? '')?.tag !== undefined;
    const sender = senderOf(request, requester);
    const isFree = sender === own || (method === 'INVITE' && isWithin);
    if (isFree || buckets.take(sender)) return undefined;
    return { status: 480, headers: [['Retry-After', String(seconds)]] };
  };
}
