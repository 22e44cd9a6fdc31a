/** What this server answers: one table from outcome to status, and the headers all answers carry. */
import type { Outcome } from '../../engine/input.ts';
import { renderSipDate } from '../../wire/sip/date.ts';
import type { Hop } from '../../wire/sip/hop.ts';
import type { SipMessage } from '../../wire/sip/message.ts';
import { type ResponseParts, renderResponse } from '../../wire/sip/response.ts';
import type { OwnIdentity } from './own-identity.ts';

export type Headers = readonly (readonly [name: string, value: string])[];

/** Methods that this server takes outside and inside its dialogs. */
export const ALLOWED_METHODS = 'INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, MESSAGE, REGISTER';

/** 500, never 503, which tells the core to send this server nothing at all meanwhile. */
const UNKNOWN_RETRY_SECONDS = 5;
/** RFC 3261 §21.5.4: a draining server comes back after its restart. */
const DRAINING_RETRY_SECONDS = 10;

export interface Verdict {
  readonly status: number;
  readonly headers?: Headers;
  /** Default: one drawn for it. */
  readonly toTag?: string;
  /** Of a 2xx that makes a dialog (RFC 3261 §12.1.1). */
  readonly recordRoute?: 'copied';
  readonly body?: Uint8Array;
}

/** Requests whose answers assert the message store's identity (IM-11.3.2.2-9, A-01). */
const ASSERTING: ReadonlySet<string> = new Set(['INVITE', 'MESSAGE']);

export const DRAINING: Verdict = {
  status: 503,
  headers: [['Retry-After', String(DRAINING_RETRY_SECONDS)]],
};

/** A deposit: 202 when it is in the log, also when it was there before (RFC 3428 §7, A-01). */
export function depositVerdict(outcome: Outcome): Verdict {
  switch (outcome.outcome) {
    case 'accepted':
    case 'ignored':
      return { status: 202 };
    case 'refused':
      return { status: 480 };
    case 'unknown':
      return unknownVerdict();
  }
}

/** A BYE for a session that is over is answered as one that nobody knows (RFC 3261 §15.1.2). */
export function byeVerdict(outcome: Outcome['outcome']): Verdict {
  if (outcome === 'unknown') return unknownVerdict();
  return { status: outcome === 'refused' ? 481 : 200 };
}

/** The log did not say in time: the client may repeat the request later. */
export function unknownVerdict(): Verdict {
  return { status: 500, headers: [['Retry-After', String(UNKNOWN_RETRY_SECONDS)]] };
}

/** Renders answers; Server and Date stand in all of them (IM-11.3.2.2-5, -7; A-07). */
export function answers(identity: OwnIdentity, now: () => number) {
  const asserted = `<${identity.imAddress}>`;
  let dateAt = 0;
  let date = '';

  /** SIP-date has seconds: one rendering serves all answers of a second. */
  function sipDate(): string {
    const second = Math.floor(now() / 1000);
    if (second !== dateAt) {
      dateAt = second;
      date = renderSipDate(second * 1000);
    }
    return date;
  }

  return function render(request: SipMessage, source: Hop, verdict: Verdict): Uint8Array {
    const { status, headers, body, recordRoute } = verdict;
    if (status === 100) return renderResponse(request, source, { status });
    const method = request.start.kind === 'request' ? request.start.method : '';
    const parts: ResponseParts = {
      status,
      toTag: verdict.toTag ?? identity.tag(),
      ...(recordRoute === undefined ? {} : { recordRoute }),
      headers: [
        ...(headers ?? []),
        ['Server', identity.product],
        ['Date', sipDate()],
        ...(ASSERTING.has(method) ? [['P-Asserted-Identity', asserted] as const] : []),
      ],
      ...(body === undefined ? {} : { body }),
    };
    return renderResponse(request, source, parts);
  };
}
