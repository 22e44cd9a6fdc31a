/** The requests of a push, rendered; the same octets whenever the same effect asks for them. */
import type { ChannelOffer } from '../../../deferral/channel.ts';
import type { PushDialog } from '../../../machines/delivery/effects.ts';
import { renderOffer } from '../../../wire/sdp/render-msrp.ts';
import { renderSipDate } from '../../../wire/sip/date.ts';
import type { Dialog } from '../../../wire/sip/dialog.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import { renderSip } from '../../../wire/sip/message.ts';
import type { OwnIdentity } from '../own-identity.ts';
import type { Route } from '../routing/route.ts';

export type Headers = readonly (readonly [name: string, value: string])[];

/** Methods that apply to the push dialog (IM-11.3.2.3-8). */
export const DIALOG_METHODS = 'INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE';
/** Asked for in the push INVITE (RFC 4028 §4 recommends 1800 s). */
const SESSION_EXPIRES_SECONDS = 1_800;
const SDP = 'application/sdp';
/** RFC 8866 §5.2: the id of `o=` counts seconds since 1900 (NTP) by recommendation. */
const NTP_EPOCH_SECONDS = 2_208_988_800;

/** The start of a Via without its branch; `rport` on UDP (RFC 3581 §3). */
export function viaOf({ transport, local }: Hop): string {
  return `SIP/2.0/${transport.toUpperCase()} ${local}${transport === 'udp' ? ';rport' : ''}`;
}

/** An INVITE needs no more than the delivery's name and its count: the same after a restart. */
export function inviteBranch(
  identity: OwnIdentity,
  delivery: string,
  { cseq, attempt }: { readonly cseq: number; readonly attempt: number },
): string {
  return identity.branchOf(`invite ${delivery} ${cseq}${attempt === 0 ? '' : ` ${attempt}`}`);
}

/** The SDP of a push that begins `at`, in epoch milliseconds. */
export function describe(offer: ChannelOffer, at: number): Uint8Array {
  return renderOffer({ ...offer, originId: originIdAt(at) });
}

/** The id of `o=` in a description that is made `at`, in epoch milliseconds. */
export function originIdAt(at: number): number {
  return Math.floor(at / 1000) + NTP_EPOCH_SECONDS;
}

/**
 * Clauses IM-11.3.2.3-4…-13, each in its header. `description` absent: the same INVITE without SDP,
 * for what repeats its headers.
 */
export function renderInvite(
  identity: OwnIdentity,
  push: {
    readonly delivery: string;
    readonly account: string;
    readonly hop: Hop;
    readonly routes: Route['routes'];
    /** Of this INVITE; 2 after a 422. */
    readonly cseq: number;
    /** Which of the hops it is for, counted from 0. */
    readonly attempt: number;
    readonly at: number;
    /** What a 422 asked for (RFC 4028 §7.4). */
    readonly minSeSeconds?: number;
    readonly description?: Uint8Array | undefined;
    readonly credentials?: Headers;
  },
): Uint8Array {
  const { delivery, account, hop, routes, cseq, at, minSeSeconds, description } = push;
  const branch = inviteBranch(identity, delivery, push);
  const sessionSeconds = Math.max(SESSION_EXPIRES_SECONDS, minSeSeconds ?? 0);
  return renderSip({
    start: { kind: 'request', method: 'INVITE', uri: account },
    headers: [
      ['Via', `${viaOf(hop)};branch=${branch}`],
      ['Max-Forwards', '70'],
      ...routes.map((value) => ['Route', value] as const),
      ['From', `<${identity.imAddress}>;tag=${identity.fromTagOf(delivery)}`],
      ['To', `<${account}>`],
      ['Call-ID', identity.callIdOf(delivery)],
      ['CSeq', `${cseq} INVITE`],
      ...(push.credentials ?? []),
      ['Contact', identity.contact(hop)],
      ['Accept-Contact', '*;+g.oma.sip-im;require;explicit'],
      ['P-Asserted-Identity', `<${identity.imAddress}>`],
      ['User-Agent', identity.product],
      ['Allow', DIALOG_METHODS],
      ['Supported', 'timer'],
      ['Session-Expires', `${sessionSeconds};refresher=uac`],
      ...(minSeSeconds === undefined ? [] : [['Min-SE', String(minSeSeconds)] as const]),
      ['Date', renderSipDate(at)],
      ...(description ? [['Content-Type', SDP] as const] : []),
    ],
    ...(description ? { body: description } : {}),
  });
}

/** PRACK and BYE: who we are, and nothing that they would change (RFC 3261 §15, RFC 3262 §7). */
export function plainHeaders(identity: OwnIdentity): Headers {
  return [['User-Agent', identity.product]];
}

/**
 * What a refresh says, by UPDATE or INVITE: all that the first INVITE said of us and of the timer
 * (RFC 4028 §7.4, RFC 3311 §5.1). Whom it may reach is settled: nothing of Accept-Contact.
 */
export function refreshHeaders(
  identity: OwnIdentity,
  refresh: {
    readonly hop: Hop;
    readonly sessionExpiresSeconds: number;
    readonly minSeSeconds?: number | undefined;
    readonly description?: Uint8Array | undefined;
  },
): Headers {
  const { hop, sessionExpiresSeconds, minSeSeconds, description } = refresh;
  return [
    ['Contact', identity.contact(hop)],
    ['P-Asserted-Identity', `<${identity.imAddress}>`],
    ['User-Agent', identity.product],
    ['Allow', DIALOG_METHODS],
    ['Supported', 'timer'],
    ['Session-Expires', `${sessionExpiresSeconds};refresher=uac`],
    ...(minSeSeconds === undefined ? [] : [['Min-SE', String(minSeSeconds)] as const]),
    ...(description ? [['Content-Type', SDP] as const] : []),
  ];
}

/** The dialog that the recorded facts describe. */
export function pushDialog(
  identity: OwnIdentity,
  delivery: string,
  account: string,
  { toTag, remoteTarget, routeSet }: PushDialog,
): Dialog {
  const localTag = identity.fromTagOf(delivery);
  return {
    role: 'uac',
    callId: identity.callIdOf(delivery),
    local: `<${identity.imAddress}>;tag=${localTag}`,
    remote: toTag === '' ? `<${account}>` : `<${account}>;tag=${toTag}`,
    localTag,
    remoteTag: toTag,
    // A 2xx without a usable Contact still has to be acknowledged and ended.
    remoteTarget: remoteTarget === '' ? account : remoteTarget,
    routeSet,
    localCseq: 1,
    remoteCseq: null,
  };
}
