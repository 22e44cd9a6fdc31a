/** Where messages go as they come: nothing of them is kept by the session. */
import { describe, expect, it } from 'vitest';
import { MSRP_LIMITS } from '../../../src/wire/msrp/limits.ts';
import { type MemorySink, memorySink } from '../../../src/wire/msrp/message-sink.ts';
import type { IncomingHead } from '../../../src/wire/msrp/session.ts';
import { chunk, connected, octets, reports, sends } from './session-side.ts';

const PIECES = { ...MSRP_LIMITS, wholeBytesMax: 0 };

/** A session and the sinks it was given, with what became of each. */
function receiving(options: Parameters<typeof connected>[0] = {}) {
  const heads: IncomingHead[] = [];
  const sinks: { readonly said: string[]; unwrittenBytes: number }[] = [];
  const begin = (head: IncomingHead): MemorySink => {
    const said: string[] = [];
    const sink = {
      ...memorySink(),
      write: (at: number, piece: Uint8Array) =>
        said.push(`${at} ${new TextDecoder().decode(piece)}`),
      discard: (reason: string) => said.push(`discarded: ${reason}`),
      unwrittenBytes: 0,
    };
    heads.push(head);
    sinks.push(Object.assign(sink, { said }));
    return sink;
  };
  const made = connected({ limits: PIECES, begin, ...options });
  made.wrote.length = 0;
  const aborted = () => made.events.filter((event) => event.kind === 'aborted');
  return { ...made, heads, sinks, aborted };
}

const HEAD = 'Message-ID: m123\r\nByte-Range: 1-*/20\r\nContent-Type: a/b\r\n\r\n';
/** A chunk without its end. */
const open = (body: string, tid = 't001') => sends(tid, HEAD + body).split('\r\n-------')[0] ?? '';
const close = (flag: string, tid = 't001') => `\r\n-------${tid}${flag}\r\n`;

describe('the sink of a message', () => {
  it('is asked for when the message begins, and given each octet when it comes', () => {
    const made = receiving();
    made.peer(open('hel'));
    expect(made.heads).toEqual([
      {
        messageId: 'm123',
        contentType: 'a/b',
        total: 20,
        successReport: 'no',
        failureReport: 'yes',
      },
    ]);
    made.peer('lo\r');
    made.peer('\nworld');
    expect(made.sinks[0]?.said).toEqual(['0 hel', '3 lo', '5 \r\nworld']);
    expect(made.wrote).toEqual([]);
    made.peer(close('+'));
    expect(made.wrote).toEqual(['200 $']);
    made.peer(chunk('t002', '13-20/20', 'goodbye!', '$'));
    expect(made.sinks[0]?.said.at(-1)).toBe('12 goodbye!');
    expect(made.sinks).toHaveLength(1);
  });

  it('is told when the peer gives the message up, and so is the owner', () => {
    const made = receiving();
    made.peer(open('hello'));
    made.peer(close('#'));
    const reason = 'the peer gave the message up';
    expect(made.sinks[0]?.said).toEqual(['0 hello', `discarded: ${reason}`]);
    expect(made.aborted()).toEqual([{ kind: 'aborted', messageId: 'm123', bytes: 5, reason }]);
    expect(made.wrote).toEqual(['200 $']);
  });

  it.each(['abort', 'disconnected'] as const)('is told when the session ends (%s)', (how) => {
    const made = receiving();
    made.peer(chunk('t001', '1-5/20', 'hello'));
    made.peer(open('hello', 't002').replaceAll('m123', 'm124'));
    made.session[how]('BYE');
    made.peer('never taken');
    expect(made.sinks.map(({ said }) => said)).toEqual([
      ['0 hello', 'discarded: BYE'],
      ['0 hello', 'discarded: BYE'],
    ]);
    expect(made.events.slice(-3).map((event) => event.kind)).toEqual([
      'aborted',
      'aborted',
      'lost',
    ]);
  });

  it('counts for the connection until the message is answered', () => {
    const made = receiving();
    made.peer(chunk('t001', '1-5/5', 'hello', '$'));
    made.peer(chunk('t002', '1-5/10', 'hello').replace('m123', 'm124'));
    for (const sink of made.sinks) sink.unwrittenBytes = 10;
    expect(made.session.unwrittenBytes).toBe(20);
    made.session.answer('t001', 200);
    expect(made.session.unwrittenBytes).toBe(10);
  });

  it('is given the head of the chunk that holds the first octet, whenever that came', () => {
    const made = receiving();
    made.peer(chunk('t002', '6-10/10', 'world', '$'));
    made.peer(chunk('t001', '1-5/10', 'hello'));
    const done = made.events.at(-1);
    expect(done).toMatchObject({ kind: 'completed', tid: 't001', message: { headTid: 't001' } });
    const head = done?.kind === 'completed' ? new TextDecoder().decode(done.message.head) : '';
    expect(head).toMatch(/^MSRP t001 SEND\r\n(.+\r\n)+\r\n$/);
  });

  it('of an empty message holds nothing', () => {
    const made = receiving();
    made.peer(chunk('t001', '1-0/0', '', '$'));
    expect(made.events.at(-1)).toMatchObject({ message: { bytes: 0, chunks: 1, headTid: 't001' } });
  });
});

