import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type FrameEvent,
  type MsrpFrame,
  type MsrpRequest,
  msrpFramer,
} from '../../../src/wire/msrp/frame.ts';
import { MSRP_LIMITS, type MsrpLimits } from '../../../src/wire/msrp/limits.ts';
import {
  joinOctets,
  renderReport,
  renderResponse,
  renderSend,
} from '../../../src/wire/msrp/render.ts';

const seed = Number(process.env.RESTANTE_SEED ?? 20261122);
const FIXTURES = new URL('../../../../shared/data/wire/', import.meta.url);
const octets = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('latin1');

function read(...chunks: readonly Uint8Array[]): readonly FrameEvent[] {
  return readWith(MSRP_LIMITS, chunks);
}

function readWith(limits: MsrpLimits, chunks: readonly Uint8Array[]): readonly FrameEvent[] {
  const framer = msrpFramer(limits);
  return chunks.flatMap((chunk) => [...framer.push(chunk)]);
}

function onlyFrame(bytes: Uint8Array): MsrpFrame {
  const [event, ...more] = read(bytes);
  expect(more).toEqual([]);
  if (event?.kind !== 'frame') throw new Error(`expected a frame, got ${JSON.stringify(event)}`);
  return event.frame;
}

function refusalOf(source: string): { reason: string; section: string; fatal: boolean } {
  const [event] = read(octets(source));
  if (event?.kind !== 'refusal') throw new Error('expected a refusal');
  return event;
}

function render(frame: MsrpFrame): Uint8Array {
  if (frame.kind === 'response') return renderResponse({ comment: '', ...frame });
  const { messageId, byteRange, status } = frame;
  if (frame.method === 'SEND') return joinOctets(renderSend(frame));
  if (messageId === undefined || byteRange === undefined || status === undefined) {
    throw new Error('a REPORT has these');
  }
  return renderReport({ ...frame, messageId, byteRange, status });
}

const PATHS = 'To-Path: msrp://a.example:1/x;tcp\r\nFrom-Path: msrp://b.example:2/y;tcp\r\n';
const send = (rest: string, tid = 'abcd1234') => `MSRP ${tid} SEND\r\n${PATHS}${rest}`;

const fixtures = [
  'a8_MSRP_SEND',
  'a8s_MSRP_SEND_sipfrag',
  'a9_MSRP_200',
  'b4_SEND_1',
  'b5_200_1',
  'b6_SEND_2',
  'b7_200_2',
  'b10_MSRP_SEND_push',
  'b11_MSRP_200',
  'x1_empty_SEND',
  'x2_REPORT',
];
if (!existsSync(FIXTURES))
  console.warn('SKIPPED: the fixtures of ../shared/data/wire are not here');

describe.skipIf(!existsSync(FIXTURES))('fixtures of ../shared/data/wire', () => {
  const load = (name: string) => new Uint8Array(readFileSync(new URL(`${name}.bin`, FIXTURES)));

  it.each(fixtures)('%s is read and written octet for octet', (name) => {
    const source = load(name);
    const frame = onlyFrame(source);
    expect(text(frame.octets)).toBe(text(source));
    expect(text(render(frame))).toBe(text(source));
  });

  it('the body lengths are those of Byte-Range', () => {
    const bytes = (name: string) => (onlyFrame(load(name)) as MsrpRequest).body?.length;
    const names = ['a8_MSRP_SEND', 'a8s_MSRP_SEND_sipfrag', 'b4_SEND_1', 'b10_MSRP_SEND_push'];
    expect(names.map(bytes)).toEqual([1185, 1138, 2048, 3736]);
  });
});

const ident = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9.+%=-]{3,31}$/);
const uri = fc
  .tuple(fc.stringMatching(/^[a-z][a-z0-9.]{0,12}$/), fc.integer({ min: 1, max: 65535 }), ident)
  .map(([host, port, id]) => `msrp://${host}:${port}/${id.replaceAll('%', '=')};tcp`);
const path = fc.array(uri, { minLength: 1, maxLength: 3 });
const lookAlike = fc.constantFrom('\r\n-------', '-------', '\r\n', '$\r\n', '\r', 'MSRP ', '\0');

