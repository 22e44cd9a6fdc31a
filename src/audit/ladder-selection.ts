/**
 * Which records of a log concern one account or one delivery: its events, those of the sessions that
 * its senders left messages by, and the signals that belong to their calls, sessions and addresses.
 */
import type { Recorded } from '../engine/recorded.ts';
import { parseStreamName, streamName } from '../engine/stream-name.ts';
import { journaled, type SignalSummary } from '../wire/journal.ts';
import { parseSip } from '../wire/sip/message.ts';
import { parseNameAddr } from '../wire/sip/name-addr.ts';
import { accountOf } from '../wire/sip/uri.ts';

export interface LadderScope {
  /** Normalised public identity. Neither account nor delivery: everything. */
  readonly account?: string;
  /** Id of one delivery; narrower than the account. */
  readonly delivery?: string;
}

/** A SIP message or MSRP frame, as the signal stream or the evidence of an event has it. */
export interface LadderSignal extends SignalSummary {
  readonly protocol: 'sip' | 'msrp';
  readonly sent: boolean;
  readonly local: string;
  readonly remote: string;
  readonly position: string;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Of a REGISTER, whom it registers. */
  readonly registers?: string;
  /** Of the call in which somebody leaves messages: Large Message mode. */
  readonly ofSender?: true;
}

export interface LadderEvent {
  readonly event: Recorded;
  /** The signal that caused it. */
  readonly cause?: LadderSignal;
}

/** Where the frames of a delivery or of a sender's session were seen, and how long. */
interface Session {
  remote?: string;
  readonly openedAt: number;
  endedAt: number;
}

/** A property of recorded data, which may be of another release or of anybody. */
export function field(data: unknown, name: string): unknown {
  if (typeof data !== 'object' || data === null) return undefined;
  return (data as Readonly<Record<string, unknown>>)[name];
}

function text(data: unknown, name: string): string {
  const value = field(data, name);
  return typeof value === 'string' ? value : '';
}

/** One pass over the records; signals come before what claims them, so they are judged at the end. */
export function selectRecords(
  records: Iterable<Recorded>,
  scope: LadderScope,
): { readonly events: readonly LadderEvent[]; readonly signals: readonly LadderSignal[] } {
  const everything = scope.account === undefined && scope.delivery === undefined;
  const events: LadderEvent[] = [];
  /** A server that starts or stops between two events explains them; before and after, it does not. */
  const starts: LadderEvent[] = [];
  const candidates: LadderSignal[] = [];
  /** By stream. */
  const sessions = new Map<string, Session>();
  const callIds = new Set<string>();
  /** Calls of senders. */
  const senderCalls = new Set<string>();
  /** MSRP Message-IDs by whether they are of a session of ours. */
  const messageIds = new Map<string, boolean>();

  for (const event of records) {
    const { category, id } = parseStreamName(event.stream);
    if (category === 'signal') {
      const signal = signalOf(event);
      if (signal) candidates.push(signal);
    } else if (category === 'node' && events.length > 0) {
      starts.push({ event });
    } else if (category === 'mailbox' || category === 'delivery' || category === 'deposit') {
      const ours =
        category === 'mailbox'
          ? ofMailbox(event, id, scope)
          : everything || sessions.has(event.stream) || ofSession(event, { category, id }, scope);
      if (category !== 'mailbox') noteSession(event, ours);
      if (!ours) continue;
      const cause = causeOf(event);
      if (cause?.callId) callIds.add(cause.callId);
      if (cause?.callId && category === 'deposit') senderCalls.add(cause.callId);
      events.push(...starts.splice(0), cause ? { event, cause } : { event });
    }
  }

  function noteSession(event: Recorded, ours: boolean): void {
    const { stream, type, data, meta, at } = event;
    const messageId = text(data, 'messageId');
    if (messageId) messageIds.set(messageId, ours || messageIds.get(messageId) === true);
    if (!ours) return;
    const session: Session = sessions.get(stream) ?? { openedAt: at, endedAt: Infinity };
    if (type === 'ChannelBound') session.remote = text(data, 'remote');
    if (meta.to === 'ended' && meta.from !== 'ended') session.endedAt = at;
    sessions.set(stream, session);
  }

  const attributed = (signal: LadderSignal): LadderSignal =>
    senderCalls.has(signal.callId ?? '') ? { ...signal, ofSender: true } : signal;
  const told = events.map((one) => (one.cause ? { ...one, cause: attributed(one.cause) } : one));
  if (everything) {
    return { events: [...told, ...starts], signals: candidates.map(attributed) };
  }
  const sip = sipClaim(scope, sessions, callIds);
  const msrp = msrpClaim([...sessions.values()], messageIds);
  const signals = candidates.filter((one) => (one.protocol === 'sip' ? sip(one) : msrp(one)));
  return { events: told, signals: signals.map(attributed) };
}

