import type { Fault, Field, Head } from './head.ts';
import { parseCSeq } from './headers.ts';
import { parseNameAddr } from './name-addr.ts';
import type { RequestLine, StatusLine } from './start-line.ts';
import { parseVia } from './via.ts';

/** Methods registered at IANA; all that matters is which status a mismatch gets. */
const METHODS = new Set(
  `ACK BYE CANCEL INFO INVITE MESSAGE NOTIFY OPTIONS PRACK PUBLISH REFER REGISTER SUBSCRIBE
  UPDATE`.split(/\s+/),
);

const bad = (reason: string, section: string, status = 400): Fault => ({ status, reason, section });

/**
 * What every receiver must check in every message (RFC 3261 §8.1.1, §16.3, §18.3), first fault
 * first. Max-Forwards may be absent (RFC 2543 has none).
 */
export function findFault(start: RequestLine | StatusLine, head: Head): Fault | undefined {
  let via: Field | undefined;
  let from: Field | undefined;
  let to: Field | undefined;
  let callId: Field | undefined;
  let cseq: Field | undefined;
  let maxForwards: Field | undefined;
  let contentType: Field | undefined;
  for (const field of head.fields) {
    const { name } = field;
    let earlier: Field | undefined;
    if (name === 'via') via ??= field;
    else if (name === 'from') [earlier, from] = [from, field];
    else if (name === 'to') [earlier, to] = [to, field];
    else if (name === 'call-id') [earlier, callId] = [callId, field];
    else if (name === 'cseq') [earlier, cseq] = [cseq, field];
    else if (name === 'max-forwards') [earlier, maxForwards] = [maxForwards, field];
    else if (name === 'content-type') [earlier, contentType] = [contentType, field];
    // RFC 4475 §3.3.8: none of several can be chosen.
    if (earlier !== undefined) return bad(`${name} is repeated`, 'RFC 3261 §7.3.1');
  }
  if (via === undefined) return missing('Via');
  if (from === undefined) return missing('From');
  if (to === undefined) return missing('To');
  if (callId === undefined || head.value(callId) === '') return missing('Call-ID');
  if (cseq === undefined) return missing('CSeq');
  return (
    cseqFault(start, head.value(cseq)) ??
    viaFault(head.value(via)) ??
    addressFault('From', head.value(from)) ??
    addressFault('To', head.value(to))
  );
}

function missing(name: string): Fault {
  return bad(`${name} is missing`, 'RFC 3261 §8.1.1');
}

function cseqFault(start: RequestLine | StatusLine, value: string): Fault | undefined {
  const cseq = parseCSeq(value);
  if (cseq === undefined) {
    return bad('CSeq is not a number below 2**31 and a method', 'RFC 3261 §8.1.1.5');
  }
  if (start.kind === 'request' && cseq.method !== start.method) {
    // RFC 4475 §3.1.2.18: of a method nobody knows, 501 says more than 400.
    const status = METHODS.has(start.method) ? 400 : 501;
    return bad('the method in CSeq is not that of the request', 'RFC 3261 §8.1.1.5', status);
  }
  return undefined;
}

function viaFault(value: string): Fault | undefined {
  const hops = parseVia(value);
  const top = hops?.[0];
  if (top === undefined) return bad('Via is malformed', 'RFC 3261 §20.42');
  if (top.protocol.toUpperCase() !== 'SIP/2.0') {
    return bad(`the protocol in Via is ${top.protocol}`, 'RFC 3261 §18.1.1');
  }
  // RFC 4475 §3.2.1: the cookie alone would make all requests of its sender one transaction.
  if (top.branch === 'z9hG4bK') return bad('the branch in Via is empty', 'RFC 3261 §8.1.1.7');
  return undefined;
}

function addressFault(name: string, value: string): Fault | undefined {
  return parseNameAddr(value) === undefined
    ? bad(`${name} is malformed`, `RFC 3261 §20.${name === 'To' ? '39' : '20'}`)
    : undefined;
}
