import type { Socket } from 'node:net';
import { MSRP_LIMITS } from '../../wire/msrp/limits.ts';
import { renderMsrpUri } from '../../wire/msrp/uri.ts';
import { type PushOffer, readPushOffer, renderPushAnswer } from './client-sdp.ts';
import { freshToken } from './identity.ts';
import { type PushSession, pushSession } from './push-session.ts';
import { type PushedMessage, type ReceivedMessage, receivedMessage } from './received-message.ts';
import type { PackageRequest } from './sip-package.ts';
import type { UaResponse } from './sip-stack.ts';

/** Ways to misbehave on purpose; each number counts from 1 over the receiver's life. */
export interface ReceiverHooks {
  /** MSRP status for the n-th message, 200 when `undefined`; `never`: leave it unanswered. */
  readonly acknowledge?: (n: number) => number | 'never' | undefined;
  /** Close the MSRP connection once so many messages were answered. */
  readonly afterMessages?: number;
  /** Refuse the n-th INVITE with this status. */
  readonly onInvite?: (n: number) => number | undefined;
}

/** One push, from its INVITE on. */
export interface Delivery {
  readonly callId: string;
  /** `noAck`: our 200 was never acknowledged. */
  readonly ended: 'bye' | 'noAck';
  readonly messages: readonly ReceivedMessage[];
}

export interface PushDialogsOptions {
  /** IPv4 address and port at which the server can open MSRP connections. */
  readonly media: { readonly host: string; readonly port: number };
  readonly setup: 'active' | 'passive';
  /** Contact and Server values of the answers. */
  readonly contact: string;
  readonly product: string;
  readonly hooks: ReceiverHooks;
  readonly respond: (request: PackageRequest, response: UaResponse) => void;
  readonly onMessage: (message: ReceivedMessage) => void;
  readonly onEnd: (delivery: Delivery) => void;
}

export interface PushDialogs {
  /** Any request that is no retransmission. */
  observe(request: PackageRequest): void;
  /** A connection to the media port. */
  attach(socket: Socket): void;
  close(): void;
}

interface Dialog {
  readonly callId: string;
  readonly tag: string;
  readonly answer: Uint8Array;
  readonly setup: 'active' | 'passive';
  readonly session: PushSession;
  readonly messages: ReceivedMessage[];
  acknowledged: boolean;
  /** We closed the connection: what was already in it is not taken any more. */
  dropped: boolean;
  repeat?: ReturnType<typeof setTimeout>;
}

/** RFC 3261 §13.3.1.4: the 2xx is repeated from T1 up to every T2 until its ACK, at most 64*T1. */
const T1_MS = 500;
const T2_MS = 4000;
const ACK_MS = 64 * T1_MS;
/** RFC 6135 §4.2: the port of somebody who only connects. */
const DISCARD_PORT = 9;
const ALLOW = 'INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE';
/** Seconds from 1900 to 1970: the origin of SDP sessions is an NTP time by custom (RFC 8866 §5.2). */
const NTP_OFFSET_SECONDS = 2_208_988_800;

