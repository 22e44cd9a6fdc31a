/**
 * A subscriber's client that shares no code with the server: registers, answers INVITEs, takes
 * MSRP messages and acknowledges them when it is told to. It outlives the server.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { renderSip, type SipText, udpPeer } from './crash-udp-peer.ts';
import { tokenOf } from './deposit-sender.ts';

/** One SEND as it came in. */
export interface Receipt {
  readonly user: string;
  /** Call-ID of the delivery's dialog. */
  readonly callId: string;
  readonly token: string;
  /** MSRP Message-ID. */
  readonly messageId: string;
}

export interface Session {
  readonly callId: string;
  readonly user: string;
  /** BYEs taken, repetitions by the same transaction not counted. */
  byes: number;
}

/** What the client is about to answer; ACK needs no answer. */
export type Step = 'INVITE' | 'ACK' | 'SEND' | 'BYE';

export interface Subscriber {
  /** Everything received, in order. */
  readonly receipts: readonly Receipt[];
  /** Every dialog that an INVITE made, in order. */
  readonly sessions: readonly Session[];
  register(user: string): Promise<number>;
  /** From now on the user's messages stay unacknowledged until `acknowledge` or `flow`. */
  hold(user: string): void;
  /** Messages held back. */
  held(): number;
  /** Acknowledges the oldest held messages. */
  acknowledge(count: number): void;
  /** Acknowledges all that is held, and from now on everything at once. */
  flow(): void;
  /** MSRP connections that are open. */
  connections(): number;
  /** Resolves when the condition holds; `false` when it does not within the bound. */
  until(condition: () => boolean, withinMs: number): Promise<boolean>;
  close(): void;
}

/** RFC 3261 §13.3.1.4: the 2xx is repeated until its ACK. */
const REPEAT_2XX_MS = 500;
const SOON_MS = 5;

interface Dialog extends Session {
  readonly branch: string;
  readonly answer: string;
  readonly serverPort: number;
  repeat: NodeJS.Timeout | undefined;
  lastByeBranch: string;
}

function branchOf(request: SipText): string {
  return /;branch=([^;,\s]+)/.exec(request.header('via') ?? '')?.[1] ?? '';
}

/** An answer with the request's own headers (RFC 3261 §8.2.6.2). */
function answerTo(request: SipText, status: string, tag: string, lines: string[], body = '') {
  const to = request.header('to') ?? '';
  return renderSip(
    `SIP/2.0 ${status}`,
    [
      `Via: ${request.header('via')}`,
      `From: ${request.header('from')}`,
      `To: ${/;tag=/.test(to) ? to : `${to};tag=${tag}`}`,
      `Call-ID: ${request.header('call-id')}`,
      `CSeq: ${request.header('cseq')}`,
      ...lines,
    ],
    body,
  );
}

function pathOf(port: number, session: string): string {
  return `msrp://127.0.0.1:${port}/${session};tcp`;
}

function sdpAnswer(port: number, session: string): string {
  const lines = ['v=0', 'o=client 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'];
  const media = [
    `m=message ${port} TCP/MSRP *`,
    'a=recvonly',
    'a=accept-types:multipart/mixed',
    'a=accept-wrapped-types:*',
    'a=setup:passive',
    `a=path:${pathOf(port, session)}`,
  ];
  return [...lines, ...media, ''].join('\r\n');
}

