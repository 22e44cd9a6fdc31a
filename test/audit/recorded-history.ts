import type { Evidence, Recorded } from '../../src/engine/recorded.ts';
import { journaled } from '../../src/wire/journal.ts';

export const ROMEO = 'sip:romeo@example.net';
export const NURSE = 'sip:nurse@example.net';
export const SENDER = '127.0.0.1:41234';
export const CLIENT = '127.0.0.1:5080';
export const MEDIA = '127.0.0.1:9000';
export const START_MS = 1_795_000_000_000;

const SERVER = { sip: '127.0.0.1:5060', msrp: '127.0.0.1:2855' } as const;
const encoder = new TextEncoder();

export interface History {
  readonly records: Recorded[];
  /** Milliseconds since the start; the next records are of that time. */
  at(ms: number): void;
  event(
    stream: string,
    type: string,
    states: readonly [from: string, to: string],
    data?: object,
    options?: { readonly id?: string; readonly cause?: readonly [remote: string, sip: string] },
  ): void;
  sent(remote: string, text: string): void;
  received(remote: string, text: string): void;
}

export function history(): History {
  const records: Recorded[] = [];
  let at = START_MS;

  function append(one: Omit<Recorded, 'revision' | 'position' | 'at' | 'id'>, id?: string): void {
    const position = String(records.length + 1).padStart(15, '0');
    records.push({ ...one, id: id ?? `e${position}`, at, revision: records.length, position });
  }

  function evidence(remote: string, text: string): Evidence {
    const protocol = text.startsWith('MSRP') ? 'msrp' : 'sip';
    const transport = protocol === 'msrp' ? 'tcp' : 'udp';
    return { protocol, transport, local: SERVER[protocol], remote };
  }

  function signal(type: string, remote: string, text: string): void {
    const from = evidence(remote, text);
    const sha256 = () => new Uint8Array(32);
    const { protocol } = from;
    const kept = journaled(encoder.encode(text), { protocol, mode: 'headers', sha256 });
    const data = { ...from, ...kept.summary };
    append({ stream: 'signal-one', type, data, octets: kept.octets, meta: {} });
  }

  return {
    records,
    at(ms) {
      at = START_MS + ms;
    },
    event(stream, type, [from, to], data = {}, { id, cause } = {}) {
      const octets = cause ? { octets: encoder.encode(cause[1]) } : {};
      const meta = { from, to, ...(cause ? { evidence: evidence(...cause) } : {}) };
      append({ stream, type, data, ...octets, meta }, id);
    },
    sent: (remote, text) => signal('SignalSent', remote, text),
    received: (remote, text) => signal('SignalReceived', remote, text),
  };
}

/** A request or a response with what a ladder looks at; `to` is whom it is addressed to. */
export function sip(startLine: string, callId: string, cseq: string, to = ROMEO): string {
  const lines = [startLine, `To: <${to}>`, `Call-ID: ${callId}`, `CSeq: ${cseq}`];
  return `${lines.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`;
}

export function chunk(tid: string, messageId: string, body: string): string {
  const { length } = body;
  const head = `MSRP ${tid} SEND\r\nMessage-ID: ${messageId}\r\nByte-Range: 1-${length}/${length}`;
  return `${head}\r\nContent-Type: text/plain\r\n\r\n${body}\r\n-------${tid}$\r\n`;
}

export function ok(tid: string): string {
  return `MSRP ${tid} 200 OK\r\n-------${tid}$\r\n`;
}

/** Somebody else's message, in the midst of Romeo's. */
export function strangers({ event, sent }: History): void {
  const message = sip(`MESSAGE ${NURSE} SIP/2.0`, 'n1@c', '1 MESSAGE', NURSE);
  const cause = [SENDER, message] as const;
  event(`mailbox-${NURSE}`, 'MessageDeferred', ['idle', 'idle'], { id: 'n' }, { cause });
  sent(SENDER, sip('SIP/2.0 202 Accepted', 'n1@c', '1 MESSAGE'));
}