describe('a message that is not taken', () => {
  it.each([403, 413, 415])('%i at its first octet; the rest of it is read past', (status) => {
    const made = receiving({ begin: () => status });
    made.peer(open(''));
    expect(made.wrote).toEqual([]);
    made.peer('h');
    expect(made.wrote).toEqual([`${status} $`]);
    made.peer(`ello${close('+')}`);
    made.peer(chunk('t002', '6-10/20', 'world'));
    expect(made.wrote).toEqual([`${status} $`, `${status} $`]);
    made.peer(sends('t003', 'Message-ID: m123\r\nByte-Range: 11-*/20', '#'));
    expect(made.wrote.at(-1)).toBe('200 $');
    expect(made.aborted()).toEqual([]);
    made.peer(chunk('t004', '1-5/5', 'hello', '$'));
    expect(made.wrote.at(-1)).toBe(`${status} $`);
  });

  it('without a place for messages: 403, but an empty SEND is answered 200', () => {
    const { session, peer, wrote } = connected({ limits: PIECES, begin: () => 403 });
    peer(chunk('t001', '1-5/5', 'hello', '$'));
    peer(sends('t002', 'Message-ID: m124\r\nByte-Range: 1-0/0'));
    expect(wrote.slice(1)).toEqual(['403 $', '200 $']);
    expect(session.unanswered).toBe(0);
  });

  it('growing too long it is stopped in the middle of its chunk [RFC 4975 §10.5]', () => {
    const made = receiving({ limits: { ...PIECES, messageBytesMax: 8 } });
    made.peer(open('hello').replace('/20', '/*'));
    made.peer('work');
    expect(made.wrote).toEqual(['413 $']);
    expect(made.sinks[0]?.said).toEqual(['0 hello', 'discarded: the message is too long']);
    expect(made.aborted()).toMatchObject([{ messageId: 'm123', bytes: 5 }]);
    made.peer(`er${close('#')}`);
    expect(made.wrote, 'one answer to one request').toEqual(['413 $']);
    made.peer(chunk('t002', '1-5/5', 'hello', '$'));
    expect(made.events.at(-1)?.kind, 'it may come again, shorter').toBe('completed');
  });

  it('a chunk of another type, or behind the last: 400, and the message goes on', () => {
    const made = receiving();
    made.peer(chunk('t001', '6-10/10', 'world', '$'));
    made.peer(chunk('t002', '1-2/10', 'he').replace('a/b', 'a/c'));
    made.peer(chunk('t003', '8-12/10', 'ld...'));
    expect(made.wrote).toEqual(['200 $', '400 $', '400 $']);
    made.peer(chunk('t004', '1-5/10', 'hello'));
    expect(made.events.at(-1)).toMatchObject({ kind: 'completed', message: { bytes: 10 } });
  });
});

it('other requests may come between the chunks of a message', () => {
  const made = receiving();
  made.peer(chunk('t001', '1-5/10', 'hello'));
  made.peer(chunk('t002', '1-3/3', 'one', '$').replace('m123', 'm124'));
  made.peer(reports('none', '1-3/3', '000 200 OK'));
  made.peer(sends('t003', 'Message-ID: m125'));
  made.peer(chunk('t004', '6-10/10', 'world', '$'));
  const completed = made.events.flatMap((event) =>
    event.kind === 'completed' ? [event.message.messageId] : [],
  );
  expect(completed).toEqual(['m124', 'm123']);
});

describe('memory', () => {
  it('what came in order is handed out as it is, a single piece without a copy', () => {
    const [sink, whole] = [memorySink(), octets('hello')];
    sink.write(0, whole);
    expect(sink.octets(5)).toBe(whole);
    expect(sink.octets(3)).toEqual(octets('hel'));
  });

  it('later octets replace earlier ones [RFC 4975 §7.3.1]', () => {
    const sink = memorySink();
    for (const [at, text] of [
      [3, 'xxx'],
      [0, 'abcd'],
      [4, 'ef'],
    ] as const) {
      sink.write(at, octets(text));
    }
    expect(new TextDecoder().decode(sink.octets(6))).toBe('abcdef');
    sink.discard('over');
    expect(sink.octets(0)).toEqual(octets(''));
  });
});
