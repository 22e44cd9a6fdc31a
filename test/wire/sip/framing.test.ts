import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Framed, sipFramer } from '../../../src/wire/sip/framing.ts';

const seed = Number(process.env.RESTANTE_SEED ?? 20261122);
const octets = (text: string) => new TextEncoder().encode(text);
const text = (of: Uint8Array | undefined) => new TextDecoder().decode(of);

function request(callId: string, body = '', lines = `Content-Length: ${octets(body).length}\r\n`) {
  return (
    `MESSAGE sip:a@h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK${callId}\r\nFrom: <sip:b@h>\r\n` +
    `To: <sip:a@h>\r\nCall-ID: ${callId}\r\nCSeq: 1 MESSAGE\r\n${lines}\r\n${body}`
  );
}

const brief = (framed: Framed) =>
  framed.kind === 'message'
    ? text(framed.message.octets)
    : framed.kind === 'ping'
      ? 'ping'
      : [framed.status, framed.fatal, framed.message?.first('call-id')];

/** What a stream gives when it comes in pieces that end at `cuts`. */
function split(stream: Uint8Array, cuts: readonly number[]) {
  const framer = sipFramer();
  const found: ReturnType<typeof brief>[] = [];
  let from = 0;
  for (const to of [...cuts, stream.length]) {
    // A copy that is overwritten afterwards: nothing may refer to the caller's chunk.
    const chunk = stream.slice(from, to);
    const framed = framer.push(chunk);
    chunk.fill(0);
    found.push(...framed.map(brief));
    from = to;
  }
  return { found, pending: framer.pending };
}

describe('sipFramer', () => {
  it('cuts pipelined messages, with keep-alives between them [RFC 5626 §4.4.1]', () => {
    const [a, b] = [request('1', 'при\r\n\r\nвет'), request('2')];
    const { found, pending } = split(octets(`\r\n${a}\r\n\r\n\r\n${b}\r\n\r\n\r\n\r\nMESS`), []);
    expect(found).toEqual([a, 'ping', b, 'ping', 'ping']);
    expect(pending).toBe(4);
  });

  it('gives the same whatever the split', () => {
    const part = fc.oneof(
      fc.string({ unit: 'binary' }).map((body) => request('m', body)),
      fc.constantFrom('\r\n', '\r\n\r\n', request('no-to').replace('To: <sip:a@h>\r\n', '')),
      fc.constantFrom(request('анна', '\r\n\r\n'), request('l', '', ''), '\r', 'x', '\u0000'),
    );
    const stream = fc
      .array(part, { maxLength: 6 })
      .map((parts) => octets(parts.join('')))
      .chain((whole) =>
        fc.record({
          whole: fc.constant(whole),
          cuts: fc
            .array(fc.nat(whole.length), { maxLength: 30 })
            .map((cuts) => cuts.sort((x, y) => x - y)),
        }),
      );
    fc.assert(
      fc.property(stream, ({ whole, cuts }) => {
        const each = Array.from(whole, (_, at) => at);
        const expected = split(whole, []);
        expect(split(whole, cuts)).toEqual(expected);
        expect(split(whole, each)).toEqual(expected);
      }),
      { seed, numRuns: 300 },
    );
  });

  it('goes on behind a message it refuses, when it knows where that ends', () => {
    const bad = request('bad', 'body').replace('CSeq: 1 MESSAGE', 'CSeq: 1 BYE');
    expect(split(octets(bad + request('next')), []).found).toEqual([
      [400, false, 'bad'],
      request('next'),
    ]);
  });

  it.each([
    ['no Content-Length', request('1', 'x', ''), 400],
    ['a negative one', request('1', 'x', 'Content-Length: -1\r\n'), 400],
    ['two that differ', request('1', 'x', 'l: 1\r\nl: 2\r\n'), 400],
    ['a header without colon', request('1', '', 'l: 0\r\nnonsense\r\n'), 400],
    ['a body beyond the limit', request('1', '', 'l: 999999\r\n'), 513],
    ['a line beyond the limit', request('1', '', `X: ${'x'.repeat(20_000)}\r\nl: 0\r\n`), 513],
  ])('%s is fatal and answered %#', (_what, stream, status) => {
    const framer = sipFramer();
    expect(framer.push(octets(stream)).map(brief)).toEqual([[status, true, '1']]);
    expect(framer.push(octets(request('2')))).toEqual([]);
    expect(framer.pending).toBe(0);
  });

  it.each(['\u0016\u0003\u0001', '\rx', 'GET / HTTP/1.1\r\nHost: h\r\n\r\n', ' \r\n\r\n'])(
    '%j is fatal, without an answer',
    (stream) => {
      expect(split(octets(stream), []).found).toEqual([[null, true, undefined]]);
    },
  );

  it('a response without Content-Length is fatal, without an answer', () => {
    const response = request('1', '', '').replace('MESSAGE sip:a@h SIP/2.0', 'SIP/2.0 200 OK');
    expect(split(octets(response), []).found).toEqual([[null, true, '1']]);
  });

  it('never holds more than a head and a chunk without an end in sight', () => {
    const framer = sipFramer();
    const framed: Framed[] = [];
    framer.push(octets('MESSAGE sip:a@h SIP/2.0\r\nX: '));
    for (let n = 0; n < 100 && framed.length === 0; n += 1) {
      framed.push(...framer.push(octets('x'.repeat(1000))));
      expect(framer.pending).toBeLessThanOrEqual(65 * 1024);
    }
    expect(framed.map(brief)).toEqual([[null, true, undefined]]);
  });

  it('counts what is pending', () => {
    const framer = sipFramer();
    framer.push(octets(request('1', 'body').slice(0, -2)));
    expect(framer.pending).toBe(request('1', 'body').length - 2);
    expect(framer.push(octets('dy')).length).toBe(1);
    expect(framer.pending).toBe(0);
  });
});