/** The client's side of pushes: one dialog at a time, answered at once, ended by the server's BYE. */
export function pushDialogs(options: PushDialogsOptions): PushDialogs {
  const { hooks, media, contact, product, respond } = options;
  const seen = new Set<string>();
  let current: Dialog | undefined;
  let invites = 0;
  let arrived = 0;
  let answered = 0;

  const reply = (request: PackageRequest, status: number, reason: string) =>
    respond(request, { status, reason, toTag: freshToken(), headers: { server: product } });
  const inDialog = (request: PackageRequest) =>
    current !== undefined &&
    request.headers['call-id'] === current.callId &&
    request.headers.to.params.tag === current.tag;

  function observe(request: PackageRequest): void {
    const { method, headers } = request;
    const known = inDialog(request);
    if (method === 'ACK') {
      if (known) acknowledged();
    } else if (method === 'INVITE' && headers.to.params.tag === undefined) invite(request);
    else if (method === 'CANCEL' && headers['call-id'] === current?.callId) {
      // The INVITE was answered at once, so there is nothing left to cancel (RFC 3261 §9.2).
      reply(request, 200, 'OK');
    } else if (method === 'OPTIONS') {
      respond(request, { status: 200, reason: 'OK', headers: { allow: ALLOW, server: product } });
    } else if (!['INVITE', 'UPDATE', 'BYE', 'CANCEL'].includes(method)) {
      const allow = { allow: ALLOW, server: product };
      respond(request, { status: 405, reason: 'Method Not Allowed', headers: allow });
    } else if (!known || current === undefined) reply(request, 481, 'No such dialog');
    else if (method === 'BYE') bye(request, current);
    else if (method === 'INVITE') accept(request, current);
    else respond(request, { status: 200, reason: 'OK', headers: dialogHeaders(request) });
  }

  function invite(request: PackageRequest): void {
    invites += 1;
    const status = hooks.onInvite?.(invites);
    const sdp = Buffer.from(request.content ?? '', 'latin1').toString();
    const offer = readPushOffer(sdp);
    if (status !== undefined) reply(request, status, 'Refused by the user');
    else if (current !== undefined) reply(request, 486, 'Busy with another delivery');
    else if (offer === undefined) reply(request, 488, 'No MSRP line to receive by');
    else {
      current = dialog(request, offer);
      accept(request, current);
    }
  }

  function dialog(request: PackageRequest, offer: PushOffer): Dialog {
    // Who does not leave it to us connects itself (RFC 6135 §4.2).
    const setup = options.setup === 'active' && offer.setup === 'actpass' ? 'active' : 'passive';
    const port = setup === 'active' ? DISCARD_PORT : media.port;
    const path = renderMsrpUri({ host: media.host, port, sessionId: freshToken() });
    const maxSize = MSRP_LIMITS.messageBytesMax;
    const origin = Math.floor(Date.now() / 1000) + NTP_OFFSET_SECONDS;
    const onMessage = (incoming: PushedMessage) => take(incoming, made);
    const made: Dialog = {
      callId: request.headers['call-id'],
      tag: freshToken(),
      answer: renderPushAnswer({ host: media.host, port, path, setup, maxSize, origin }),
      setup,
      session: pushSession({ localUri: path, remotePath: offer.path, setup, onMessage }),
      messages: [],
      acknowledged: false,
      dropped: false,
    };
    return made;
  }

  function accept(request: PackageRequest, made: Dialog): void {
    const headers = { ...dialogHeaders(request), 'content-type': 'application/sdp' };
    const response = { status: 200, reason: 'OK', toTag: made.tag, establishes: true, headers };
    clearTimeout(made.repeat);
    let waitMs = T1_MS;
    let leftMs = ACK_MS;
    const send = () => {
      respond(request, { ...response, body: made.answer });
      leftMs -= waitMs;
      made.repeat = setTimeout(leftMs > 0 ? send : () => end(made, 'noAck'), waitMs);
      waitMs = Math.min(2 * waitMs, T2_MS);
    };
    send();
  }

  function dialogHeaders({ headers }: PackageRequest): Record<string, string> {
    const interval = /^\s*(\d+)/.exec(String(headers['session-expires'] ?? ''))?.[1];
    const timer = { require: 'timer', 'session-expires': `${interval};refresher=uac` };
    const own = { contact, allow: ALLOW, server: product };
    return interval === undefined ? own : { ...own, ...timer };
  }

  function acknowledged(): void {
    clearTimeout(current?.repeat);
    if (current === undefined || current.acknowledged) return;
    current.acknowledged = true;
    // Not before: over UDP the server may not have our answer, and so our session id, yet.
    if (current.setup === 'active') current.session.connect();
  }

  function take(incoming: PushedMessage, made: Dialog): number | 'never' {
    if (made.dropped) return 'never';
    arrived += 1;
    const message = receivedMessage(incoming, seen.has(incoming.messageId));
    seen.add(incoming.messageId);
    made.messages.push(message);
    options.onMessage(message);
    const status = hooks.acknowledge?.(arrived) ?? 200;
    if (status !== 'never') answered += 1;
    if (answered === hooks.afterMessages) {
      made.dropped = true;
      // After this turn, so that the answer is written first.
      queueMicrotask(() => made.session.drop());
    }
    return status;
  }

  function bye(request: PackageRequest, made: Dialog): void {
    respond(request, { status: 200, reason: 'OK', headers: { server: product } });
    end(made, 'bye');
  }

  function end(made: Dialog, ended: Delivery['ended']): void {
    clearTimeout(made.repeat);
    made.session.close();
    current = undefined;
    options.onEnd({ callId: made.callId, ended, messages: made.messages });
  }

  return {
    observe,
    attach(socket) {
      if (current?.setup === 'passive') current.session.attach(socket);
      else socket.destroy();
    },
    close() {
      clearTimeout(current?.repeat);
      current?.session.close();
    },
  };
}
