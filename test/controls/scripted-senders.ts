import { createHash } from 'node:crypto';
import type { Deferral } from '../../src/deferral/deferral.ts';
import type { DepositCallbacks } from '../../src/deferral/deposit-channel.ts';
import type { DepositTransports } from '../../src/deferral/transports.ts';
import type { Outcome } from '../../src/engine/input.ts';
import type { BlobStore, Clock } from '../../src/engine/ports.ts';
import { parseStreamName } from '../../src/engine/stream-name.ts';
import type { AckReceivedData } from '../../src/machines/deposit/events.ts';
import { dialog, ROMEO } from './deposit-events.ts';
import { scriptedDeposits } from './scripted-deposits.ts';

const encoder = new TextEncoder();

/** What a sender leaves by its session. */
export interface LeftMessage {
  /** MSRP Message-ID. */
  readonly messageId: string;
  readonly content: string | Uint8Array;
  /** Where the MSRP side keeps the body; default: with the event. */
  readonly body?: 'blob';
  readonly endLineOccurs?: boolean;
}

export interface Invitation {
  readonly account?: string;
  /** The INVITE has no offer. */
  readonly offer?: 'late';
  readonly headers?: readonly string[];
}

/** Senders in Large Message mode, by hand: their SIP, their MSRP, and what they were told. */
export interface ScriptedSenders {
  /** `200 INVITE <deposit>`, `<status> <Message-ID>`, `BYE <deposit>`, `closed <deposit>`. */
  readonly seen: string[];
  /** Whether our BYE is answered; effects that throw, by name. */
  readonly manners: { bye: 'answer' | 'silent'; readonly broken: Set<string> };
  /** Their end of one life of the engine; that of an earlier life is dead. */
  connect(engine: Pick<Deferral, 'submit' | 'tell'>, clock: Clock): DepositTransports;
  invite(deposit: string, how?: Invitation): Promise<Outcome>;
  acknowledge(deposit: string, data?: AckReceivedData): Promise<Outcome>;
  /** Any other fact of the sender's SIP. */
  say(deposit: string, type: string, data?: unknown): Promise<Outcome>;
  /** The status of its last SEND; `undefined`: its session is not open. */
  leave(deposit: string, message: LeftMessage): Promise<number | undefined>;
  session(deposit: string): DepositCallbacks | undefined;
}

/** As it was on the wire: what is kept of a message begins with it. */
export function largeInvite(deposit: string, headers: readonly string[] = []): Uint8Array {
  const lines = [
    `INVITE ${ROMEO} SIP/2.0`,
    'Via: SIP/2.0/TCP 192.0.2.7;branch=z9hG4bKlm',
    'Max-Forwards: 70',
    'From: <sip:juliet@example.org>;tag=7711',
    `To: <${ROMEO}>`,
    `Call-ID: ${deposit}@ua.example.com`,
    'CSeq: 11 INVITE',
    'Contact: <sip:juliet@192.0.2.7>',
    ...headers,
    'Content-Length: 0',
  ];
  return encoder.encode(`${lines.join('\r\n')}\r\n\r\n`);
}

export function answerTo(deposit: string): Uint8Array {
  return encoder.encode(`SIP/2.0 200 OK\r\nCall-ID: ${deposit}@ua.example.com\r\n\r\n`);
}

export const octetsOf = (content: string | Uint8Array): Uint8Array =>
  typeof content === 'string' ? encoder.encode(content) : content;

/** The SEND that brings the first octet. */
export function sendHead(messageId: string): Uint8Array {
  const paths = 'To-Path: msrp://h:1/a;tcp\r\nFrom-Path: msrp://h:2/b;tcp\r\n';
  const type = 'Content-Type: text/plain\r\n\r\n';
  return encoder.encode(`MSRP t1d1 SEND\r\n${paths}Message-ID: ${messageId}\r\n${type}`);
}

export function scriptedSenders(blobs: BlobStore): ScriptedSenders {
  const seen: string[] = [];
  const manners = { bye: 'answer' as 'answer' | 'silent', broken: new Set<string>() };
  let serial = 0;
  let messages = 0;
  let life: { engine: Pick<Deferral, 'submit' | 'tell'>; clock: Clock } | undefined;
  let channels = scriptedDeposits();

  async function say(deposit: string, type: string, data: unknown = {}): Promise<Outcome> {
    if (!life) throw new Error('no engine is connected');
    serial += 1;
    const at = life.clock.now();
    return life.engine.tell(`deposit-${deposit}`, { type, at, data, cause: `${type} ${serial}` });
  }

  async function sealed(content: Uint8Array) {
    const writer = blobs.create();
    writer.write(0, content);
    const seal = await writer.seal(content.length);
    if (seal.outcome !== 'sealed') throw new Error(seal.reason);
    return seal;
  }

  async function leave(deposit: string, message: LeftMessage): Promise<number | undefined> {
    const on = channels.opened.get(deposit)?.on;
    if (!on || channels.closed.includes(deposit)) return undefined;
    const { messageId, endLineOccurs = false } = message;
    const content = octetsOf(message.content);
    const seal = message.body === 'blob' ? await sealed(content) : undefined;
    const status = await on.completed({
      ...{ messageId, endLineOccurs, bytes: content.length, contentType: 'text/plain' },
      sha256: createHash('sha256').update(content).digest('hex'),
      head: sendHead(messageId),
      chunks: endLineOccurs ? 2 : 1,
      ...(seal ? {} : { body: content }),
    });
    seal?.release();
    seen.push(`${status} ${messageId}`);
    return status;
  }

  function unbroken(name: string): void {
    if (manners.broken.has(name)) throw new Error(`${name} is broken`);
  }

  return {
    seen,
    manners,
    say,
    leave,
    session: (deposit) => channels.opened.get(deposit)?.on,
    acknowledge: (deposit, data = {}) => say(deposit, 'AckReceived', data),
    async invite(deposit, { account = ROMEO, offer, headers = [] } = {}) {
      if (!life) throw new Error('no engine is connected');
      const end = { path: ['msrp://192.0.2.7:8493/si43...;tcp'], setup: 'active' };
      const ends = { ...dialog, callId: `${deposit}@ua.example.com`, localTag: `im-${deposit}` };
      return life.engine.submit(`deposit-${deposit}`, {
        type: 'DepositOffered',
        at: life.clock.now(),
        data: { account, rule: 2, dialog: ends, ...(offer === 'late' ? {} : { end }) },
        cause: 'offered',
        octets: largeInvite(deposit, headers),
      });
    },
    connect(engine, clock) {
      const mine = { engine, clock };
      life = mine;
      channels = scriptedDeposits();
      const { port } = channels;
      const open = new Set<string>();
      const alive = () => life === mine;
      return {
        sip: {
          async answerInvite({ event }) {
            const deposit = parseStreamName(event.stream).id;
            unbroken('answerInvite');
            open.add(deposit);
            seen.push(`200 INVITE ${deposit}`);
          },
          async sendBye({ event }) {
            const deposit = parseStreamName(event.stream).id;
            seen.push(`BYE ${deposit}`);
            if (alive() && manners.bye === 'answer')
              void say(deposit, 'ByeAnswered', { status: 200 });
          },
        },
        channels: port,
        identifiers: {
          messageId() {
            messages += 1;
            return `L${messages}@store.example`;
          },
        },
        answerOf: (deposit) => (open.has(deposit) ? answerTo(deposit) : undefined),
        closed: (deposit) => void seen.push(`closed ${deposit}`),
      };
    },
  };
}