/** `onStep` is told before the client does anything about it. */
export async function subscriber(
  serverPort: number,
  onStep: (step: Step) => void = () => {},
): Promise<Subscriber> {
  const receipts: Receipt[] = [];
  const dialogs: Dialog[] = [];
  const held: (() => void)[] = [];
  const holding = new Set<string>();
  const cseqs = new Map<string, number>();
  const sockets = new Set<Socket>();
  const media = createServer(take).listen(0, '127.0.0.1');
  await once(media, 'listening');
  const mediaPort = (media.address() as AddressInfo).port;
  const peer = await udpPeer(serverPort, observe);

  function respond(request: SipText, status: string, lines: string[] = []): void {
    peer.send(answerTo(request, status, 'client', lines), serverPort);
  }

  function observe(request: SipText): void {
    const [method = ''] = request.startLine.split(' ');
    if (method === 'INVITE' || method === 'ACK' || method === 'BYE') onStep(method);
    const dialog = dialogs.find(({ callId }) => callId === request.header('call-id'));
    if (method === 'INVITE') invite(request, dialog);
    else if (method === 'ACK') clearInterval(dialog?.repeat);
    else if (dialog === undefined) respond(request, '481 Unknown');
    else if (method === 'BYE') bye(request, dialog);
    else respond(request, '200 OK');
  }

  function invite(request: SipText, known: Dialog | undefined): void {
    if (known !== undefined) {
      if (known.branch === branchOf(request)) peer.send(known.answer, serverPort);
      return;
    }
    const user = /sip:([^@]+)@/.exec(request.startLine)?.[1] ?? '';
    if (dialogs.some((dialog) => dialog.user === user && dialog.byes === 0)) {
      respond(request, '486 Busy Here');
      return;
    }
    const session = `s${dialogs.length + 1}`;
    const lines = [
      `Contact: <sip:${user}@127.0.0.1:${peer.port}>`,
      'Content-Type: application/sdp',
    ];
    const answer = answerTo(request, '200 OK', session, lines, sdpAnswer(mediaPort, session));
    const callId = request.header('call-id') ?? '';
    const branch = branchOf(request);
    const send = () => peer.send(answer, serverPort);
    const repeat = setInterval(send, REPEAT_2XX_MS);
    dialogs.push({ callId, user, byes: 0, branch, answer, serverPort, repeat, lastByeBranch: '' });
    send();
  }

  function bye(request: SipText, dialog: Dialog): void {
    clearInterval(dialog.repeat);
    const branch = branchOf(request);
    if (dialog.lastByeBranch !== branch) dialog.byes += 1;
    dialog.lastByeBranch = branch;
    respond(request, '200 OK');
  }

  function take(socket: Socket): void {
    let text = '';
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (;;) {
        const tid = /^MSRP (\S+) /.exec(text)?.[1];
        if (tid === undefined) break;
        const end = text.indexOf(`-------${tid}`);
        if (end === -1 || text.length < end + tid.length + 10) break;
        frame(socket, tid, text.slice(0, end), text[end + tid.length + 7]);
        text = text.slice(end + tid.length + 10);
      }
    });
  }

  function frame(socket: Socket, tid: string, head: string, flag: string | undefined): void {
    const field = (name: string) => new RegExp(`\r\n${name}: ([^\r]+)`).exec(head)?.[1] ?? '';
    const own = field('To-Path');
    const session = /\/(s\d+);tcp/.exec(own)?.[1] ?? '';
    const dialog = dialogs[Number(session.slice(1)) - 1];
    const token = tokenOf(head);
    const empty = !head.includes('\r\n\r\n');
    if (dialog === undefined || (!empty && (flag !== '$' || token === undefined))) {
      throw new Error(`no whole message of a known session: ${flag} ${head.slice(0, 300)}`);
    }
    const { user, callId } = dialog;
    const answer = () => {
      const lines = [`MSRP ${tid} 200 OK`, `To-Path: ${field('From-Path')}`, `From-Path: ${own}`];
      if (socket.writable) socket.write(`${lines.join('\r\n')}\r\n-------${tid}$\r\n`);
    };
    if (token !== undefined) onStep('SEND');
    if (token !== undefined) receipts.push({ user, callId, token, messageId: field('Message-ID') });
    if (holding.has(user) && token !== undefined) held.push(answer);
    else answer();
  }

  function acknowledge(count: number): void {
    for (const one of held.splice(0, count)) one();
  }

  return {
    receipts,
    sessions: dialogs,
    register(user) {
      const cseq = (cseqs.get(user) ?? 0) + 1;
      cseqs.set(user, cseq);
      return peer.request('REGISTER sip:example.org SIP/2.0', [
        `From: <sip:${user}@example.org>;tag=r${cseq}`,
        `To: <sip:${user}@example.org>`,
        `Call-ID: register-${user}@client.example.org`,
        `CSeq: ${cseq} REGISTER`,
        `Contact: <sip:${user}@127.0.0.1:${peer.port}>;+g.oma.sip-im;expires=3600`,
      ]);
    },
    hold: (user) => void holding.add(user),
    held: () => held.length,
    acknowledge,
    flow() {
      holding.clear();
      acknowledge(held.length);
    },
    connections: () => sockets.size,
    async until(condition, withinMs) {
      const deadline = performance.now() + withinMs;
      while (!condition() && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, SOON_MS));
      }
      return condition();
    },
    close() {
      for (const { repeat } of dialogs) clearInterval(repeat);
      for (const socket of sockets) socket.destroy();
      media.close();
      peer.close();
    },
  };
}