/** One message deferred, then fetched: the whole path. */
export function delivered(): History {
  const one = history();
  const { at, event, sent, received } = one;
  const mailbox = `mailbox-${ROMEO}`;
  const stream = 'delivery-d1';
  const push = 'push.d1.f00@store.example.net';
  at(0);
  const message = sip(`MESSAGE ${ROMEO} SIP/2.0`, 'm1@c', '1 MESSAGE');
  const deferred = { id: '1795000000000000@store.example.net', kind: 'message', bytes: 420 };
  event(mailbox, 'MessageDeferred', ['idle', 'idle'], deferred, { cause: [SENDER, message] });
  strangers(one);
  at(2);
  sent(SENDER, sip('SIP/2.0 202 Accepted', 'm1@c', '1 MESSAGE'));
  at(500);
  event('node-one', 'NodeStarted', ['', ''], { node: 'one' });
  at(900);
  const register = sip('REGISTER sip:example.net SIP/2.0', 'r1@c', '1 REGISTER');
  const bindings = { bindings: [{}], expiresAt: null };
  const registered = { id: 'd1', cause: [CLIENT, register] } as const;
  event(mailbox, 'SubscriberRegistered', ['idle', 'delivering'], bindings, registered);
  at(901);
  event(stream, 'DeliveryOpened', ['idle', 'inviting'], { account: ROMEO, through: 0 });
  sent(CLIENT, sip('SIP/2.0 200 OK', 'r1@c', '1 REGISTER'));
  sent(CLIENT, sip('INVITE sip:romeo@127.0.0.1:5080 SIP/2.0', push, '1 INVITE'));
  at(905);
  const ringing = [CLIENT, sip('SIP/2.0 180 Ringing', push, '1 INVITE')] as const;
  event(stream, 'InviteProgressed', ['inviting', 'inviting'], { status: 180 }, { cause: ringing });
  at(930);
  const answer = [CLIENT, sip('SIP/2.0 200 OK', push, '1 INVITE')] as const;
  event(stream, 'InviteAnswered', ['inviting', 'pushing'], { status: 200 }, { cause: answer });
  sent(CLIENT, sip('ACK sip:romeo@127.0.0.1:5080 SIP/2.0', push, '1 ACK'));
  at(932);
  event(stream, 'ChannelBound', ['pushing', 'pushing'], { remote: MEDIA });
  event(stream, 'SnapshotTaken', ['pushing', 'pushing'], { through: 0, count: 1, digest: 'x' });
  at(935);
  // The commit of the event overtook that of the signals: positions alone would mislead.
  const pushed = { account: ROMEO, id: deferred.id, revision: 0, bytes: 420, messageId: 'abc' };
  event(stream, 'PushAcknowledged', ['pushing', 'bye'], pushed);
  at(933);
  sent(MEDIA, chunk('t1', 'abc', 'x'.repeat(1138)));
  at(935);
  received(MEDIA, ok('t1'));
  sent(CLIENT, sip('BYE sip:romeo@127.0.0.1:5080 SIP/2.0', push, '2 BYE'));
  at(940);
  const byeAnswer = [CLIENT, sip('SIP/2.0 200 OK', push, '2 BYE')] as const;
  event(stream, 'ByeAnswered', ['bye', 'ended'], { status: 200 }, { cause: byeAnswer });
  const end = { delivery: 'd1', cause: 'completed', acknowledged: 1, failed: 0 };
  event(mailbox, 'DeliveryEnded', ['delivering', 'registered'], end);
  at(2_000);
  event('node-one', 'NodeStopped', ['', ''], { node: 'one' });
  received(CLIENT, sip('REGISTER sip:example.net SIP/2.0', 'r9@c', '1 REGISTER', NURSE));
  received(MEDIA, ok('later'));
  return one;
}
