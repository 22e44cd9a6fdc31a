/** Provisional responses that are sent until they are acknowledged (RFC 3262). */
import { parseTokens } from './headers.ts';
import type { SipMessage } from './message.ts';
import { parseDigits } from './token.ts';

/** RFC 3262 §3, §7.1: 1 to 2**32 - 1, though the first must be below 2**31. */
const RSEQ_MAX = 2 ** 32 - 1;

/** RSeq of a response that wants a PRACK; `undefined`: it wants none, or cannot be acknowledged. */
export function rseqOf(response: SipMessage): number | undefined {
  const { start } = response;
  // RFC 3262 §3: 100 is hop by hop and never reliable.
  if (start.kind !== 'response' || start.status <= 100 || start.status >= 200) return undefined;
  const required = parseTokens(response.all('require')) ?? [];
  if (!required.some((option) => option.toLowerCase() === '100rel')) return undefined;
  const rseq = parseDigits(response.first('rseq') ?? '', RSEQ_MAX);
  return rseq === 0 ? undefined : rseq;
}

/** Value of RAck in the PRACK to it (RFC 3262 §7.2). */
export function renderRAck(rseq: number, inviteCseq: number): string {
  return `${rseq} ${inviteCseq} INVITE`;
}
