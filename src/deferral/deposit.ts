/** A SIP MESSAGE becomes a deposit: judged once, then an input of the recipient's mailbox. */
import { hex } from '../engine/identity.ts';
import type { Input } from '../engine/input.ts';
import type { Digest } from '../engine/ports.ts';
import type { Evidence } from '../engine/recorded.ts';
import type { MessageDeferredData } from '../machines/mailbox/events.ts';
import { depositView } from '../projections/deposits.ts';
import { parseSipDate } from '../wire/sip/date.ts';
import { parseCSeq, parseExpires, parsePriority } from '../wire/sip/headers.ts';
import type { SipMessage } from '../wire/sip/message.ts';
import { parseNameAddr } from '../wire/sip/name-addr.ts';
import { mailboxStream } from './account.ts';

/** `deferred.maxAge`: 30 days, when the message says nothing. */
export const DEFERRED_AGE_MAX_MS = 30 * 86_400_000;
/** `message.maxBytes`: a MESSAGE larger than this is refused with 413 (RFC 3428 §8). */
export const MESSAGE_BYTES_MAX = 65_536;

export type Deposit =
  | {
      readonly kind: 'deposit';
      readonly stream: string;
      readonly input: Input<'MessageDeferred', MessageDeferredData>;
    }
  /** `tooLarge`: RFC 3428 §8; `notDeferrable`: its validity ends before it could be kept (§7). */
  | { readonly kind: 'refused'; readonly reason: 'tooLarge' | 'notDeferrable' };

const encoder = new TextEncoder();

/**
 * When the message is no longer worth delivering, in epoch ms (RFC 3428 §7): Date + Expires, or
 * reception + Expires; `deferred.maxAge` after reception when it has no Expires.
 */
export function expiryOf(message: SipMessage, receivedAt: number): number {
  const validMs = parseExpires(message.first('expires') ?? '');
  if (validMs === undefined) return receivedAt + DEFERRED_AGE_MAX_MS;
  const sentAt = parseSipDate(message.first('date') ?? '') ?? receivedAt;
  return sentAt + validMs;
}

/**
 * The same MESSAGE, sent again in whatever transaction, has the same key: one deposit is stored
 * once for each (account, Call-ID, From-tag, CSeq number).
 */
export function depositKey(digest: Digest, account: string, message: SipMessage): string {
  const callId = message.first('call-id') ?? '';
  const fromTag = parseNameAddr(message.first('from') ?? '')?.tag ?? '';
  const cseq = parseCSeq(message.first('cseq') ?? '')?.number ?? 0;
  const text = `${account}\n${callId}\n${fromTag}\n${cseq}`;
  return hex(digest.sha256(encoder.encode(text)).subarray(0, 16));
}

/** `stamp.at` in epoch ms. A repetition is no refusal: `unless` of the input tells it by its key. */
export function depositOf(
  message: SipMessage,
  stamp: {
    readonly account: string;
    readonly at: number;
    /** Minted at the edge. */
    readonly id: string;
    readonly digest: Digest;
    readonly evidence: Evidence;
  },
): Deposit {
  const { account, at, id, digest, evidence } = stamp;
  const bytes = message.octets.length;
  if (bytes > MESSAGE_BYTES_MAX) return { kind: 'refused', reason: 'tooLarge' };
  const expiresAt = expiryOf(message, at);
  if (expiresAt <= at) return { kind: 'refused', reason: 'notDeferrable' };
  const deposit = depositKey(digest, account, message);
  const priority = parsePriority(message.first('priority'));
  const data: MessageDeferredData = {
    id,
    kind: 'message',
    bytes,
    expiresAt,
    ...(priority === 'normal' ? {} : { priority }),
    deposit,
  };
  return {
    kind: 'deposit',
    stream: mailboxStream(account),
    input: {
      type: 'MessageDeferred',
      at,
      data,
      cause: `deposit ${id}`,
      octets: message.octets,
      evidence,
      unless: { view: depositView, key: deposit },
    },
  };
}
