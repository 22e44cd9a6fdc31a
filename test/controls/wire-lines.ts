/** What a server wrote against a worked example of it, line by line. */

/** A part that a run decides anew, with the reason; it must be found on both sides. */
export interface Varying {
  readonly part: RegExp;
  readonly why: string;
}

export const SOURCE = { part: /;received=[\d.]+/, why: 'the address of the peer' };
export const OUR_TAG = { part: /tag=im-[0-9a-f]+/, why: 'a tag is drawn for each dialog' };
export const DATE = {
  part: /^Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/,
  why: 'the time of this run',
};
export const PRODUCT = { part: /restante\/\d+\.\d+(\.\d+)?$/, why: 'the version of the product' };
export const VIA = {
  part: /^Via: SIP\/2\.0\/TCP [\w.]+:\d+;branch=z9hG4bK[\w.]+$/,
  why: 'where this server listens, and a branch of its own',
};
export const CALL_ID = { part: /^Call-ID: push[^@\s]+@[\w.]+$/, why: 'one for each delivery' };
export const ROUTE = { part: /<sip:[\w.]+:\d+;transport=tcp;lr>/, why: 'the next hop of this run' };
export const CONTACT = { part: /<sip:im-store@[\w.]+:\d+;/, why: 'where this server listens' };
export const LENGTH = { part: /^Content-Length: \d+$/, why: 'follows the SDP; measured below' };
export const SDP_ORIGIN = {
  part: /^o=im-store (\d+) \1 IN IP4 [\d.]+$/,
  why: 'seconds since 1900, and our address',
};
export const SDP_ADDRESS = { part: /^c=IN IP4 [\d.]+$/, why: 'our address' };
export const SDP_PORT = { part: /^m=message \d+/, why: 'where this server takes MSRP' };
export const PATH = {
  part: /msrp:\/\/[\d.]+:\d+\/[0-9a-z]+;tcp$/,
  why: 'addresses of this run, session ids drawn for it',
};
export const TID = {
  part: /^MSRP [a-z0-9]{16}(?= SEND$)/,
  why: 'a transaction id for each request',
};
export const END_LINE = { part: /^-------[a-z0-9]{16}(?=\$$)/, why: 'the same' };
export const MESSAGE_ID = {
  part: /^Message-ID: [0-9a-z]{16,32}$/,
  why: 'a keyed hash of message and body',
};
export const BOUNDARY = { part: /restante-[0-9a-f]+/, why: 'a keyed hash of the message' };
export const RANGE = {
  part: /^Byte-Range: 1-(\d+)\/\1$/,
  why: 'follows the boundary; measured below',
};
export const TIMESTAMP = { part: /^Timestamp: \d{10}\.\d{3}$/, why: 'when the server received it' };

/**
 * Lines with what varies masked. The order of header lines of different names means nothing
 * (RFC 3261 §7.3.1), save that those for proxies come first: the rest of a SIP head is sorted,
 * stably, by name. All else, and each MSRP frame, stays in its order.
 */
export function wireLines(text: string, rules: readonly Varying[]): readonly string[] {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [start = '', ...headers] = head.split('\r\n');
  const rank = (line: string) =>
    /^(Via|Max-Forwards|Route):/.test(line) ? '' : line.split(':')[0];
  const sorted = headers.toSorted((a, b) => (rank(a) ?? '').localeCompare(rank(b) ?? ''));
  const ordered = start.startsWith('MSRP') ? headers : sorted;
  const lines = [start, ...ordered, ...rest.flatMap((part) => ['', ...part.split('\r\n')])];
  const missing = rules.filter(({ part }) => !lines.some((line) => part.test(line)));
  return [
    ...lines.map((line) => rules.reduce((t, { part, why }) => t.replace(part, `‹${why}›`), line)),
    ...missing.map(({ why }) => `‹nowhere: ${why}›`),
  ];
}
