/**
 * A sender in Large Message mode whose SIP a test writes by hand, over UDP or TCP, and whose MSRP a
 * test plays. Time stands still until it is moved. What the server says to the sender comes to one
 * UDP socket, or back by the connection that the request came by.
 */
import { createHash } from 'node:crypto';
import { hostClock } from '../../src/adapters/host/clock.ts';
import { memoryStore } from '../../src/adapters/store/memory.ts';
import type { DepositCallbacks } from '../../src/deferral/deposit-channel.ts';
import { type LargeRecord, readLarge } from '../../src/deferral/large-record.ts';
import type { Recorded } from '../../src/engine/recorded.ts';
import type { SenderEnd } from '../../src/machines/deposit/events.ts';
import type { LargeSource, MessageDeferredData } from '../../src/machines/mailbox/events.ts';
import { projections } from '../../src/projections/all.ts';
import type { Line } from './scripted-peer.ts';
import { headerOf } from './scripted-peer-flow.ts';
import { octetsOf, sendHead } from './scripted-senders.ts';
import { type SimulatedClock, simulatedClock } from './simulated-clock.ts';
import { type SipAgentStage, sipAgentStage, sipRequest } from './sip-agent-stage.ts';
import { pass, settled } from './turns.ts';

export type Headers = Readonly<Record<string, string>>;

export interface Said {
  readonly headers?: Headers;
  readonly body?: string;
  /** Default: what the sender knows of the dialog, with our tag once there is one. */
  readonly to?: string;
  readonly branch?: string;
  readonly uri?: string;
}

export interface DepositCaller {
  readonly stage: SipAgentStage;
  readonly clock: SimulatedClock;
  /** Contact URI of the sender, where its line is. */
  readonly target: string;
  /** To of the dialog, once the INVITE was answered. */
  readonly to: string;
  /** Sends a request and gives it as it was sent. */
  say(method: string, cseq: number, said?: Said): string;
  /** The next answer but a 100 to the request of this CSeq value. */
  answer(cseq: string): Promise<string>;
  ask(method: string, cseq: number, said?: Said): Promise<string>;
  /** The next request of the server. */
  requested(method: string): Promise<string>;
  reply(to: string, status: string): void;
  /** INVITE, 200, ACK; gives the 200. */
  open(said?: Said): Promise<string>;
  /** All that came so far, in order, each as `200 INVITE` or `BYE 1`. */
  heard(): Promise<readonly string[]>;
  /** The session that was opened last. */
  session(): { readonly end: SenderEnd; readonly on: DepositCallbacks };
  /** A message comes whole by that session; what its last SEND is answered. */
  leave(messageId: string, content?: string): Promise<200 | 413>;
  /** The last event of that type, once there is one. */
  event(type: string): Promise<Recorded>;
  /** Types of all events, but those of deliveries. */
  types(): Promise<readonly string[]>;
  /** What the log keeps of the message that was deferred last. */
  record(): Promise<LargeRecord | undefined>;
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
}

const START_MS = Date.UTC(2026, 10, 22, 9, 20, 0);
const MET_WITHIN_MS = 10_000;
const CALL_ID = 'large1@example.org';

/** The sender's description; lines given replace those of the same name, `''` leaves one out. */
export function senderSdp(changes: Headers = {}): string {
  const lines: Record<string, string> = {
    origin: 'o=bob 1 1 IN IP4 127.0.0.1',
    rest: 's=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0',
    before: '',
    media: 'm=message 7394 TCP/MSRP *',
    direction: 'a=sendonly',
    types: 'a=accept-types:*',
    path: 'a=path:msrp://127.0.0.1:7394/senderssession;tcp',
    setup: 'a=setup:active',
    after: '',
    ...changes,
  };
  const kept = Object.values(lines).filter((line) => line !== '');
  return ['v=0', ...kept, ''].join('\r\n');
}

export async function depositCaller(
  options: Parameters<typeof sipAgentStage>[0] & { readonly transport?: 'udp' | 'tcp' } = {},
): Promise<DepositCaller> {
  const { transport, ...staged } = options;
  const clock = simulatedClock(START_MS);
  return callerOn(await sipAgentStage({ ...staged, clock }), clock, transport);
}

