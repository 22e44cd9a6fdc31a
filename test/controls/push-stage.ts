/**
 * One push as its client meets it: real sockets on loopback, a clock that stands still until a test
 * moves it, and an MSRP side whose outcomes a test decides. A message waits and the client has
 * registered; the INVITE has come.
 */
import { mailboxStream } from '../../src/deferral/account.ts';
import type { Recorded } from '../../src/engine/recorded.ts';
import type { DeliveryEndedData } from '../../src/machines/mailbox/events.ts';
import { headerOf } from './scripted-peer-flow.ts';
import { type SimulatedClock, simulatedClock } from './simulated-clock.ts';
import {
  ALICE,
  register,
  type SipAgentStage,
  sipAgentStage,
  sipRequest,
} from './sip-agent-stage.ts';
import { pass, settled } from './turns.ts';

export type Transport = 'udp' | 'tcp';
export type Headers = Readonly<Record<string, string>>;

/** What became of a delivery, and of the mailbox after it. */
export interface Fate {
  /** Cause of the end and, of a refusal, its status. */
  readonly end: string;
  readonly mailbox: string;
}

export interface PushStage {
  readonly stage: SipAgentStage;
  readonly clock: SimulatedClock;
  readonly transport: Transport;
  /** The INVITE that came last. */
  readonly invite: string;
  readonly contact: string;
  /** What left the server for the client, in order, each as `INVITE 1` or `200 UPDATE`. */
  heard(): Promise<readonly string[]>;
  send(text: string): void;
  breakConnection(): void;
  /** The next message for the client. */
  next(): Promise<string>;
  ask(text: string): Promise<string>;
  pass(ms: number): Promise<void>;
  /** A response to a request of the server; To-tag `ue` unless told otherwise. */
  reply(to: string, status: string, parts?: Parts): void;
  /** 200 to the INVITE with an SDP that is taken, up to the ACK. */
  accept(parts?: Parts): Promise<string>;
  /** The MSRP session is bound: the messages are pushed, so many. */
  bind(messages?: number): Promise<void>;
  /** The client acknowledges the message that was pushed last. */
  acknowledge(): void;
  /** A request of the client in the dialog. */
  within(method: string, cseq: number, headers?: Headers, body?: string): string;
  register(): Promise<void>;
  /** The next INVITE. */
  invited(): Promise<string>;
  event(type: string): Promise<Recorded>;
  fate(): Promise<Fate>;
  /** MSRP Message-IDs of what was pushed. */
  pushed(): readonly string[];
  close(): Promise<void>;
}

export interface Parts {
  readonly tag?: string;
  readonly headers?: readonly string[];
  /** Default: none. */
  readonly sdp?: string;
}

/** A description of the client that takes messages; `lines` replace those of the same name. */
export function clientSdp(changes: Headers = {}): string {
  const lines: Record<string, string> = {
    port: 'm=message 7394 TCP/MSRP *',
    types: 'a=accept-types:*',
    direction: 'a=recvonly',
    setup: 'a=setup:passive',
    path: 'a=path:msrp://127.0.0.1:7394/abc;tcp',
    ...changes,
  };
  const head = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'];
  return [...head, ...Object.values(lines).filter((line) => line !== ''), ''].join('\r\n');
}

const START_MS = Date.UTC(2026, 10, 22, 9, 15, 2);
const EVENT_WITHIN_MS = 10_000;

