import { parseContacts } from './contact.ts';
import { parseCSeq, splitList } from './headers.ts';
import { isRequestUri, renderSip, type SipMessage } from './message.ts';
import { type NameAddr, parseNameAddr, parseNameAddrs } from './name-addr.ts';
import { parseUri } from './uri.ts';

/**
 * A peer-to-peer relation of two user agents (RFC 3261 §12), as plain JSON data: it is recorded.
 * Our own requests carry `local` as From and `remote` as To.
 */
export interface Dialog {
  readonly role: 'uac' | 'uas';
  readonly callId: string;
  /** From and To values as first seen, the tags included. */
  readonly local: string;
  readonly remote: string;
  readonly localTag: string;
  /** Empty for a peer of RFC 2543, which has none (RFC 3261 §12.1.2). */
  readonly remoteTag: string;
  /** URI that our requests are for. */
  readonly remoteTarget: string;
  /** Route values in the order of sending. */
  readonly routeSet: readonly string[];
  /** CSeq number of our last request; `null` before the first. ACK and CANCEL do not count. */
  readonly localCseq: number | null;
  readonly remoteCseq: number | null;
}

/**
 * The dialog that a response with a To tag makes for the client (RFC 3261 §12.1.2): of each 2xx,
 * or each 101-199. It always exists, since a 2xx must be acknowledged whatever it lacks: without a
 * usable Contact the target stays the request's.
 */
export function dialogFrom2xx(request: SipMessage, response: SipMessage): Dialog {
  const local = request.first('from') ?? '';
  const remote = response.first('to') ?? '';
  return {
    role: 'uac',
    callId: request.first('call-id') ?? '',
    local,
    remote,
    localTag: tagOf(local),
    remoteTag: tagOf(remote),
    remoteTarget: contactUri(response) ?? requestUri(request),
    routeSet: recordRoutes(response).reverse(),
    localCseq: cseqNumber(request),
    remoteCseq: null,
  };
}

/**
 * The dialog that our 2xx to an INVITE makes (RFC 3261 §12.1.1); `undefined`: the INVITE has no
 * Contact that a request could be sent to.
 */
export function dialogOfInvite(invite: SipMessage, localTag: string): Dialog | undefined {
  const remoteTarget = contactUri(invite);
  if (remoteTarget === undefined) return undefined;
  const remote = invite.first('from') ?? '';
  return {
    role: 'uas',
    callId: invite.first('call-id') ?? '',
    local: `${invite.first('to') ?? ''};tag=${localTag}`,
    remote,
    localTag,
    remoteTag: tagOf(remote),
    remoteTarget,
    routeSet: recordRoutes(invite),
    localCseq: null,
    remoteCseq: cseqNumber(invite),
  };
}

export interface DialogRequest {
  readonly method: string;
  /** The next number is `(dialog.localCseq ?? 0) + 1`; ACK takes that of its INVITE. */
  readonly cseq: number;
  readonly branch: string;
  /** Via without its branch: `SIP/2.0/TCP im.example.org:5060`. */
  readonly via: string;
  /** What follows CSeq, in this order. Content-Length is added. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body?: Uint8Array;
}

/**
 * Octets of a request within a dialog (RFC 3261 §12.2.1.1). When the first hop is a strict router
 * (its URI has no `lr`), that URI is the Request-URI and the target comes last among the Routes.
 */
export function requestInDialog(dialog: Dialog, request: DialogRequest): Uint8Array {
  const { uri, routes } = routing(dialog);
  return renderSip({
    start: { kind: 'request', method: request.method, uri },
    headers: [
      ['Via', `${request.via};branch=${request.branch}`],
      ['Max-Forwards', '70'],
      ...routes.map((route) => ['Route', route] as const),
      ['From', dialog.local],
      ['To', dialog.remote],
      ['Call-ID', dialog.callId],
      ['CSeq', `${request.cseq} ${request.method}`],
      ...(request.headers ?? []),
    ],
    ...(request.body === undefined ? {} : { body: request.body }),
  });
}

/** The Request-URI that such a request has: what its credentials are made for (RFC 7616 §3.4). */
export function requestUriIn(dialog: Dialog): string {
  return routing(dialog).uri;
}

/**
 * The ACK to a 2xx (RFC 3261 §13.2.2.4): a transaction of its own, so with a branch of its own;
 * `cseq` is that of the INVITE. The same octets answer each repetition of the 2xx.
 */
export function ackFor2xx(dialog: Dialog, ack: Omit<DialogRequest, 'method'>): Uint8Array {
  return requestInDialog(dialog, { ...ack, method: 'ACK' });
}

/**
 * The URI whose host a request of the dialog is sent to (RFC 3261 §8.1.2, §12.2.1.1): of the first
 * Route, or the remote target when there is none.
 */
export function nextHopUri(dialog: Dialog): string {
  return firstHop(dialog)?.uri ?? dialog.remoteTarget;
}

function firstHop(dialog: Dialog): NameAddr | undefined {
  const [first] = dialog.routeSet;
  return first === undefined ? undefined : parseNameAddr(first);
}

function routing(dialog: Dialog): { uri: string; routes: readonly string[] } {
  const { routeSet, remoteTarget } = dialog;
  const first = firstHop(dialog)?.uri;
  const loose = first === undefined || parseUri(first)?.params.has('lr') === true;
  if (loose) return { uri: withoutUriHeaders(remoteTarget), routes: routeSet };
  return { uri: withoutUriHeaders(first), routes: [...routeSet.slice(1), `<${remoteTarget}>`] };
}

/** Headers may not stand in a Request-URI (RFC 3261 §19.1.1); a user part may hold a `?`. */
function withoutUriHeaders(uri: string): string {
  const question = uri.indexOf('?', uri.indexOf('@') + 1);
  return question < 0 ? uri : uri.slice(0, question);
}

/** Each Record-Route value as it was written, display names and parameters included. */
function recordRoutes(message: SipMessage): string[] {
  return message.all('record-route').flatMap(splitRoutes);
}

function splitRoutes(line: string): readonly string[] {
  // Only values that can be read are worth sending to: a malformed line would poison the route.
  const routes = parseNameAddrs(line);
  return routes?.every(({ uri }) => isRequestUri(uri)) ? splitList(line) : [];
}

function contactUri(message: SipMessage): string | undefined {
  const line = message.first('contact');
  const contacts = line === undefined ? undefined : parseContacts(line);
  const uri = contacts === undefined || contacts === '*' ? undefined : contacts[0]?.uri;
  return uri !== undefined && isRequestUri(uri) ? uri : undefined;
}

function requestUri(request: SipMessage): string {
  return request.start.kind === 'request' ? request.start.uri : '';
}

function cseqNumber(message: SipMessage): number {
  return parseCSeq(message.first('cseq') ?? '')?.number ?? 0;
}

function tagOf(value: string): string {
  return parseNameAddr(value)?.tag ?? '';
}
