/** Requests of the client within the dialog of a push (RFC 3261 §12.2.2): BYE, UPDATE, INVITE. */
import { deliveryStream } from '../../deferral/account.ts';
import type { Outcome } from '../../engine/input.ts';
import type { PushDialog } from '../../machines/delivery/effects.ts';
import { parseContacts } from '../../wire/sip/contact.ts';
import { parseCSeq, parseSessionExpires, parseTokens } from '../../wire/sip/headers.ts';
import type { SipMessage } from '../../wire/sip/message.ts';
import { parseNameAddr } from '../../wire/sip/name-addr.ts';
import type { ServerTransaction } from '../../wire/sip/server-transaction.ts';
import { equalUris, parseUri } from '../../wire/sip/uri.ts';
import { byeVerdict, type Headers, unknownVerdict, type Verdict } from './answer.ts';
import { evidenceOf, type ObserveContext } from './observe-options.ts';

/** RFC 4028 §5: no interval is shorter. */
const SESSION_SECONDS_MIN = 90;
/** Dialogs whose last CSeq is remembered: more than are ever open at once. */
const DIALOGS_MAX = 100_000;

/** What the log says of the dialog that a request is for. */
interface Found {
  readonly delivery: string;
  /** `null`: no 2xx is in the log yet. */
  readonly dialog: PushDialog | null;
  /** The session timer is ours to refresh. */
  readonly refreshes: boolean;
}

export interface ObserveDialog {
  /** Whether the request belongs to a dialog of ours, tags and all. */
  isWithin(request: SipMessage): Promise<boolean>;
  request(transaction: ServerTransaction, respond: (verdict: Verdict) => void): Promise<void>;
}

export function observeDialog(options: ObserveContext): ObserveDialog {
  const { clock, signals, identity } = options;
  /** CSeq number of the client's last request in each dialog; after a restart any number is taken. */
  const lastCseq = new Map<string, number>();

  async function dialogOf(request: SipMessage): Promise<Found | undefined> {
    const delivery = identity.deliveryOf(request.first('call-id') ?? '');
    if (delivery === undefined) return undefined;
    const ours = parseNameAddr(request.first('to') ?? '')?.tag;
    const theirs = parseNameAddr(request.first('from') ?? '')?.tag;
    if (ours !== identity.fromTagOf(delivery)) return undefined;
    const { value, context } = await options.runner.state(deliveryStream(delivery));
    const { dialog, refreshes } = context as Pick<Found, 'dialog' | 'refreshes'>;
    const found = { delivery, dialog, refreshes };
    if (value === 'pushing' || value === 'bye') {
      return dialog?.toTag === theirs ? found : undefined;
    }
    // The 2xx may be on its way into the log: what came behind it is decided on top of it.
    return value === 'inviting' || value === 'cancelling' ? found : undefined;
  }

  /** RFC 3261 §12.2.2: whether an older request comes after a newer one. */
  function isOutOfOrder(delivery: string, request: SipMessage): boolean {
    const cseq = parseCSeq(request.first('cseq') ?? '')?.number ?? 0;
    if (cseq < (lastCseq.get(delivery) ?? 0)) return true;
    lastCseq.delete(delivery);
    const [oldest] = lastCseq.keys();
    if (lastCseq.size >= DIALOGS_MAX && oldest !== undefined) lastCseq.delete(oldest);
    lastCseq.set(delivery, cseq);
    return false;
  }

  async function submit(
    delivery: string,
    transaction: ServerTransaction,
    fact: { readonly type: string; readonly data: unknown; readonly name: string },
    respond: (outcome: Outcome['outcome']) => void,
  ): Promise<void> {
    const { request, source } = transaction;
    const evidence = evidenceOf(source);
    const input = {
      type: fact.type,
      at: clock.now(),
      data: fact.data,
      cause: `${fact.name} received ${request.first('cseq') ?? ''}`,
      octets: signals.evidence(request.octets, 'sip'),
      evidence,
    };
    await options.submit(deliveryStream(delivery), input, ({ outcome }) => {
      if (outcome !== 'accepted') signals.received(request.octets, evidence);
      respond(outcome);
    });
  }

  /** Another description is not taken (RFC 3261 §14.2), nor another target: the log has the first. */
  function isRefresh({ remoteTarget }: PushDialog, request: SipMessage): boolean {
    const isUpdate = request.start.kind === 'request' && request.start.method === 'UPDATE';
    const contacts = parseContacts(request.first('contact') ?? '');
    const [contact] = contacts === undefined || contacts === '*' ? [] : contacts;
    const keepsTarget = contact === undefined || isSameUri(contact.uri, remoteTarget);
    return isUpdate && request.body.length === 0 && keepsTarget;
  }

  /** RFC 4028 §9, table 2: who asks for no other refresher leaves it to who it was, if it can be. */
  function refresherOf(request: SipMessage, asked: 'uac' | 'uas' | undefined, oursNow: boolean) {
    const canThey = parseTokens(request.all('supported'))?.includes('timer') === true;
    return asked ?? (oursNow || !canThey ? 'uas' : 'uac');
  }

  async function refresh(
    { delivery, refreshes }: Found,
    transaction: ServerTransaction,
    respond: (verdict: Verdict) => void,
  ): Promise<void> {
    const { request, source } = transaction;
    const session = parseSessionExpires(request.first('session-expires') ?? '');
    const seconds = session && session.intervalMs / 1000;
    if (seconds !== undefined && seconds < SESSION_SECONDS_MIN) {
      signals.received(request.octets, evidenceOf(source));
      return respond({ status: 422, headers: [['Min-SE', String(SESSION_SECONDS_MIN)]] });
    }
    const refresher = refresherOf(request, session?.refresher, refreshes);
    const timed: Headers = [
      ['Session-Expires', `${seconds};refresher=${refresher}`],
      ...(refresher === 'uac' ? [['Require', 'timer'] as const] : []),
    ];
    const headers = [['Contact', options.contact(source)] as const, ...(session ? timed : [])];
    const data = seconds === undefined ? {} : { sessionExpiresSeconds: seconds };
    const fact = { type: 'SessionRefreshed', data, name: 'refresh' };
    await submit(delivery, transaction, fact, (outcome) =>
      respond(outcome === 'unknown' ? unknownVerdict() : { status: 200, headers }),
    );
  }

  return {
    isWithin: async (request) => (await dialogOf(request)) !== undefined,
    async request(transaction, respond) {
      const { request, source } = transaction;
      const isBye = request.start.kind === 'request' && request.start.method === 'BYE';
      const found = await dialogOf(request);
      const refuse = (status: number): void => {
        signals.received(request.octets, evidenceOf(source));
        respond({ status });
      };
      if (!found || (!isBye && !found.dialog)) return refuse(481);
      const { delivery, dialog } = found;
      if (isOutOfOrder(delivery, request)) return refuse(500);
      if (isBye) {
        const reason = request.first('reason');
        const data = reason === undefined ? {} : { reason };
        const fact = { type: 'ByeReceived', data, name: 'bye' };
        return submit(delivery, transaction, fact, (outcome) => respond(byeVerdict(outcome)));
      }
      if (!dialog || !isRefresh(dialog, request)) return refuse(488);
      return refresh(found, transaction, respond);
    },
  };
}

function isSameUri(a: string, b: string): boolean {
  const [left, right] = [parseUri(a), parseUri(b)];
  return a === b || (left !== undefined && right !== undefined && equalUris(left, right));
}
