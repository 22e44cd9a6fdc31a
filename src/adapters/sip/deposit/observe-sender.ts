/** Requests of a sender within the dialog of its session (RFC 3261 §12.2.2, RFC 3311, RFC 4028). */
import { depositStream } from '../../../deferral/account.ts';
import type {
  AckReceivedData,
  DepositDialog,
  GrantedTimer,
} from '../../../machines/deposit/events.ts';
import { isReachable, parseMsrpMedia } from '../../../wire/sdp/msrp-media.ts';
import { repeatDescription } from '../../../wire/sdp/repeat-description.ts';
import { parseContacts } from '../../../wire/sip/contact.ts';
import { parseCSeq } from '../../../wire/sip/headers.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { parseNameAddr } from '../../../wire/sip/name-addr.ts';
import type { ServerTransaction } from '../../../wire/sip/server-transaction.ts';
import { byeVerdict, unknownVerdict, type Verdict } from '../answer.ts';
import { agreeTimer } from '../dialog/agree-timer.ts';
import { DIALOG_CAPABILITIES, methodOf, SDP } from '../dialog/judge-refresh.ts';
import { evidenceOf } from '../observe-options.ts';
import { DIALOG_METHODS } from '../push/push-requests.ts';
import { type DepositContext, depositOfTag, type OpenSession } from './deposit-context.ts';
import { contentFault, isCallable, notAcceptable } from './judge-invite.ts';

/** RFC 3261 §14.2: a person who looks into it should learn why. */
const UNCHANGED = notAcceptable('the session of a sender stays as it was agreed');

interface Found {
  readonly deposit: string;
  readonly phase: string;
  readonly dialog: DepositDialog;
  readonly sessionExpiresSeconds: number | null;
}

interface State {
  readonly dialog: DepositDialog | null;
  readonly sessionExpiresSeconds: number | null;
}

export interface ObserveSender {
  /** `false`: the request is in no dialog of a deposit. */
  request(transaction: ServerTransaction): Promise<boolean>;
  /** `false`: it is none that a deposit waits for, and is not recorded. */
  acknowledged(ack: SipMessage): boolean;
  close(): void;
}

export function observeSender(context: DepositContext): ObserveSender {
  const { acks, respond, runner, sessions, signals } = context;
  /** CSeq number of the sender's last request, by deposit: of sessions of this process. */
  const lastCseq = new Map<string, number>();

  async function find(request: SipMessage): Promise<Found | undefined> {
    const tag = parseNameAddr(request.first('to') ?? '')?.tag ?? '';
    const deposit = depositOfTag(tag);
    const isPush = context.identity.deliveryOf(request.first('call-id') ?? '') !== undefined;
    if (deposit === undefined || isPush) return undefined;
    const { value, context: known } = await runner.state(depositStream(deposit));
    const { dialog, sessionExpiresSeconds } = known as State;
    const theirs = parseNameAddr(request.first('from') ?? '')?.tag ?? '';
    const isIt = dialog?.callId === request.first('call-id') && dialog?.remoteTag === theirs;
    if (!dialog || !isIt) return undefined;
    return { deposit, phase: value, dialog, sessionExpiresSeconds };
  }

  /** RFC 3261 §12.2.2; of a session of before a restart any number is taken. */
  function isOutOfOrder({ deposit, dialog }: Found, cseq: number): boolean {
    if (cseq < (lastCseq.get(deposit) ?? dialog.inviteCseq)) return true;
    if (sessions.has(deposit)) lastCseq.set(deposit, cseq);
    for (const known of lastCseq.keys()) if (!sessions.has(known)) lastCseq.delete(known);
    return false;
  }

  async function bye(found: Found, transaction: ServerTransaction): Promise<void> {
    const { request } = transaction;
    const reason = request.first('reason');
    const data = reason === undefined ? {} : { reason };
    const cause = `bye received ${request.first('cseq')}`;
    const fact = { type: 'ByeReceived', data, cause };
    const outcome = await context.submitted(found.deposit, fact, transaction);
    if (outcome === 'accepted') acks.forget(found.deposit);
    respond(transaction, byeVerdict(outcome));
  }

  function refuse(transaction: ServerTransaction, verdict: Verdict): void {
    const { request, source } = transaction;
    signals.received(request.octets, evidenceOf(source));
    respond(transaction, verdict);
  }

  async function refresh(found: Found, transaction: ServerTransaction): Promise<void> {
    const { deposit } = found;
    const { request } = transaction;
    const session = sessions.get(deposit);
    if (!session?.description || found.phase !== 'receiving') {
      return refuse(transaction, { status: found.phase === 'answering' ? 491 : 481 });
    }
    const isOffer = methodOf(request) === 'INVITE' || request.body.length > 0;
    // RFC 3261 §14.2, RFC 3311 §5.2: an offer of ours waits for its answer.
    if (isOffer && acks.isOffering(deposit)) return refuse(transaction, { status: 491 });
    const target = contactOf(request);
    if (request.first('contact') !== undefined && target === undefined) {
      return refuse(transaction, { status: 400 });
    }
    const timer = timerOf(request, found);
    if ('status' in timer) return refuse(transaction, timer);
    const fault = request.body.length > 0 ? contentFault(request) : undefined;
    if (fault) return refuse(transaction, fault.verdict);
    const body = descriptionFor(request, session);
    if (body === 'another session') return refuse(transaction, UNCHANGED);
    const data = {
      ...(timer.granted ? { timer: timer.granted } : {}),
      ...(target === undefined ? {} : { remoteTarget: target }),
    };
    const cause = `refresh received ${request.first('cseq')}`;
    const fact = { type: 'SessionRefreshed', data, cause };
    const outcome = await context.submitted(deposit, fact, transaction);
    if (outcome !== 'accepted') {
      respond(transaction, outcome === 'unknown' ? unknownVerdict() : { status: 481 });
      return;
    }
    const content = body ? [['Content-Type', SDP] as const] : [];
    const contact = ['Contact', context.contact(transaction.source)] as const;
    const octets = respond(transaction, {
      status: 200,
      headers: [contact, ...DIALOG_CAPABILITIES, ...timer.headers, ...content],
      ...(body ? { body } : {}),
    });
    if (octets && methodOf(request) === 'INVITE') awaitAck(found, transaction, octets);
  }

  function awaitAck({ deposit }: Found, transaction: ServerTransaction, octets: Uint8Array): void {
    acks.wait(deposit, {
      cseq: cseqOf(transaction.request),
      isOffer: transaction.request.body.length === 0,
      sendAgain: () => void transaction.respond(octets, 200),
      onAck: (ack) => signals.received(ack.octets, evidenceOf(transaction.source)),
      // The sender is gone: idle time and session timer see to the rest.
      onMissing: () => {},
    });
  }

  return {
    async request(transaction) {
      const { request } = transaction;
      const found = await find(request);
      if (!found) return false;
      const method = methodOf(request);
      if (isOutOfOrder(found, cseqOf(request))) refuse(transaction, { status: 500 });
      else if (method === 'BYE') await bye(found, transaction);
      else if (found.phase === 'ended') refuse(transaction, { status: 481 });
      else if (method === 'INVITE' || method === 'UPDATE') await refresh(found, transaction);
      else if (method === 'OPTIONS') {
        refuse(transaction, { status: 200, headers: [...DIALOG_CAPABILITIES, ['Accept', SDP]] });
      } else refuse(transaction, { status: 405, headers: [['Allow', DIALOG_METHODS]] });
      return true;
    },
    acknowledged(ack) {
      const deposit = depositOfTag(parseNameAddr(ack.first('to') ?? '')?.tag ?? '');
      return deposit !== undefined && acks.acknowledged(deposit, cseqOf(ack), ack);
    },
    close: acks.close,
  };
}

