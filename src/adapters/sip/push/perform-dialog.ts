/** Requests within the dialog of a push: ACK, BYE, session refresh (RFC 3261 §15, RFC 4028). */
import type { Effect } from '../../../engine/ports.ts';
import { parseStreamName } from '../../../engine/stream-name.ts';
import type { PushDialog } from '../../../machines/delivery/effects.ts';
import { ackFor2xx, nextHopUri, requestInDialog } from '../../../wire/sip/dialog.ts';
import { parseSessionExpires } from '../../../wire/sip/headers.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import { evidenceOf } from '../observe-options.ts';
import { type Params, type PushContext, statusOf, type Told } from './push-context.ts';
import { pushDialog, viaOf } from './push-requests.ts';

/** A 2xx can be repeated for 64*T1 after the first (RFC 3261 §13.2.2.4). */
const REPEATED_2XX_MS = 32_000;

export function performDialog(context: PushContext) {
  const { acks, clock, fact, identity, onFault, router, say, signals } = context;

  /** The ACK to a 2xx has the CSeq number of its INVITE. */
  async function acknowledge(effect: Effect, params: Params<'sendAck'>): Promise<void> {
    const delivery = parseStreamName(effect.event.stream).id;
    const { account, dialog: facts, inviteCseq = 1 } = params;
    const dialog = pushDialog(identity, delivery, account, facts);
    const uri = nextHopUri(dialog);
    const [hop] = await router.toUri(uri, account, clock.now());
    const key = `${delivery} ${facts.toTag}`;
    if (!hop) {
      // The client repeats its 2xx: then there may be a way.
      acks.delete(key);
      return onFault(effect.id, `the ACK was not sent: no way to ${uri} is known`);
    }
    const branch = identity.branchOf(`${effect.id} ack`);
    const ack = { octets: ackFor2xx(dialog, { cseq: inviteCseq, branch, via: viaOf(hop) }), hop };
    acks.set(key, ack);
    clock.timer(REPEATED_2XX_MS, () => {
      if (acks.get(key) === ack) acks.delete(key);
    });
    say(ack.octets, hop);
  }

  async function sendBye(effect: Effect): Promise<void> {
    const delivery = parseStreamName(effect.event.stream).id;
    const params = effect.params as Params<'sendBye'>;
    const { account, dialog, cseq, surplus, ackFirst } = params;
    if (ackFirst) await acknowledge(effect, params);
    const heard = (status: number, told?: Told): void => {
      if (!surplus) void fact(delivery, 'ByeAnswered', { status }, `bye answered ${cseq}`, told);
      else if (told) signals.received(told.message.octets, evidenceOf(told.hop));
    };
    // Not awaited: what else was decided, the guard timer too, must not wait for a lost ACK.
    void context
      .settled(delivery)
      .then(() =>
        request(effect, account, dialog, { method: 'BYE', cseq, headers: () => [] }, heard),
      )
      .catch((fault: unknown) => onFault(effect.id, fault));
  }

  /** Sends a request within the dialog; `heard` learns the final status, 408 for none. */
  async function request(
    effect: Effect,
    account: string,
    facts: PushDialog,
    what: {
      readonly method: string;
      readonly cseq: number;
      readonly headers: (hop: Hop) => readonly (readonly [string, string])[];
    },
    heard: (status: number, told?: Told) => void,
  ): Promise<void> {
    const delivery = parseStreamName(effect.event.stream).id;
    const dialog = pushDialog(identity, delivery, account, facts);
    const hops = await router.toUri(nextHopUri(dialog), account, clock.now());
    const { method, cseq } = what;
    const render = (hop: Hop, attempt: number) => {
      const branch = identity.branchOf(attempt === 0 ? effect.id : `${effect.id} ${attempt}`);
      const headers = [...what.headers(hop), ['User-Agent', identity.product] as const];
      const via = viaOf(hop);
      return { branch, octets: requestInDialog(dialog, { method, cseq, branch, via, headers }) };
    };
    context.sendRequest(
      { method, hops, render },
      {
        onProvisional: (response, hop) => signals.received(response.octets, evidenceOf(hop)),
        onFinal: (response, hop) => heard(statusOf(response), { message: response, hop }),
        onTimeout: () => heard(408),
        onUnreachable: () => heard(503),
      },
    );
  }

  /** RFC 4028 §7.4: by UPDATE without SDP, which is asked for only when the client allows it. */
  async function refreshSession(effect: Effect): Promise<void> {
    const delivery = parseStreamName(effect.event.stream).id;
    const params = effect.params as Params<'refreshSession'>;
    const { account, dialog, cseq, sessionExpiresSeconds } = params;
    const headers = (hop: Hop) => [
      ['Contact', identity.contact(hop)] as const,
      ['Supported', 'timer'] as const,
      ['Session-Expires', `${sessionExpiresSeconds};refresher=uac`] as const,
    ];
    const heard = (status: number, told?: Told): void => {
      const session = parseSessionExpires(told?.message.first('session-expires') ?? '');
      const refreshed = session ? { sessionExpiresSeconds: session.intervalMs / 1000 } : {};
      const [type, data] =
        status < 300 ? ['SessionRefreshed', refreshed] : ['SessionExpired', { status }];
      void fact(delivery, String(type), data, `refresh ${cseq}`, told);
    };
    await request(effect, account, dialog, { method: 'UPDATE', cseq, headers }, heard);
  }

  return {
    sendBye,
    refreshSession,
    sendAck: (effect: Effect) => acknowledge(effect, effect.params as Params<'sendAck'>),
  };
}
