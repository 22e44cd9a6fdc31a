import type { OutgoingMessage } from '../../wire/msrp/session.ts';
import { renderMsrpUri } from '../../wire/msrp/uri.ts';
import { renderSipDate } from '../../wire/sip/date.ts';
import { type Call, type Calls, type Invitation, openCalls } from './calls.ts';
import { readPushOffer } from './client-sdp.ts';
import { fileBody } from './file-body.ts';
import { addressOfRecord, freshToken, productOf, userOf } from './identity.ts';
import { renderSenderSdp, type SenderSdp } from './large-sdp.ts';
import { type LargeOutcome, type LargeTransfer, largeTransfer } from './large-transfer.ts';
import { type MediaPort, openMediaPort } from './media-port.ts';
import { ownAddress } from './own-address.ts';
import type { SendOptions } from './send-messages.ts';
import type { UaAnswer } from './sip-stack.ts';

export interface LargeMessage {
  /** Octets, or the file that they are read from while they are sent. */
  readonly content: Uint8Array | { readonly file: string };
  readonly contentType: string;
  /** MSRP Message-ID; default: a fresh one. */
  readonly messageId?: string;
}

export interface SendLargeOptions
  extends Omit<SendOptions, 'bodies' | 'contentType' | 'onAnswer' | 'listen'> {
  /** Our IPv4 address as the server can reach it, and the SIP port; default: found out, any. */
  readonly listen?: { readonly host: string; readonly port?: number };
  /** The messages of each session; OMA SIMPLE IM knows one to a session. */
  readonly sessions: readonly (readonly LargeMessage[])[];
  /** Octets of the content in one SEND, where it is long enough to be cut. */
  readonly chunkBytes?: number;
  /** Ask the server for success REPORTs, and wait for them. */
  readonly successReport?: boolean;
  /** The INVITE carries no SDP; who connects is said by our answer, which goes into the ACK. */
  readonly lateOffer?: { readonly setup: 'active' | 'passive' };
  /**
   * Once each message has its outcome: say BYE (default), close the MSRP connection and say
   * nothing, or leave all open. But for `bye`, SIP stays open until `close`.
   */
  readonly endWith?: 'bye' | 'drop' | 'nothing';
  readonly onSession?: (session: LargeSession) => void;
}

/** What became of one session. */
export interface LargeSession {
  readonly callId: string;
  /** The final answer to the INVITE; 408: none. */
  readonly invite: UaAnswer;
  /** One outcome for each message, in their order. */
  readonly messages: readonly LargeOutcome[];
  /** The answer to our BYE; `received`: the server said it first; absent: nobody did. */
  readonly bye?: UaAnswer | 'received';
  /** Resolves when the server says BYE, which may be after `sendLarge` resolved. */
  untilServerBye(): Promise<void>;
}

export interface SentLarge {
  readonly sessions: readonly LargeSession[];
  /** Closes what `endWith` left open. */
  close(): void;
}

/** What the sessions of one sender share. */
interface Ends {
  readonly calls: Calls;
  readonly media: MediaPort;
  readonly transfers: LargeTransfer[];
}

const LARGE_TAG = '+g.oma.sip-im.large-message';

/**
 * Sends messages in Large Message mode, one session after another: INVITE, MSRP, BYE (OMA SIMPLE IM
 * 9.1.1.2). Resolves with what became of each session.
 */
export async function sendLarge(options: SendLargeOptions): Promise<SentLarge> {
  const { server, endWith = 'bye', onSession, version } = options;
  const { host, port } = options.listen ?? { host: await ownAddress(server) };
  const user = userOf(addressOfRecord(options.from, options.domain));
  const media = await openMediaPort(host);
  const calls = await openCalls({
    server,
    listen: port === undefined ? { host } : { host, port },
    contact: { user, params: `;${LARGE_TAG}` },
    product: productOf(version),
  }).catch((error: unknown) => {
    media.close();
    throw error;
  });
  const transfers: LargeTransfer[] = [];
  const close = () => {
    for (const transfer of transfers) transfer.close('the client was closed');
    media.close();
    calls.close();
  };
  const sessions: LargeSession[] = [];
  try {
    for (const messages of options.sessions) {
      const session = await runSession({ calls, media, transfers }, options, messages);
      sessions.push(session);
      onSession?.(session);
    }
  } catch (error) {
    close();
    throw error;
  }
  if (endWith === 'bye') close();
  return { sessions, close };
}