export async function pushStage(
  transport: Transport,
  options: Parameters<typeof sipAgentStage>[0] = {},
): Promise<PushStage> {
  const clock = simulatedClock(START_MS);
  const stage = await sipAgentStage({ ...options, clock });
  const { peer } = stage;
  const core = await peer.datagrams(stage.udp);
  const listener = transport === 'tcp' ? await peer.listen() : undefined;
  let line = await peer.datagrams(stage.udp);
  const via = `SIP/2.0/${transport.toUpperCase()} 127.0.0.1;rport;branch=z9hG4bK`;
  const { port } = listener ?? line.local;
  const contact = `<sip:alice@127.0.0.1:${port};transport=${transport}>;+g.oma.sip-im`;
  let registrations = 0;
  let fences = 0;
  let invite = '';

  async function fromCore(request: string): Promise<void> {
    core.send(request);
    await core.next();
  }

  async function registerAgain(): Promise<void> {
    registrations += 1;
    const headers = { Contact: contact, 'Call-ID': 'reg@ue', CSeq: `${registrations} REGISTER` };
    await fromCore(register(`r${registrations}`, headers));
  }

  /** The answers to fences are nobody's business. */
  async function next(): Promise<string> {
    for (;;) {
      const text = String(await line.next());
      if (!isFence(text)) return text;
    }
  }

  async function expected(method: string): Promise<string> {
    const text = await next();
    if (!text.startsWith(`${method} `)) throw new Error(`not ${method} came but\n${text}`);
    return text;
  }

  function within(method: string, cseq: number, headers: Headers = {}, body = ''): string {
    const type: Headers = body === '' ? {} : { 'Content-Type': 'application/sdp' };
    const all = {
      Via: `${via}in${method}${cseq}`,
      From: `${headerOf(invite, 'To')};tag=ue`,
      To: headerOf(invite, 'From'),
      'Call-ID': headerOf(invite, 'Call-ID'),
      CSeq: `${cseq} ${method}`,
      ...(method === 'INVITE' || method === 'UPDATE' ? { Contact: contact } : {}),
      ...type,
      ...headers,
    };
    const target = /<([^>]*)>/.exec(headerOf(invite, 'Contact'))?.[1] ?? ALICE;
    return sipRequest(method, '', all, { uri: target, body });
  }

  function reply(to: string, status: string, { tag = 'ue', headers = [], sdp = '' }: Parts = {}) {
    const mirrored = ['Via', 'From', 'Call-ID', 'CSeq'].map(
      (name) => `${name}: ${headerOf(to, name)}`,
    );
    const value = headerOf(to, 'To');
    const tagged = value.includes(';tag=') || tag === '' ? value : `${value};tag=${tag}`;
    const type = sdp === '' ? [] : ['Content-Type: application/sdp'];
    line.send(
      [
        ...[`SIP/2.0 ${status}`, ...mirrored, `To: ${tagged}`, ...headers, ...type],
        ...[`Content-Length: ${sdp.length}`, '', sdp],
      ].join('\r\n'),
    );
  }

  async function invited(): Promise<string> {
    if (listener && !invite) line = await listener.accepted();
    const before = invite;
    // Over UDP the last one may have come again.
    do invite = await expected('INVITE');
    while (invite === before);
    return invite;
  }

  async function event(type: string): Promise<Recorded> {
    const found = async () => (await stage.events()).findLast((told) => told.type === type);
    await until(async () => (await found()) !== undefined, type);
    return (await found()) as Recorded;
  }

  await fromCore(sipRequest('MESSAGE', 'm1', {}, { body: 'hi' }));
  await registerAgain();
  await invited();

  return {
    ...{ stage, clock, transport, contact },
    get invite() {
      return invite;
    },
    async heard() {
      // What was decided before the fence was sent before the fence is answered.
      for (let turn = 0; turn < 2; turn += 1) {
        await settled();
        fences += 1;
        const name = `fence${fences}`;
        line.send(sipRequest('OPTIONS', name, { Via: `${via}${name}` }));
        const answered = () => line.received.some((octets) => octets.includes(`${name}@`));
        await until(answered, `the answer to ${name}`);
      }
      return line.received
        .map(String)
        .filter((text) => !isFence(text))
        .map(title);
    },
    send: (text) => line.send(text),
    breakConnection: () => line.close(),
    next,
    async ask(text) {
      line.send(text);
      return next();
    },
    pass: (ms) => pass(clock, ms),
    reply,
    async accept(parts = {}) {
      reply(invite, '200 OK', {
        sdp: clientSdp(),
        ...parts,
        headers: [`Contact: ${contact}`, ...(parts.headers ?? [])],
      });
      return expected('ACK');
    },
    async bind(messages = 1) {
      const before = stage.pushes.length;
      await until(() => stage.channels.size > 0, 'an MSRP session');
      [...stage.channels.values()].at(-1)?.bound('127.0.0.1:7394');
      await until(() => stage.pushes.length === before + messages, 'the messages');
    },
    acknowledge() {
      stage.pushes.at(-1)?.settle({ outcome: 'acknowledged' });
    },
    within,
    register: registerAgain,
    invited,
    event,
    async fate() {
      const delivery = headerOf(invite, 'Call-ID').split('.')[1];
      const found = async () => {
        const told = (await stage.events()).filter(({ type }) => type === 'DeliveryEnded');
        return told
          .map(({ data }) => data as DeliveryEndedData)
          .find((d) => d.delivery === delivery);
      };
      await until(async () => (await found()) !== undefined, 'the end of the delivery');
      const { cause = '', status } = (await found()) ?? {};
      const { value, context } = await stage.state(mailboxStream(ALICE));
      const end = status === undefined ? cause : `${cause} ${status}`;
      return { end, mailbox: afterwards(String(value), context as Mailbox, clock.now()) };
    },
    pushed: () => stage.pushes.map(({ message }) => message.messageId),
    close: () => stage.close(),
  };
}

interface Mailbox {
  readonly pushable: number;
  readonly untilRegistration: boolean;
  readonly pushIncapable: boolean;
  readonly retryAt: number | null;
}

function afterwards(value: string, mailbox: Mailbox, nowMs: number): string {
  if (mailbox.pushable === 0) return 'nothing left';
  if (value === 'delivering') return 'pushed again';
  if (mailbox.pushIncapable) return 'push-incapable';
  if (mailbox.untilRegistration) return 'waits for a registration';
  return mailbox.retryAt === null ? 'waits' : `back-off ${(mailbox.retryAt - nowMs) / 1000} s`;
}

function isFence(text: string): boolean {
  return headerOf(text, 'Call-ID').startsWith('fence');
}

function title(text: string): string {
  const [first = '', second = ''] = text.split(' ');
  const [cseq = '', method = ''] = headerOf(text, 'CSeq').split(' ');
  if (first === 'SIP/2.0') return `${second} ${method}`;
  const tag = /;tag=(\S+)$/.exec(headerOf(text, 'To'))?.[1] ?? 'ue';
  return tag === 'ue' ? `${first} ${cseq}` : `${first} ${cseq} to ${tag}`;
}

/** Waits without the simulated clock: for sockets and for the log. */
async function until(met: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const lateAt = performance.now() + EVENT_WITHIN_MS;
  while (!(await met())) {
    if (performance.now() > lateAt) throw new Error(`${what} did not come in time`);
    await settled();
  }
}
