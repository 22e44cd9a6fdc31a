/** What a proxy makes of the messages that it passes on (RFC 3261 §16). Pure. */
import {
  type Edit,
  edited,
  fieldsOf,
  headEnd,
  insertion,
  lengthEdits,
  removal,
  valueEdit,
} from './forwarding-edits.ts';
import { parseCSeq, splitList } from './headers.ts';
import { type Hop, viaLineWithReceived } from './hop.ts';
import { cancelFor } from './invite-requests.ts';
import { isRequestUri, parseSip, type SipMessage } from './message.ts';
import { parseNameAddr, parseNameAddrs } from './name-addr.ts';
import { parseDigits } from './token.ts';
import { parseUri } from './uri.ts';
import { parseVia } from './via.ts';

/** RFC 3261 §16.6 step 3: when the request has none. */
const MAX_FORWARDS_DEFAULT = 70;
/** RFC 3261 §20.22. */
const MAX_FORWARDS_MAX = 255;

/** Where a request is to go: its Request-URI, and the Route values left (RFC 3261 §16.4). */
export interface Target {
  readonly uri: string;
  /** As they were written. */
  readonly routes: readonly string[];
}

export interface Forwarding {
  /** Where the request came from: its top Via must say so (RFC 3261 §18.2.1, RFC 3581 §4). */
  readonly source: Hop;
  /** Our Via without its branch: `SIP/2.0/UDP im.example.org:5060;rport`. */
  readonly via: string;
  readonly branch: string;
  /** Where it goes: `targetOf` the request, or elsewhere. */
  readonly target: Target;
  /** Whether a header is left out, by its long name in lower case. */
  readonly drop?: (name: string) => boolean;
  /** Headers put behind all others. */
  readonly add?: readonly (readonly [name: string, value: string])[];
}

/**
 * Why a request may not be passed on: 400 for headers that cannot be read, 483 when it made too
 * many hops, 482 when a Via has a branch that ends with `loop`: it was passed on here before, when
 * it stood just where it stands now (RFC 3261 §16.3, RFC 5393 §4.2).
 */
export function forwardingRefusal(request: SipMessage, loop: string): 400 | 482 | 483 | undefined {
  const hops = maxForwards(request);
  if (hops === 'broken') return 400;
  if (hops === 0) return 483;
  const vias = request.all('via').map(parseVia);
  if (vias.includes(undefined)) return 400;
  const routes = request.all('route').map(parseNameAddrs);
  if (routes.some((line) => !line?.every(({ uri }) => isRequestUri(uri)))) return 400;
  const isLoop = vias.some((line) => line?.some(({ branch }) => branch?.endsWith(loop)));
  return isLoop ? 482 : undefined;
}

/**
 * What must be the same for a request to be the same one in the same place: whoever makes his branch
 * of it recognises a loop, and lets a spiral pass (RFC 3261 §16.6 step 8).
 */
export function loopFields(request: SipMessage): string {
  const { uri } = targetOf(request, () => false);
  const cseq = parseCSeq(request.first('cseq') ?? '')?.number ?? 0;
  const tags = ['from', 'to'].map((name) => parseNameAddr(request.first(name) ?? '')?.tag ?? '');
  const callId = request.first('call-id') ?? '';
  return [uri, ...request.all('route'), ...tags, callId, cseq].join('\n');
}

/**
 * The target of a request after what concerns ourselves is taken off (RFC 3261 §16.4): a Request-URI
 * that a strict router put there, and Route values that name us. Record-Route is none of ours: what
 * is said in the dialog goes past us.
 */
export function targetOf(request: SipMessage, ownRoute: (uri: string) => boolean): Target {
  const routes = request.all('route').flatMap(splitList);
  let uri = request.start.kind === 'request' ? request.start.uri : '';
  if (routes.length > 0 && ownRoute(uri)) uri = uriOf(routes.pop() ?? '');
  while (routes[0] !== undefined && ownRoute(uriOf(routes[0]))) routes.shift();
  return { uri, routes };
}

/** Octets of the request as it is passed on (RFC 3261 §16.6): all that is not named stays. */
export function forwardedRequest(request: SipMessage, forwarding: Forwarding): Uint8Array {
  const { via, branch, drop, add = [] } = forwarding;
  const [top] = fieldsOf(request, 'via');
  const start = request.start.kind === 'request' ? request.start : undefined;
  // Not possible after parseSip, which refuses such a request.
  if (!start || !top) throw new Error('what is passed on is a request with a Via');
  const target = strictlyRouted(forwarding.target);
  const edits: Edit[] = [
    ...viaEdits(request, forwarding),
    insertion(top.start, [['Via', `${via};branch=${branch}`]]),
    ...maxForwardsEdits(request),
    ...routeEdits(request, target.routes),
    ...request.fields.filter(({ name }) => drop?.(name)).map(removal),
    ...(add.length > 0 ? [insertion(headEnd(request), add)] : []),
    ...lengthEdits(request),
  ];
  if (target.uri !== start.uri) {
    const line = `${start.method} ${target.uri} SIP/2.0\r\n`;
    edits.push({ start: 0, end: request.fields[0]?.start ?? 0, text: line });
  }
  return edited(request.octets, edits);
}