function ofMailbox(event: Recorded, account: string, scope: LadderScope): boolean {
  if (scope.delivery === undefined) return scope.account === undefined || scope.account === account;
  // A delivery has the id of the mailbox event that opened it.
  return event.id === scope.delivery || text(event.data, 'delivery') === scope.delivery;
}

function ofSession(
  event: Recorded,
  { category, id }: { readonly category: string; readonly id: string },
  { account, delivery }: LadderScope,
): boolean {
  // Only the first event of a session names its account: later ones are known by their stream.
  if (delivery === undefined) return text(event.data, 'account') === account;
  return category === 'delivery' && delivery === id;
}

/** A SIP signal is ours by its Call-ID, or, answered by no event, by whom it is addressed to. */
function sipClaim(
  { account, delivery }: LadderScope,
  sessions: ReadonlyMap<string, Session>,
  callIds: Set<string>,
): (signal: LadderSignal) => boolean {
  return (signal) => {
    const { callId = '', startLine, registers, status } = signal;
    // The Call-ID of a push is `push.<delivery>.<token>@host`.
    const pushed = callId.startsWith('push.') ? callId.split('.', 2)[1] : undefined;
    if (pushed !== undefined && sessions.has(streamName('delivery', pushed))) return true;
    if (callIds.has(callId)) return true;
    if (delivery !== undefined || status !== undefined || account === undefined) return false;
    const addressee = registers ?? accountOf(startLine.split(' ', 2)[1] ?? '');
    if (addressee !== account) return false;
    if (callId) callIds.add(callId);
    return true;
  };
}

/**
 * An MSRP frame is ours when it passed on the connection of a session of ours while that lasted.
 * Sessions may share a connection: frames of a message of another session are not ours.
 */
function msrpClaim(
  sessions: readonly Session[],
  messageIds: ReadonlyMap<string, boolean>,
): (signal: LadderSignal) => boolean {
  const byRemote = new Map<string, Session[]>();
  for (const session of sessions) {
    const { remote = '' } = session;
    const there = byRemote.get(remote);
    if (there) there.push(session);
    else byRemote.set(remote, [session]);
  }
  const foreign = new Set<string>();
  return ({ remote, at, tid, messageId = '' }) => {
    const transaction = `${remote} ${tid}`;
    if (messageIds.get(messageId) === false) foreign.add(transaction);
    else if (messageId !== '') foreign.delete(transaction);
    if (foreign.has(transaction)) return false;
    const there = byRemote.get(remote) ?? [];
    return there.some(({ openedAt, endedAt }) => openedAt <= at && at <= endedAt);
  };
}

function signalOf(event: Recorded): LadderSignal | undefined {
  const { data, type, position, at, octets } = event;
  if (typeof data !== 'object' || data === null) return undefined;
  const protocol = field(data, 'protocol') === 'msrp' ? 'msrp' : 'sip';
  const sent = type === 'SignalSent';
  const [local, remote] = [text(data, 'local'), text(data, 'remote')];
  const summary = summaryOf(data);
  const signal = { ...summary, protocol, sent, local, remote, position, at } as const;
  const registers =
    !sent && summary.method === 'REGISTER' && octets ? registeredBy(octets) : undefined;
  return registers === undefined ? signal : { ...signal, registers };
}

/** Only what a ladder needs, so that a long log can be read without keeping it. */
function summaryOf(data: object): SignalSummary {
  const texts = ['callId', 'cseq', 'method', 'tid', 'messageId', 'byteRange', 'flag'] as const;
  const known = texts.flatMap((name) => {
    const value = text(data, name);
    return value === '' ? [] : [[name, value] as const];
  });
  const status = field(data, 'status');
  return {
    startLine: text(data, 'startLine'),
    ...(typeof status === 'number' ? { status } : {}),
    ...Object.fromEntries(known),
  };
}

const noHash = () => new Uint8Array(0);

function causeOf({ octets, meta, position, at }: Recorded): LadderSignal | undefined {
  if (!octets || !meta.evidence) return undefined;
  const { protocol, local, remote } = meta.evidence;
  const { summary } = journaled(octets, { protocol, mode: 'headers', sha256: noHash });
  return { ...summary, protocol, sent: false, local, remote, position, at };
}

/** The address of record of a REGISTER (RFC 3261 §10.2: its To). */
function registeredBy(octets: Uint8Array): string | undefined {
  // The journal leaves bodies out, so the message may be refused; its headers are read all the same.
  const { message } = parseSip(octets, 'datagram');
  const uri = parseNameAddr(message?.first('to') ?? '')?.uri;
  return typeof uri === 'string' ? accountOf(uri) : undefined;
}