/** Bodies rich in what looks like an end-line, some with the frame's own transaction id. */
const body = (tid: string) =>
  fc
    .array(
      fc.oneof(
        lookAlike.map(octets),
        fc.constant(octets(`\r\n-------${tid.slice(0, -1)}$\r\n`)),
        fc.constant(octets(`\r\n-------${tid}x\r\n`)),
        fc.uint8Array({ maxLength: 40 }),
      ),
      { maxLength: 12 },
    )
    .map((parts) => joinOctets(parts.length === 0 ? [new Uint8Array(0)] : parts));

const sendFrame = ident.chain((tid) =>
  fc.record(
    {
      tid: fc.constant(tid),
      toPath: path,
      fromPath: path,
      messageId: ident,
      failureReport: fc.constantFrom('yes', 'no', 'partial'),
      successReport: fc.constantFrom('yes', 'no'),
      byteRange: fc.record({
        start: fc.integer({ min: 1, max: 1e9 }),
        end: fc.oneof(fc.nat(), fc.constant('*' as const)),
        total: fc.oneof(fc.nat(), fc.constant('*' as const)),
      }),
      otherHeaders: fc.array(
        fc.tuple(fc.stringMatching(/^X-[a-z]{1,8}$/), fc.stringMatching(/^[!-~]{1,20}$/)),
        { maxLength: 3 },
      ),
      contentType: fc.constantFrom('text/plain', 'multipart/mixed;boundary="a b"'),
      body: body(tid),
      flag: fc.constantFrom('$', '+', '#'),
    },
    {
      requiredKeys: ['tid', 'toPath', 'fromPath', 'contentType', 'body', 'flag'],
    },
  ),
) as fc.Arbitrary<Parameters<typeof renderSend>[0] & { readonly body: Uint8Array }>;

