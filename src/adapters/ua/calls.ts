/** The caller's side of INVITE dialogs: call, acknowledge, hang up (RFC 3261 §§12, 13.2, 15). */
import { bindStack, type OutgoingRequest, type PackageAnswer } from './bound-stack.ts';
import { freshToken } from './identity.ts';
import type { PackageRequest } from './sip-package.ts';
import type { SipStackOptions, UaAnswer } from './sip-stack.ts';

export interface Invitation {
  readonly to: string;
  readonly from: string;
  /** All but those that make and keep the dialog. */
  readonly headers: Readonly<Record<string, string>>;
  /** Absent: the server makes the offer, and our answer goes into the ACK. */
  readonly sdp?: Uint8Array;
}

export interface Call {
  readonly callId: string;
  /** The final answer to the INVITE; without an ACK of ours when it is a 2xx. */
  readonly answer: UaAnswer;
  /** What the answer carried. */
  readonly sdp: string;
  /** The server said BYE. */
  readonly over: boolean;
  /** Resolves when it does. */
  untilOver(): Promise<void>;
  /** Sends the ACK of a 2xx, and again whenever that is repeated (RFC 3261 §13.2.2.4). */
  acknowledge(sdp?: Uint8Array): void;
  bye(): Promise<UaAnswer>;
}

export interface Calls {
  readonly host: string;
  invite(invitation: Invitation): Promise<Call>;
  close(): void;
}

export interface CallsOptions extends Omit<SipStackOptions, 'onRequest'> {
  /** Of the Contact: the user, and the parameters behind the URI, each with its `;`. */
  readonly contact: { readonly user: string; readonly params: string };
  readonly product: string;
}

/** What one dialog knows to tell the server's requests in it from others. */
interface OpenCall {
  readonly tag: string;
  hungUp(): void;
}

/** RFC 3261 §17.1.2.2: 64*T1 = 32 s; the package waits for ever after a 1xx. */
const ANSWER_MS = 33_000;
const ALLOW = 'INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE';

export async function openCalls(options: CallsOptions): Promise<Calls> {
  const { server, listen, product } = options;
  const open = new Map<string, OpenCall>();
  const pending = new Set<(status: number, reason: string) => void>();
  const stack = await bindStack({ server, listen, onRequest: observe });
  const uri = `sip:${options.contact.user}@${stack.host}:${stack.port}`;
  const contact = `<${uri};transport=${server.transport}>${options.contact.params}`;

  function observe(request: PackageRequest): void {
    const { method, headers } = request;
    if (method === 'ACK') return;
    const tag = headers.to.params.tag ?? undefined;
    const call = open.get(headers['call-id']);
    const respond = (status: number, reason: string) =>
      stack.respond(request, {
        ...{ status, reason, headers: { contact, allow: ALLOW, server: product } },
        ...(tag === undefined ? { toTag: freshToken() } : {}),
      });
    if (method === 'OPTIONS') respond(200, 'OK');
    else if (!ALLOW.split(', ').includes(method)) respond(405, 'Method Not Allowed');
    else if (call === undefined || call.tag !== tag) respond(481, 'No such dialog');
    // RFC 3261 §14.2: the session stays as it was agreed on.
    else if (method === 'INVITE') respond(488, 'The session is not changed');
    else {
      respond(200, 'OK');
      if (method === 'BYE') call.hungUp();
    }
  }

  /** Resolves with the first final answer; `onRepeated` is told of every further one. */
  function transact(
    request: OutgoingRequest,
    onRepeated: () => void,
  ): Promise<{ readonly answer: UaAnswer; readonly response?: PackageAnswer }> {
    return new Promise((resolve) => {
      const startedMs = performance.now();
      const settle = (status: number, reason: string, response?: PackageAnswer) => {
        clearTimeout(guard);
        pending.delete(settle);
        const answer = { status, reason, ms: performance.now() - startedMs };
        resolve({ answer, ...(response === undefined ? {} : { response }) });
      };
      const guard = setTimeout(() => settle(408, 'no answer'), ANSWER_MS);
      pending.add(settle);
      stack.send(request, (response) => {
        if (pending.has(settle)) settle(response.status, response.reason, response);
        else onRepeated();
      });
    });
  }

  async function invite({ to, from, headers, sdp }: Invitation): Promise<Call> {
    const callId = freshToken();
    const tag = freshToken().slice(0, 8);
    const ending = openEnding();
    // Before the answer: a BYE may be in the same segment.
    open.set(callId, { tag, hungUp: ending.end });
    const common = { 'max-forwards': '70', from: `<${from}>;tag=${tag}`, 'call-id': callId };
    const agent = { allow: ALLOW, 'user-agent': product };
    const first = { ...common, to: `<${to}>`, cseq: '1 INVITE', contact, ...agent };
    let acknowledgeAgain = () => {};
    const { answer, response } = await transact(
      withSdp({ method: 'INVITE', uri: to, headers: { ...first, ...headers } }, sdp),
      () => acknowledgeAgain(),
    );
    const { headers: answered, content = '' } = response ?? {};
    const remoteTag = answered?.to.params.tag;
    const toTag = remoteTag ? `;tag=${remoteTag}` : '';
    const target = answered?.contact === '*' ? undefined : answered?.contact?.[0]?.uri;
    const inDialog = (method: string, cseq: number): OutgoingRequest => ({
      method,
      uri: target ?? to,
      headers: {
        ...common,
        to: `<${to}>${toTag}`,
        cseq: `${cseq} ${method}`,
        'user-agent': product,
      },
      // RFC 3261 §12.1.2: the caller's route set is the recorded one backwards.
      route: [...(answered?.['record-route'] ?? [])].reverse(),
    });
    return {
      callId,
      answer,
      sdp: Buffer.from(content, 'latin1').toString(),
      get over() {
        return ending.over;
      },
      untilOver: () => ending.awaited,
      acknowledge(answerSdp) {
        acknowledgeAgain = () => stack.send(withSdp(inDialog('ACK', 1), answerSdp));
        acknowledgeAgain();
      },
      bye: async () => (await transact(inDialog('BYE', 2), () => {})).answer,
    };
  }

  return {
    host: stack.host,
    invite,
    close() {
      for (const settle of pending) settle(503, 'the user agent was closed');
      stack.close();
    },
  };
}

function withSdp(request: OutgoingRequest, sdp: Uint8Array | undefined): OutgoingRequest {
  if (sdp === undefined) return request;
  const headers = { ...request.headers, 'content-type': 'application/sdp' };
  return { ...request, headers, body: sdp };
}

function openEnding() {
  let over = false;
  let resolve = () => {};
  const awaited = new Promise<void>((resolved) => {
    resolve = resolved;
  });
  return {
    awaited,
    get over() {
      return over;
    },
    end() {
      over = true;
      resolve();
    },
  };
}
