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

/** Methods that apply to the push dialog (IM-11.3.2.3-8). */
export const DIALOG_METHODS = 'INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE';
/** Asked for in the push INVITE (RFC 4028 §4 recommends 1800 s). */
const SESSION_EXPIRES_SECONDS = 1_800;
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

/** Clauses IM-11.3.2.3-4…-13, each in its header. `offer` absent: the same INVITE without SDP. */
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
    readonly offer?: ChannelOffer;
  },
): Uint8Array {
  const { delivery, account, hop, routes, cseq, at, minSeSeconds, offer } = push;
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
      ['Contact', identity.contact(hop)],
      ['Accept-Contact', '*;+g.oma.sip-im;require;explicit'],
      ['P-Asserted-Identity', `<${identity.imAddress}>`],
      ['User-Agent', identity.product],
      ['Allow', DIALOG_METHODS],
      ['Supported', 'timer'],
      ['Session-Expires', `${sessionSeconds};refresher=uac`],
      ...(minSeSeconds === undefined ? [] : [['Min-SE', String(minSeSeconds)] as const]),
      ['Date', renderSipDate(at)],
      ...(offer ? [['Content-Type', 'application/sdp'] as const] : []),
    ],
    ...(offer ? { body: renderOffer({ ...offer, originId: originId(at) }) } : {}),
  });
}

function originId(at: number): number {
  return Math.floor(at / 1000) + NTP_EPOCH_SECONDS;
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