function cut(bytes: Uint8Array, points: readonly number[]): readonly Uint8Array[] {
  const at = [0, ...points.map((n) => n % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.slice(at[i], end));
}

/** What is the same however the octets were split: the pieces of a body are joined. */
function bare(events: readonly FrameEvent[]): unknown {
  const told: unknown[] = [];
  let body: string | undefined;
  for (const event of events) {
    if (event.kind === 'piece') {
      expect(event.octets.length).toBeGreaterThan(0);
      body = (body ?? '') + text(event.octets);
      continue;
    }
    if (body !== undefined) told.push({ body });
    body = undefined;
    if (event.kind === 'frame') told.push({ ...event.frame, octets: text(event.frame.octets) });
    else if (event.kind === 'refusal') told.push({ reason: event.reason, fatal: event.fatal });
    else told.push({ ...event, octets: text(event.octets) });
  }
  return body === undefined ? told : [...told, { body }];
}

describe('properties', () => {
  it('what is rendered reads back as it was [RFC 4975 §9]', () => {
    fc.assert(
      fc.property(sendFrame, (frame) => {
        const source = joinOctets(renderSend(frame));
        const {
          octets: whole,
          kind,
          method,
          otherHeaders,
          ...rest
        } = onlyFrame(source) as MsrpRequest;
        expect({ kind, method }).toEqual({ kind: 'request', method: 'SEND' });
        expect(text(whole)).toBe(text(source));
        expect({ ...rest, otherHeaders, body: text(rest.body) }).toEqual({
          otherHeaders: [],
          ...frame,
          body: text(frame.body),
        });
      }),
      { seed, numRuns: 500 },
    );
  });

  it('any split of the octets gives the same events', () => {
    const points = fc.array(fc.nat(), { maxLength: 30 });
    const stream = fc.array(
      fc.oneof(
        { weight: 4, arbitrary: sendFrame.map((frame) => joinOctets(renderSend(frame))) },
        { weight: 1, arbitrary: fc.constant(octets(send('Bad\r\n-------abcd1234$\r\n'))) },
        { weight: 1, arbitrary: fc.constant(octets(send('\r\nxx\r\n-------abcd1234$\r\n'))) },
      ),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(stream, points, fc.boolean(), (frames, at, drip) => {
        const bytes = joinOctets(frames.length === 0 ? [new Uint8Array(0)] : frames);
        const pieces = drip ? [...bytes].map((octet) => Uint8Array.of(octet)) : cut(bytes, at);
        expect(bare(read(...pieces))).toEqual(bare(read(bytes)));
        expect(read(bytes)).toHaveLength(frames.length);
      }),
      { seed, numRuns: 150 },
    );
  });

  it('any split gives the same, also where bodies come in pieces', () => {
    const frames = fc.array(sendFrame, { minLength: 1, maxLength: 5 });
    const limits = fc.nat({ max: 60 }).map((bytes) => ({ ...MSRP_LIMITS, wholeBytesMax: bytes }));
    fc.assert(
      fc.property(
        frames,
        limits,
        fc.array(fc.nat()),
        fc.nat({ max: 50 }),
        (sent, most, at, lost) => {
          const whole = joinOctets(sent.flatMap(renderSend));
          // A connection may die anywhere.
          const bytes = whole.subarray(0, whole.length - lost);
          const once = bare(readWith(most, [bytes]));
          expect(bare(readWith(most, cut(bytes, at)))).toEqual(once);
          const drip = [...bytes].map((octet) => Uint8Array.of(octet));
          expect(bare(readWith(most, drip))).toEqual(once);
        },
      ),
      { seed, numRuns: 300 },
    );
  });

  it('hostile octets never throw and split alike', () => {
    const line = fc.constantFrom(
      send(''),
      'MSRP abcd1234 200 OK\r\n',
      PATHS,
      'Content-Type: a/b\r\n',
    );
    const shard = fc.oneof(
      fc.uint8Array({ maxLength: 30 }),
      lookAlike.map(octets),
      line.map(octets),
      fc.constant(octets('\r\n-------abcd1234$\r\n')),
    );
    fc.assert(
      fc.property(fc.array(shard, { minLength: 1 }), fc.array(fc.nat()), (shards, at) => {
        const bytes = joinOctets(shards);
        expect(bare(read(...cut(bytes, at)))).toEqual(bare(read(bytes)));
      }),
      { seed, numRuns: 1000 },
    );
  });
});

describe('what a frame may be', () => {
  it('a body may hold what looks like an end-line [RFC 4975 §7.1]', () => {
    const inside = 'x\r\n-------abcd1235$\r\n-------abcd1234?\r\n-------abcd1234$y';
    const frame = onlyFrame(
      octets(send(`Content-Type: a/b\r\n\r\n${inside}\r\n-------abcd1234+\r\n`)),
    );
    expect(frame).toMatchObject({ flag: '+' });
    expect(text((frame as MsrpRequest).body)).toBe(inside);
  });

  it('an empty body may end at the blank line', () => {
    const short = onlyFrame(octets(send('Content-Type: a/b\r\n\r\n-------abcd1234$\r\n')));
    const long = onlyFrame(octets(send('Content-Type: a/b\r\n\r\n\r\n-------abcd1234$\r\n')));
    expect([short, long].map((frame) => (frame as MsrpRequest).body?.length)).toEqual([0, 0]);
  });

  it.each([
    ['a tid of 3 characters', 'MSRP abc SEND\r\n\r\n'],
    ['a tid of 33 characters', `MSRP ${'a'.repeat(33)} SEND\r\n\r\n`],
    ['a method in small letters', 'MSRP abcd send\r\n\r\n'],
    ['another protocol', 'GET / HTTP/1.1\r\n'],
    ['LF alone', 'MSRP abcd SEND\n'],
    ['an end-line of another transaction', send('-------abcd1235$\r\n')],
    ['an endless line', 'M'.repeat(MSRP_LIMITS.headBytesMax + 1)],
    ['endless headers', send('X-a: b\r\n'.repeat(MSRP_LIMITS.headersMax + 1))],
  ])('%s loses the framing', (_, source) => {
    expect(refusalOf(source)).toMatchObject({ fatal: true });
  });

  it.each([
    ['Content-Type not last [RFC 4975 §7.1]', 'Content-Type: a/b\r\nX-a: b\r\n\r\nx\r\n'],
    ['a blank line without Content-Type [RFC 4975 §7.1]', '\r\nbody\r\n'],
    ['a second Message-ID', 'Message-ID: abcd\r\nMessage-ID: abcd\r\n'],
    ['a Message-ID with @ [RFC 4975 §9]', 'Message-ID: a@b.example\r\n'],
    ['a malformed Byte-Range', 'Byte-Range: 0-1/2\r\n'],
    ['a malformed Failure-Report', 'Failure-Report: maybe\r\n'],
    ['control characters', 'X-a: \x1b[31m\r\n'],
    ['broken UTF-8', 'X-a: \ufffd\r\n'],
  ])('%s is refused and the next frame read', (_, rest) => {
    const good = send('Message-ID: abcd\r\n-------abcd1234$\r\n');
    const events = read(octets(send(`${rest}-------abcd1234$\r\n`) + good));
    expect(events.map((event) => event.kind)).toEqual(['refusal', 'frame']);
    expect(events[0]).toMatchObject({ fatal: false });
  });

  it('a refused request can be answered 400', () => {
    const framer = msrpFramer();
    const [event, ...rest] = framer.push(octets(send('Byte-Range: x\r\n-------abcd1234$\r\n')));
    expect(event).toMatchObject({ answer: { status: 400, tid: 'abcd1234' }, fatal: false });
    expect(rest).toEqual([]);
    expect(framer.pending).toBe(0);
  });

  it('whether it wants that may stand behind what is wrong [RFC 4975 §7.1.4]', () => {
    const wrong = 'Byte-Range: x\r\nFailure-Report: no\r\nMessage-ID: a@b\r\n';
    const [event] = read(octets(send(`${wrong}-------abcd1234$\r\n`)));
    expect(event).toMatchObject({
      reason: 'Byte-Range is malformed or repeated',
      answer: { status: 400, failureReport: 'no' },
    });
  });
});

describe('a body that is too long to be held', () => {
  const limits = { ...MSRP_LIMITS, wholeBytesMax: 100 };
  const head = send('Content-Type: a/b\r\n\r\n');
  const chunk = (body: string, flag = '+') =>
    octets(`${head}${body}\r\n-------abcd1234${flag}\r\n`);

  it('comes in pieces, with what is around it as received', () => {
    const [begun, piece, ended] = readWith(limits, [chunk('x'.repeat(101), '$')]);
    expect(begun).toMatchObject({ kind: 'begun', head: { tid: 'abcd1234', contentType: 'a/b' } });
    expect(begun?.kind === 'begun' && text(begun.octets)).toBe(head);
    expect(piece?.kind === 'piece' && text(piece.octets)).toBe('x'.repeat(101));
    expect(ended).toMatchObject({ kind: 'ended', flag: '$' });
    expect(ended?.kind === 'ended' && text(ended.octets)).toBe('-------abcd1234$\r\n');
  });

  it('whatever the split, one that is short enough is a frame', () => {
    const bytes = chunk('x'.repeat(100));
    for (let at = 0; at <= bytes.length; at++) {
      const events = readWith(limits, [bytes.subarray(0, at), bytes.subarray(at)]);
      expect(events.map((event) => event.kind)).toEqual(['frame']);
    }
  });

  it('is told of as it comes: nothing of it is held but what may begin its end-line', () => {
    const framer = msrpFramer(limits);
    framer.push(octets(`${head}${'x'.repeat(101)}`));
    for (let i = 0; i < 100; i++) {
      const piece = new Uint8Array(1000).fill(120);
      expect(framer.push(piece).at(-1)).toEqual({ kind: 'piece', octets: piece });
      expect(framer.pending).toBe(0);
    }
    framer.push(octets('\r\n-------abcd1234'));
    expect(framer.pending).toBe(17);
  });

  it('is not copied, also when octets before it were held back', () => {
    const framer = msrpFramer(limits);
    framer.push(octets(`${head}${'x'.repeat(200)}\r\n----`));
    const large = new Uint8Array(65_536).fill(120);
    const pieces = framer.push(large);
    const last = pieces.at(-1);
    expect(pieces).toHaveLength(2);
    expect(last?.kind === 'piece' && last.octets.buffer).toBe(large.buffer);
  });

  it('a short one that is cut off is the beginning of one in pieces', () => {
    const whole = chunk('hello');
    for (let cut = 0; cut < whole.length; cut++) {
      const framer = msrpFramer();
      expect(framer.push(whole.subarray(0, cut))).toEqual([]);
      const [begun, ...pieces] = framer.cut();
      expect(begun?.kind).toBe(cut < head.length ? undefined : 'begun');
      const body = pieces.map((piece) => piece.kind === 'piece' && text(piece.octets)).join('');
      expect(body).toBe('hello'.slice(0, Math.max(0, cut - head.length)));
    }
  });

  it('of another request than SEND is refused beyond 10240 octets [RFC 4975 §7.1]', () => {
    const body = (bytes: number) =>
      octets(`${head.replace('SEND', 'NICKNAME')}${'x'.repeat(bytes)}\r\n-------abcd1234$\r\n`);
    const [refusal, next, ...rest] = read(body(10_241), body(10_240));
    expect(refusal).toMatchObject({ answer: { status: 413, tid: 'abcd1234' }, fatal: false });
    expect(next).toMatchObject({ kind: 'frame' });
    expect(rest).toEqual([]);
  });
});
