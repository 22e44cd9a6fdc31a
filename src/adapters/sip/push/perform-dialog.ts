/** Requests within the dialog of a push: ACK, PRACK, BYE (RFC 3261 §13.2.2.4, §15, RFC 3262). */
import type { Effect } from '../../../engine/ports.ts';
import { parseStreamName } from '../../../engine/stream-name.ts';
import type { Credentials, PushDialog } from '../../../machines/delivery/effects.ts';
import { ackFor2xx, nextHopUri, requestInDialog, requestUriIn } from '../../../wire/sip/dialog.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import { renderRAck } from '../../../wire/sip/reliable-response.ts';
import { evidenceOf } from '../observe-options.ts';
import { type Params, type PushContext, statusOf, type Told } from './push-context.ts';
import { type Headers, plainHeaders, pushDialog, viaOf } from './push-requests.ts';

/** A 2xx can be repeated for 64*T1 after the first (RFC 3261 §13.2.2.4). */
export const REPEATED_2XX_MS = 32_000;

/** A request within a dialog. */
export interface WithinDialog {
  readonly account: string;
  readonly dialog: PushDialog;
  readonly method: string;
  readonly cseq: number;
  readonly credentials?: Credentials | undefined;
  readonly body?: Uint8Array | undefined;
  headers(hop: Hop): Headers;
}

/** The 2xx that an ACK is for. */
export interface Acknowledged {
  readonly account: string;
  readonly dialog: PushDialog;
  /** Of its INVITE. */
  readonly cseq: number;
  /** Headers that repeat the credentials of its INVITE. */
  readonly credentials: Headers;
}

export type PerformDialog = ReturnType<typeof performDialog>;

export function performDialog(context: PushContext) {
  const { acks, clock, credentials, descriptions, fact, identity, onFault, router, say } = context;
  const { signals } = context;

  /** Sends an ACK and keeps it for the next repetition of the 2xx (RFC 3261 §13.2.2.4). */
  async function acknowledge(effect: Effect, success: Acknowledged): Promise<void> {
    const delivery = parseStreamName(effect.event.stream).id;
    const { account, cseq } = success;
    const dialog = pushDialog(identity, delivery, account, success.dialog);
    const uri = nextHopUri(dialog);
    const [hop] = await router.toUri(uri, account, clock.now());
    const key = ackKey(delivery, success.dialog.toTag, cseq);
    if (!hop) {
      // The client repeats its 2xx: then there may be a way.
      acks.delete(key);
      return onFault(effect.id, `the ACK was not sent: no way to ${uri} is known`);
    }
    const branch = identity.branchOf(`${effect.id} ack`);
    const what = { cseq, branch, via: viaOf(hop), headers: success.credentials };
    const ack = { octets: ackFor2xx(dialog, what), hop };
    acks.set(key, ack);
    clock.timer(REPEATED_2XX_MS, () => {
      if (acks.get(key) === ack) acks.delete(key);
    });
    say(ack.octets, hop);
  }

  function acknowledgePush(effect: Effect, params: Params<'sendAck'>): Promise<void> {
    const delivery = parseStreamName(effect.event.stream).id;
    const { account, dialog, inviteCseq: cseq = 1 } = params;
    const invite = {
      ...{ method: 'INVITE', uri: account, body: descriptions.of(delivery) },
      name: inviteName(delivery, cseq),
    };
    const proven = credentials.headers(params.credentials, invite);
    return acknowledge(effect, { account, dialog, cseq, credentials: proven });
  }

  /** Sends a request within the dialog; `heard` learns the final status, 408 for none. */
  async function request(
    effect: Effect,
    what: WithinDialog,
    heard: (status: number, told?: Told) => void,
  ): Promise<void> {
    const delivery = parseStreamName(effect.event.stream).id;
    const { account, method, cseq, body } = what;
    const dialog = pushDialog(identity, delivery, account, what.dialog);
    const hops = await router.toUri(nextHopUri(dialog), account, clock.now());
    const uri = requestUriIn(dialog);
    const proven = credentials.headers(what.credentials, { method, uri, body, name: effect.id });
    const render = (hop: Hop, attempt: number) => {
      const branch = identity.branchOf(attempt === 0 ? effect.id : `${effect.id} ${attempt}`);
      const headers = [...proven, ...what.headers(hop)];
      const content = body === undefined ? {} : { body };
      const via = viaOf(hop);
      const rendered = { method, cseq, branch, via, headers, ...content };
      return { branch, octets: requestInDialog(dialog, rendered) };
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

  function record(told: Told | undefined): void {
    if (told) signals.received(told.message.octets, evidenceOf(told.hop));
  }

  /** Its CSeq is that of the early dialog, its RAck that of the INVITE (RFC 3262 §7.2). */
  async function sendPrack(effect: Effect): Promise<void> {
    const params = effect.params as Params<'sendPrack'>;
    const { rseq, inviteCseq = 1 } = params;
    const headers = () =>
      [['RAck', renderRAck(rseq, inviteCseq)] as const, ...plainHeaders(identity)] as const;
    await request(effect, { ...params, method: 'PRACK', headers }, (_, told) => record(told));
  }

  async function sendBye(effect: Effect): Promise<void> {
    const delivery = parseStreamName(effect.event.stream).id;
    const params = effect.params as Params<'sendBye'>;
    const { account, dialog, cseq, surplus, ackFirst, inviteCseq, inviteCredentials } = params;
    if (ackFirst) {
      await acknowledgePush(effect, {
        ...{ account, dialog },
        ...(inviteCseq === undefined ? {} : { inviteCseq }),
        ...(inviteCredentials === undefined ? {} : { credentials: inviteCredentials }),
      });
    }
    const bye = { ...params, method: 'BYE', headers: () => plainHeaders(identity) };
    // A dialog that was never kept: nobody waits for its end.
    if (surplus) return request(effect, bye, (_, told) => record(told));
    const heard = (status: number, told?: Told): void => {
      const challenge = told && credentials.challengeOf(told);
      const data = { status, ...(challenge ? { challenge } : {}) };
      void fact(delivery, 'ByeAnswered', data, `bye answered ${cseq}`, told);
    };
    descriptions.forget(delivery);
    // Not awaited: the grace runs from now, whatever the client still owes us.
    context
      .settled(delivery)
      .then(() => request(effect, bye, heard))
      .catch((fault: unknown) => onFault(effect.id, fault));
  }

  return {
    acknowledge,
    request,
    sendPrack,
    sendBye,
    sendAck: (effect: Effect) => acknowledgePush(effect, effect.params as Params<'sendAck'>),
  };
}

/** Each INVITE of a dialog has an ACK of its own. */
export function ackKey(delivery: string, toTag: string, cseq: number): string {
  return `${delivery} ${toTag} ${cseq}`;
}

/** The push INVITE by the name that its credentials are made with. */
export function inviteName(delivery: string, cseq: number): string {
  return `invite ${delivery} ${cseq}`;
}