async function runSession(
  ends: Ends,
  options: SendLargeOptions,
  messages: readonly LargeMessage[],
): Promise<LargeSession> {
  const { calls, media } = ends;
  const { lateOffer, endWith = 'bye', chunkBytes, successReport } = options;
  const outgoing = await Promise.all(messages.map(outgoingOf));
  const { host, port } = media;
  const path = renderMsrpUri({ host, port, sessionId: freshToken() });
  const sdp = (setup: SenderSdp['setup']) =>
    renderSenderSdp({ host, port, path, setup, types: mediaTypes(messages) });
  const arrival = media.arrival();
  const invitation = invitationOf(options);
  const call = await calls.invite(
    lateOffer === undefined ? { ...invitation, sdp: sdp('actpass') } : invitation,
  );
  if (call.answer.status >= 300) {
    return sessionOf(call, unsent(outgoing, `the INVITE was answered ${call.answer.status}`));
  }
  call.acknowledge(lateOffer === undefined ? undefined : sdp(lateOffer.setup));
  const remote = readPushOffer(call.sdp);
  if (remote === undefined) {
    const lost = unsent(outgoing, 'the server described no MSRP session');
    return sessionOf(call, lost, await call.bye());
  }
  // Who is not said to be active is connected to: we made the offer (RFC 4975 §5.4).
  const role = lateOffer?.setup ?? (remote.setup === 'active' ? 'passive' : 'active');
  const transfer = largeTransfer({
    role,
    localUri: path,
    remotePath: remote.path,
    ...(chunkBytes === undefined ? {} : { chunkBytes }),
    ...(successReport === undefined ? {} : { successReport }),
  });
  ends.transfers.push(transfer);
  void call.untilOver().then(() => transfer.close('the server said BYE'));
  if (role === 'active') transfer.connect();
  else void arrival.then(transfer.attach);
  await transfer.send(outgoing);
  const bye = call.over || endWith !== 'bye' ? undefined : await call.bye();
  if (endWith !== 'nothing') transfer.close('the session is over');
  return sessionOf(call, transfer.outcomes(), bye);
}

function sessionOf(call: Call, messages: readonly LargeOutcome[], bye?: UaAnswer): LargeSession {
  const { callId, answer: invite, untilOver: untilServerBye } = call;
  const ended = bye ?? (call.over ? 'received' : undefined);
  return { callId, invite, messages, ...(ended && { bye: ended }), untilServerBye };
}

function unsent(
  messages: readonly Pick<OutgoingMessage, 'messageId'>[],
  reason: string,
): readonly LargeOutcome[] {
  const lost = { outcome: 'sessionLost', reason, sent: false, ms: 0 } as const;
  return messages.map(({ messageId }) => ({ messageId, ...lost }));
}

function invitationOf(options: SendLargeOptions): Invitation {
  const { from, to, domain, subject, expires } = options;
  const sender = addressOfRecord(from, domain);
  return {
    from: sender,
    to: addressOfRecord(to, domain),
    headers: {
      'accept-contact': `*;${LARGE_TAG};require;explicit`,
      'p-asserted-identity': `<${sender}>`,
      date: renderSipDate(Date.now()),
      ...(expires === undefined ? {} : { expires: String(expires) }),
      ...(subject === undefined ? {} : { subject }),
      ...options.headers,
    },
  };
}

/** Without their parameters, each once: `a=accept-types` names types (RFC 4975 §8.6). */
function mediaTypes(messages: readonly LargeMessage[]): readonly string[] {
  const types = messages.map(({ contentType }) => contentType.split(';')[0]?.trim() ?? '');
  return types.length === 0 ? ['*'] : [...new Set(types)];
}

async function outgoingOf(message: LargeMessage): Promise<Omit<OutgoingMessage, 'key'>> {
  const { content, contentType, messageId = freshToken() } = message;
  const body = content instanceof Uint8Array ? content : await fileBody(content.file);
  return { messageId, contentType, body };
}