/** The answer to an offer of ours, which came in the ACK (RFC 3264 §6). */
export function answerToOffer(
  { deposits }: Pick<DepositContext, 'deposits'>,
  deposit: string,
  session: OpenSession,
  ack: SipMessage,
): AckReceivedData {
  const parsed = parseMsrpMedia(ack.body);
  if (parsed.kind === 'refusal') return { unacceptable: parsed.reason };
  const { media } = parsed;
  if (media.port === 0) return { unacceptable: 'the media was rejected (port 0)' };
  if (!/^send/.test(media.direction)) return { unacceptable: 'the sender sends nothing' };
  const isCalled = media.setup !== 'active';
  if (media.protocol !== 'TCP/MSRP' || (isCalled && !isReachable(media))) {
    return { unacceptable: `not what was offered: ${media.protocol} ${media.path[0]}` };
  }
  session.path = media.path;
  const path = deposits.conceal(deposit, media.path, media.fingerprint);
  // RFC 4975 §5.4: we offered, so we connect unless the sender says that it does.
  return { end: { path, setup: isCalled ? 'passive' : 'active' } };
}

function timerOf(request: SipMessage, { sessionExpiresSeconds }: Found) {
  const agreed = agreeTimer(request, { sessionExpiresSeconds, refreshes: false });
  if (agreed.kind === 'refused') return agreed.verdict;
  const { sessionExpiresSeconds: seconds, refresher } = agreed.data;
  if (seconds === undefined || refresher !== 'uas') return { headers: [], granted: undefined };
  const granted: GrantedTimer = { sessionExpiresSeconds: seconds, refresher: 'uac' };
  return { headers: agreed.headers, granted };
}

/** Ours again for an offer that leaves the session as it is (RFC 3264 §8); `undefined`: none. */
function descriptionFor(
  request: SipMessage,
  { description, end, path }: OpenSession,
): Uint8Array | undefined | 'another session' {
  if (description === undefined) return 'another session';
  if (request.body.length === 0) return methodOf(request) === 'INVITE' ? description : undefined;
  const parsed = parseMsrpMedia(request.body);
  const known = (end?.path ?? path ?? []).join(' ');
  if (parsed.kind === 'refusal') return 'another session';
  const { media } = parsed;
  const same = media.port !== 0 && media.path.join(' ') === known && /^send/.test(media.direction);
  if (!same) return 'another session';
  return repeatDescription(description, media, { peerConnects: end?.setup !== 'passive' });
}

function contactOf(request: SipMessage): string | undefined {
  const contacts = parseContacts(request.first('contact') ?? '');
  const [contact] = contacts === undefined || contacts === '*' ? [] : contacts;
  return contact && isCallable(contact.uri) ? contact.uri : undefined;
}

function cseqOf(request: SipMessage): number {
  return parseCSeq(request.first('cseq') ?? '')?.number ?? 0;
}