/**
 * The CANCEL of an INVITE that was passed on (RFC 3261 §16.10), with the Reason of the one that
 * came, if one did (RFC 3326 §2). `undefined` when the octets are no INVITE.
 */
export function forwardedCancel(invite: Uint8Array, came?: SipMessage): Uint8Array | undefined {
  const octets = cancelFor(invite);
  const parsed = octets && parseSip(octets, 'exact');
  if (parsed?.kind !== 'message') return undefined;
  const reasons = (came?.all('reason') ?? []).map((reason) => ['Reason', reason] as const);
  const edit = insertion(headEnd(parsed.message), reasons);
  return reasons.length === 0 ? octets : edited(parsed.message.octets, [edit]);
}

/**
 * Octets of a response as it is passed back: without the top Via, which is ours (RFC 3261 §16.7 step
 * 3), and without headers that `drop` picks. `undefined`: no other Via is left, so it is for us.
 */
export function relayedResponse(
  response: SipMessage,
  drop?: (name: string) => boolean,
): Uint8Array | undefined {
  const [top, ...lines] = fieldsOf(response, 'via');
  const [, ...others] = splitList(response.first('via') ?? '');
  if (!top || (others.length === 0 && lines.length === 0)) return undefined;
  const edit = others.length === 0 ? removal(top) : valueEdit(top, others.join(', '));
  const dropped = response.fields.filter(({ name }) => drop?.(name)).map(removal);
  return edited(response.octets, [edit, ...dropped, ...lengthEdits(response)]);
}

/** Whether a response is for somebody else: behind the top Via, ours, there is another. */
export function isPassedBack(response: SipMessage): boolean {
  return response.all('via').flatMap(splitList).length > 1;
}

function maxForwards(request: SipMessage): number | 'absent' | 'broken' {
  const value = request.first('max-forwards');
  if (value === undefined) return 'absent';
  return parseDigits(value, MAX_FORWARDS_MAX) ?? 'broken';
}

function maxForwardsEdits(request: SipMessage): readonly Edit[] {
  const [field] = fieldsOf(request, 'max-forwards');
  const hops = maxForwards(request);
  if (field && typeof hops === 'number') return [valueEdit(field, String(hops - 1))];
  return [insertion(headEnd(request), [['Max-Forwards', String(MAX_FORWARDS_DEFAULT)]])];
}

function viaEdits(request: SipMessage, { source }: Forwarding): readonly Edit[] {
  const line = request.first('via') ?? '';
  const stamped = viaLineWithReceived(line, source);
  const [top] = fieldsOf(request, 'via');
  return top && stamped !== line ? [valueEdit(top, stamped)] : [];
}

/** RFC 3261 §16.6 step 6: a first Route without `lr` wants to be the Request-URI. */
function strictlyRouted({ uri, routes }: Target): Target {
  const [first, ...rest] = routes;
  const next = first === undefined ? undefined : uriOf(first);
  if (next === undefined || parseUri(next)?.params.has('lr') !== false) return { uri, routes };
  return { uri: next.split('?', 1)[0] ?? next, routes: [...rest, `<${uri}>`] };
}

/** Lines that stay as they are are not touched; what is new stands before them, or behind. */
function routeEdits(request: SipMessage, wanted: readonly string[]): readonly Edit[] {
  const fields = fieldsOf(request, 'route');
  const lines = request.all('route');
  const values = lines.map(splitList);
  const had = values.flat();
  if (had.length === wanted.length && had.every((value, at) => value === wanted[at])) return [];
  const kept = linesKept(values, wanted);
  const edits = fields.slice(0, fields.length - kept).map(removal);
  const others = wanted.slice(0, wanted.length - values.slice(values.length - kept).flat().length);
  const at = fields[0]?.start ?? fieldsOf(request, 'via').at(-1)?.end ?? 0;
  return [
    ...edits,
    insertion(
      at,
      others.map((value) => ['Route', value] as const),
    ),
  ];
}

/** How many lines at the end can stay. */
function linesKept(lines: readonly (readonly string[])[], wanted: readonly string[]): number {
  let kept = 0;
  let end = wanted.length;
  for (const line of [...lines].reverse()) {
    const start = end - line.length;
    if (start < 0 || !line.every((value, at) => value === wanted[start + at])) break;
    end = start;
    kept += 1;
  }
  return kept;
}

function uriOf(route: string): string {
  return parseNameAddr(route)?.uri ?? '';
}