/** A sender to a stage that is there, whose time is this. */
export async function callerOn(
  stage: SipAgentStage,
  clock: SimulatedClock,
  transport: 'udp' | 'tcp' = 'udp',
): Promise<DepositCaller> {
  const { peer } = stage;
  const udp = await peer.datagrams(stage.udp);
  const line = transport === 'tcp' ? await peer.connect(stage.tcp) : udp;
  const lines: readonly Line[] = line === udp ? [udp] : [udp, line];
  const target = `sip:bob@127.0.0.1:${udp.local.port}`;
  const via = `SIP/2.0/${transport.toUpperCase()} 127.0.0.1:${line.local.port};rport;branch=z9hG4bK`;
  /** What came and was not taken. */
  const pending: string[] = [];
  const seen = new Map<Line, number>();
  let to = '';
  let fences = 0;

  function indexOf(is: (text: string) => boolean): number {
    for (const each of lines) {
      const from = seen.get(each) ?? 0;
      pending.push(...each.received.slice(from).map(String));
      seen.set(each, each.received.length);
    }
    return pending.findIndex(is);
  }

  async function take(is: (text: string) => boolean, what: string): Promise<string> {
    await until(() => indexOf(is) >= 0, what);
    const [text = ''] = pending.splice(indexOf(is), 1);
    return text;
  }

  function say(method: string, cseq: number, said: Said = {}): string {
    const { headers, body = '', branch = `${method}${cseq}`, uri } = said;
    const known = said.to ?? to;
    const all = {
      Via: `${via}${branch}`,
      ...(known === '' ? {} : { To: known }),
      ...{ 'Call-ID': CALL_ID, CSeq: `${cseq} ${method}` },
      ...(/^(INVITE|UPDATE)$/.test(method) ? { Contact: `<${target}>` } : {}),
      ...(body === '' ? {} : { 'Content-Type': 'application/sdp' }),
      ...headers,
    };
    const request = sipRequest(method, branch, all, { body, ...(uri ? { uri } : {}) });
    line.send(request);
    return request;
  }

  function answer(cseq: string): Promise<string> {
    const is = (text: string) => /^SIP\/2\.0 (?!100)/.test(text) && headerOf(text, 'CSeq') === cseq;
    return take(is, `an answer to ${cseq}`);
  }

  async function ask(method: string, cseq: number, said: Said = {}): Promise<string> {
    say(method, cseq, said);
    return answer(`${cseq} ${method}`);
  }

  function session() {
    const opened = [...stage.senders.opened.values()].at(-1);
    if (!opened) throw new Error('no session was opened');
    return opened;
  }

  async function event(type: string): Promise<Recorded> {
    const found = async () => (await stage.events()).findLast((told) => told.type === type);
    await until(async () => (await found()) !== undefined, type);
    return (await found()) as Recorded;
  }

  return {
    ...{ stage, clock, target, say, answer, ask, session, event },
    get to() {
      return to;
    },
    requested: (method) => take((text) => text.startsWith(`${method} `), method),
    reply(request, status) {
      const mirrored = ['Via', 'From', 'To', 'Call-ID', 'CSeq'].map(
        (name) => `${name}: ${headerOf(request, name)}`,
      );
      udp.send([`SIP/2.0 ${status}`, ...mirrored, 'Content-Length: 0', '', ''].join('\r\n'));
    },
    async open(said = {}) {
      const success = await ask('INVITE', 1, { body: senderSdp(), ...said });
      to = headerOf(success, 'To');
      say('ACK', 1);
      await event('AckReceived');
      return success;
    },
    async heard() {
      // What was decided before the fence was sent before the fence is answered.
      for (let turn = 0; turn < 2; turn += 1) {
        await settled();
        fences += 1;
        const branch = `fence${fences}`;
        const headers = { 'Call-ID': branch };
        udp.send(sipRequest('OPTIONS', branch, headers));
        const met = `${branch}\r\n`;
        await until(() => udp.received.some((octets) => octets.includes(met)), branch);
      }
      const all = lines.flatMap(({ received }) => received).map(String);
      return all.filter((text) => !headerOf(text, 'Call-ID').startsWith('fence')).map(title);
    },
    leave(messageId, content = 'Watson, come here.') {
      const octets = octetsOf(content);
      return session().on.completed({
        ...{ messageId, bytes: octets.length, contentType: 'text/plain', body: octets },
        sha256: createHash('sha256').update(octets).digest('hex'),
        ...{ head: sendHead(messageId), chunks: 1, endLineOccurs: false },
      });
    },
    async types() {
      const told = await stage.events();
      return told.filter(({ stream }) => !stream.startsWith('delivery-')).map(({ type }) => type);
    },
    async record() {
      const deferred = (await event('MessageDeferred')) as Recorded<string, MessageDeferredData>;
      // The log of the stage, read by what reads the record everywhere else.
      const store = memoryStore({ projections, clock: hostClock });
      for (const told of await stage.events()) {
        await store.append(told.stream, told.revision === 0 ? 'none' : told.revision - 1, [told]);
      }
      return readLarge(store, deferred.data.source as LargeSource);
    },
    pass: (ms) => pass(clock, ms),
    close: () => stage.close(),
  };
}

export const statusOf = (answer: string) => Number(answer.split(' ')[1]);

function title(text: string): string {
  const [first = '', second = ''] = text.split(' ');
  const [cseq = '', method = ''] = headerOf(text, 'CSeq').split(' ');
  return first === 'SIP/2.0' ? `${second} ${method}` : `${first} ${cseq}`;
}

/** Waits without the simulated clock: for sockets and for the log. */
async function until(met: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const lateAt = performance.now() + MET_WITHIN_MS;
  while (!(await met())) {
    if (performance.now() > lateAt) throw new Error(`${what} did not come in time`);
    await settled();
  }
}
