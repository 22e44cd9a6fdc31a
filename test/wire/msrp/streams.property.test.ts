/** Laws of streams: whatever way octets are cut, held up or mixed, the same messages come out. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { msrpFramer } from '../../../src/wire/msrp/frame.ts';
import { MSRP_LIMITS } from '../../../src/wire/msrp/limits.ts';
import { type MemorySink, memorySink } from '../../../src/wire/msrp/message-sink.ts';
import { joinOctets, renderSend } from '../../../src/wire/msrp/render.ts';
import { type MsrpSession, msrpSession } from '../../../src/wire/msrp/session.ts';
import { holds } from '../../controls/properties.ts';
import { simulatedClock } from '../../controls/simulated-clock.ts';
import { scriptedSource } from './scripted-source.ts';
import { CLIENT, connected, SERVER } from './session-side.ts';

const VERIFY = process.env.RESTANTE_VERIFY === '1';
const text = (octets: Uint8Array) => Buffer.from(octets).toString('latin1');
/** Rich in what looks like an end-line. */
const body = fc
  .array(
    fc.oneof(
      fc.constantFrom('\r', '\r\n', '\r\n-------', '\r\n-------t000000x$', '$\r\n'),
      fc.stringMatching(/^[ -~]{1,30}$/),
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((parts) => Buffer.from(parts.join('').slice(0, 200), 'latin1'));

/** Repeats its choices for ever. */
function choices(made: readonly number[]): (below: number) => number {
  let turn = 0;
  return (below) => (made[turn++ % Math.max(1, made.length)] ?? 0) % below;
}

interface Piece {
  readonly id: number;
  readonly start: number;
  readonly octets: Uint8Array;
  readonly total: number | '*';
  readonly last: boolean;
}

/** Chunks of a message, some sent twice, with wrong octets the first time. */
function piecesOf(id: number, whole: Uint8Array, choose: (below: number) => number): Piece[] {
  const pieces: Piece[] = [];
  const total = choose(3) === 0 ? '*' : whole.length;
  for (let at = 0; at < whole.length; ) {
    const end = Math.min(whole.length, at + 1 + choose(60));
    const from = Math.max(0, at - choose(10));
    const octets = whole.subarray(from, end);
    const piece = { id, start: from + 1, octets, total, last: end === whole.length } as const;
    if (choose(4) === 0)
      pieces.push({ ...piece, octets: octets.map((octet) => octet ^ 1), last: false });
    pieces.push(piece);
    at = end;
  }
  return pieces;
}

it('any cut and any mixture of the chunks of several messages give the messages [RFC 4975 §7.3.1]', () => {
  const bodies = fc.array(body, { minLength: 1, maxLength: 5 });
  const random = fc.array(fc.nat({ max: 9999 }), { minLength: 1, maxLength: 60 });
  const property = fc.property(bodies, random, fc.nat({ max: 80 }), (sent, made, wholeBytesMax) => {
    const choose = choices(made);
    const queues = sent.map((whole, id) => piecesOf(id, whole, choose));
    const frames: Uint8Array[] = [];
    for (let serial = 0; queues.some((queue) => queue.length > 0); ) {
      const queue = queues[choose(queues.length)] ?? [];
      // Those without what was sent wrong before may also change places.
      const piece = queue.shift() ?? queues.find((other) => other.length > 0)?.shift();
      if (piece === undefined) continue;
      const { id, start, octets, total, last } = piece;
      const tid = `t${String(++serial).padStart(7, '0')}`;
      frames.push(
        ...renderSend({
          ...{ tid, toPath: [SERVER], fromPath: [CLIENT], messageId: `m00${id}` },
          ...{ byteRange: { start, end: '*', total }, contentType: 'a/b', body: octets },
          flag: last ? '$' : '+',
        }),
      );
    }
    const stream = joinOctets(frames);
    const received = connected({ limits: { ...MSRP_LIMITS, wholeBytesMax } });
    for (let at = 0; at < stream.length; ) {
      const end = Math.min(stream.length, at + 1 + choose(120));
      received.peer(stream.subarray(at, end));
      at = end;
    }
    const got = received.events.flatMap((event) =>
      event.kind === 'completed' ? [[event.message.messageId, event.message.bytes]] : [],
    );
    expect(got.toSorted()).toEqual(sent.map((whole, id) => [`m00${id}`, whole.length]));
    expect(received.bodies().toSorted()).toEqual(sent.map(text).toSorted());
  });
  holds(property, VERIFY ? 5_000 : 300);
});

it('chunks without overlap give the message in any order', () => {
  const random = fc.array(fc.nat({ max: 9999 }), { minLength: 1, maxLength: 40 });
  const property = fc.property(body, random, (whole, made) => {
    const choose = choices(made);
    const chunks: [number, number][] = [];
    for (let at = 0; at < whole.length; ) {
      const end = Math.min(whole.length, at + 1 + choose(60));
      chunks.push([at, end]);
      at = end;
    }
    const received = connected({ limits: { ...MSRP_LIMITS, wholeBytesMax: choose(40) } });
    for (let serial = 0; chunks.length > 0; serial++) {
      const [[at, end] = [0, 0]] = chunks.splice(choose(chunks.length), 1);
      received.peer(
        joinOctets(
          renderSend({
            ...{ tid: `u${String(serial).padStart(7, '0')}`, toPath: [SERVER], fromPath: [CLIENT] },
            ...{ messageId: 'm000', contentType: 'a/b', body: whole.subarray(at, end) },
            byteRange: { start: at + 1, end: '*', total: whole.length },
            flag: end === whole.length ? '$' : '+',
          }),
        ),
      );
    }
    expect(received.bodies()).toEqual([text(whole)]);
  });
  holds(property, VERIFY ? 5_000 : 300);
});

/** One direction of a connection: octets wait until they are carried on. */
function pipe() {
  let octets = new Uint8Array(0);
  return {
    get bytes() {
      return octets.length;
    },
    put(parts: readonly Uint8Array[]) {
      octets = Uint8Array.from(joinOctets([octets, ...parts]));
    },
    take(bytes: number) {
      const taken = octets.slice(0, bytes);
      octets = octets.slice(bytes);
      return taken;
    },
  };
}

it('what one session sends another receives, whatever holds it up, with one outcome each', () => {
  const bodies = fc.array(fc.tuple(fc.uint8Array({ maxLength: 9000 }), fc.boolean()), {
    minLength: 1,
    maxLength: 6,
  });
  const random = fc.array(fc.nat({ max: 99_999 }), { minLength: 1, maxLength: 80 });
  const property = fc.property(bodies, random, (sent, made) => {
    const choose = choices(made);
    const clock = simulatedClock();
    const [there, back] = [pipe(), pipe()];
    const outcomes = new Map<string, string[]>();
    const got = new Map<string, string>();
    const sources = sent.map(([octets]) => scriptedSource(octets));
    let full = false;
    let serial = 0;
    const bytes = (n: number) => Uint8Array.from({ length: n }, () => (++serial * 31) % 251);
    const limits = { ...MSRP_LIMITS, wholeBytesMax: choose(4000) };
    const sender: MsrpSession = msrpSession({
      ...{ role: 'active', localUri: SERVER, remotePath: [CLIENT], clock, random: bytes },
      ...{ chunkBytes: 2048 + choose(4000), windowMessages: 1 + choose(4) },
      ready: () => !full,
      write(parts) {
        there.put(parts);
        full ||= choose(3) === 0;
        return !full;
      },
      emit(event) {
        if (event.kind !== 'outcome') return;
        outcomes.set(event.key, [...(outcomes.get(event.key) ?? []), event.outcome.outcome]);
      },
    });
    const receiver: MsrpSession = msrpSession<MemorySink>({
      ...{ role: 'passive', localUri: CLIENT, remotePath: [SERVER], clock, random: bytes, limits },
      begin: () => memorySink(),
      write(parts) {
        back.put(parts);
        return true;
      },
      emit(event) {
        if (event.kind !== 'completed') return;
        const { messageId, sink, bytes: total } = event.message;
        got.set(messageId, text(sink.octets(total)));
        receiver.answer(event.tid, 200);
      },
    });
    sender.connected();
    for (const [id, [octets, streamed]] of sent.entries()) {
      const source = sources[id];
      if (source === undefined) continue;
      source.until = choose(octets.length + 1);
      source.bytesMax = 1 + choose(5000);
      const key = `m00${id}`;
      const body = streamed ? source : octets;
      sender.send({ key, messageId: key, contentType: 'a/b', body });
    }
    const [forward, backward] = [msrpFramer(limits), msrpFramer()];
    for (let turn = 0; turn < 20_000 && outcomes.size < sent.length; turn++) {
      for (const event of forward.push(there.take(1 + choose(3000)))) receiver.receive(event);
      for (const event of backward.push(back.take(1 + choose(300)))) sender.receive(event);
      if (full && there.bytes === 0) {
        full = false;
        sender.drained();
      }
      for (const source of sources) {
        source.until = Math.min(source.bytes, source.until + 1 + choose(2000));
        if (choose(2) === 0 || turn % 7 === 0) source.wake();
      }
    }
    expect([...outcomes.values()]).toEqual(sent.map(() => ['acknowledged']));
    expect([...got]).toEqual(sent.map(([octets], id) => [`m00${id}`, text(octets)]));
    expect(sources.map(({ closed }) => closed)).toEqual(
      sent.map(([, streamed]) => Number(streamed)),
    );
  });
  holds(property, VERIFY ? 2_000 : 100);
});
