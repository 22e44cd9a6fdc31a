/** The session refresh of a push, by UPDATE or by re-INVITE (RFC 4028 §7.4, §10, RFC 3261 §14.1). */
import { deliveryStream } from '../../../deferral/account.ts';
import type { Effect } from '../../../engine/ports.ts';
import { parseStreamName } from '../../../engine/stream-name.ts';
import type {
  RefreshRefusedData,
  SessionRefreshedData,
} from '../../../machines/delivery/events.ts';
import { dialogFrom2xx, requestUriIn } from '../../../wire/sip/dialog.ts';
import { parseMinSe, parseRetryAfter } from '../../../wire/sip/headers.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { grantedTimer } from '../dialog/agree-timer.ts';
import { keepsSession } from '../dialog/judge-session.ts';
import { evidenceOf } from '../observe-options.ts';
import { ackKey, type PerformDialog } from './perform-dialog.ts';
import { type Params, type PushContext, statusOf, type Told } from './push-context.ts';
import { pushDialog, refreshHeaders } from './push-requests.ts';

/** RFC 3261 §14.1: who made the Call-ID pauses 2.1 to 4 s, in units of 10 ms. */
const GLARE_FIRST_MS = 2_100;
const GLARE_STEP_MS = 10;
const GLARE_STEPS = 191;

/** Tells `SessionRefreshed`, or `SessionExpired` with what was refused. */
export function performRefresh(
  context: PushContext,
  { acknowledge, request }: Pick<PerformDialog, 'acknowledge' | 'request'>,
): (effect: Effect) => Promise<void> {
  const { acks, channels, credentials, descriptions, fact, identity, offering } = context;
  const { onFault, runner, say, signals } = context;

  function glarePauseMs(): number {
    const [high = 0, low = 0] = context.identifiers.random(2);
    return GLARE_FIRST_MS + ((high * 256 + low) % GLARE_STEPS) * GLARE_STEP_MS;
  }

  function refusal(status: number, told: Told | undefined): RefreshRefusedData {
    if (!told) return { status };
    const response = told.message;
    const said = parseRetryAfter(response.first('retry-after') ?? '');
    const retryAfterMs = status === 491 ? glarePauseMs() : said;
    const minSeMs = parseMinSe(response.first('min-se') ?? '');
    const challenge = credentials.challengeOf(told);
    return {
      status,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(minSeMs === undefined ? {} : { minSeSeconds: minSeMs / 1000 }),
      ...(challenge ? { challenge } : {}),
    };
  }

  /** What a 2xx changes: the timer, and the target (RFC 3261 §12.2.1.2). */
  function granted(params: Params<'refreshSession'>, response: SipMessage): SessionRefreshedData {
    const { remoteTarget } = dialogFrom2xx(response, response);
    const moved = remoteTarget !== '' && remoteTarget !== params.dialog.remoteTarget;
    return {
      ...grantedTimer(response),
      ...(moved ? { remoteTarget } : {}),
    };
  }

  /** Whether messages go on as before; an answer that is missing changes nothing. */
  function keeps(delivery: string, params: Params<'refreshSession'>, sdp: Uint8Array): boolean {
    const peer = channels.peer?.(delivery);
    if (!peer || sdp.length === 0) return true;
    return keepsSession(sdp, peer, { encapsulation: params.encapsulation ?? null });
  }

  /** The 2xx to a re-INVITE: judged, told, and acknowledged whatever became of the push meanwhile. */
  async function answered(effect: Effect, delivery: string, { message, hop }: Told): Promise<void> {
    const params = effect.params as Params<'refreshSession'>;
    const { account, cseq } = params;
    const key = ackKey(delivery, params.dialog.toTag, cseq);
    const known = acks.get(key);
    if (known) {
      signals.received(message.octets, evidenceOf(hop));
      if (known !== 'awaited') say(known.octets, known.hop);
      return;
    }
    acks.set(key, 'awaited');
    const data = granted(params, message);
    const [type, said] = keeps(delivery, params, message.body)
      ? ['SessionRefreshed', data]
      : ['SessionExpired', { status: statusOf(message) }];
    await fact(delivery, String(type), said, `refresh ${cseq}`, { message, hop });
    const before = pushDialog(identity, delivery, account, params.dialog);
    const proven = credentials.headers(params.credentials, {
      ...{ method: 'INVITE', uri: requestUriIn(before), body: descriptions.of(delivery) },
      name: effect.id,
    });
    // RFC 3261 §12.2.1.2: the new target is that of the ACK, too.
    const dialog = {
      ...params.dialog,
      ...(data.remoteTarget && { remoteTarget: data.remoteTarget }),
    };
    await acknowledge(effect, { account, dialog, cseq, credentials: proven });
  }

  async function refresh(effect: Effect, delivery: string): Promise<void> {
    const params = effect.params as Params<'refreshSession'>;
    const { method, cseq, sessionExpiresSeconds, minSeSeconds } = params;
    const isInvite = method === 'INVITE';
    const { value } = await runner.state(deliveryStream(delivery));
    // The BYE was decided meanwhile: nothing with a lower CSeq may come behind it.
    if (value !== 'pushing') return;
    const description = isInvite ? descriptions.of(delivery) : undefined;
    if (isInvite && !description) {
      return onFault(effect.id, 'no refresh: the offer of this push is not from this process');
    }
    const heard = (status: number, told?: Told): void => {
      offering.delete(delivery);
      if (isInvite && told && status < 300) {
        answered(effect, delivery, told).catch((fault: unknown) => onFault(effect.id, fault));
        return;
      }
      const [type, data] =
        told && status < 300
          ? ['SessionRefreshed', granted(params, told.message)]
          : ['SessionExpired', refusal(status, told)];
      void fact(delivery, String(type), data, `refresh ${cseq}`, told);
    };
    if (isInvite) offering.add(delivery);
    const timer = { sessionExpiresSeconds, minSeSeconds, description };
    const headers = (hop: Hop) => refreshHeaders(identity, { hop, ...timer });
    await request(effect, { ...params, headers, body: description }, heard);
  }

  return async (effect) => {
    const delivery = parseStreamName(effect.event.stream).id;
    const { method } = effect.params as Params<'refreshSession'>;
    if (method === 'UPDATE') return refresh(effect, delivery);
    // RFC 3261 §14.1: not while an INVITE of the client waits for its ACK, nor is that waited for.
    context
      .settled(delivery)
      .then(() => refresh(effect, delivery))
      .catch((fault: unknown) => onFault(effect.id, fault));
  };
}
