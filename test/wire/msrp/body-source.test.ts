/** Messages that are read while they are sent. */
import { describe, expect, it } from 'vitest';
import { joinSources } from '../../../src/wire/msrp/join-sources.ts';
import { simulatedClock } from '../../controls/simulated-clock.ts';
import { scriptedSource } from './scripted-source.ts';
import { connected, message, octets, says, side } from './session-side.ts';

const noise = (bytes: number) => Uint8Array.from({ length: bytes }, (_, i) => (i * 7919) % 251);
const sent = (made: ReturnType<typeof connected>) =>
  made.frames.slice(1).map(({ byteRange, body, flag }) => [byteRange?.start, body?.length, flag]);

describe('a body from a source', () => {
  it('is read chunk by chunk, and closed behind its last octet', () => {
    const made = connected({ chunkBytes: 3000 });
    const source = scriptedSource(noise(7000));
    made.session.send({ ...message('1'), body: source });
    expect(sent(made)).toEqual([
      [1, 3000, '+'],
      [3001, 3000, '+'],
      [6001, 1000, '$'],
    ]);
    expect(source.asked).toEqual([
      [0, 3000],
      [3000, 3000],
      [6000, 1000],
    ]);
    expect(source.closed).toBe(1);
    for (const frame of made.frames) made.peer(says(frame, 200));
    expect(made.outcomes()).toEqual(['1 {"outcome":"acknowledged"}']);
    expect(source.closed).toBe(1);
  });

  it('is not asked while the transport is full', () => {
    const made = connected({ chunkBytes: 3000 });
    const source = scriptedSource(noise(7000));
    made.full = true;
    made.session.send({ ...message('1'), body: source });
    expect(source.asked).toHaveLength(1);
    made.session.drained();
    expect(source.asked).toHaveLength(2);
  });

  it('is not asked before it is the session’s turn', () => {
    let turn = false;
    const made = connected({ ready: () => turn });
    const source = scriptedSource(noise(10));
    made.session.send({ ...message('1'), body: source });
    expect(source.asked).toEqual([]);
    turn = true;
    made.session.drained();
    expect(sent(made)).toEqual([[1, 10, '$']]);
  });

  it('has no more yet: the session waits, and no other message overtakes (T-10)', () => {
    const made = connected({ chunkBytes: 3000 });
    const source = scriptedSource(noise(7000));
    source.until = 3000;
    made.session.send({ ...message('1'), body: source });
    made.session.send(message('2'));
    expect(sent(made)).toEqual([[1, 3000, '+']]);
    source.until = 7000;
    source.wake();
    expect(made.frames.map(({ messageId }) => messageId).slice(1)).toEqual([
      ...['id-1', 'id-1', 'id-1', 'id-2'],
    ]);
  });

  it.each([
    [2047, []],
    [2048, [[1, 2048, '+']]],
  ])(
    'gives %i octets and no more yet: a chunk ends early, if it may [RFC 4975 §7.1.1]',
    (bytes, chunks) => {
      const made = connected();
      const source = scriptedSource(noise(5000));
      source.until = bytes;
      made.session.send({ ...message('1'), body: source });
      expect(sent(made)).toEqual(chunks);
      source.until = 5000;
      source.wake();
      expect(sent(made).at(-1)).toEqual([
        chunks.length === 0 ? 1 : 2049,
        5000 - (chunks.length && 2048),
        '$',
      ]);
    },
  );

  it('gives little at a time: a chunk is put together of it', () => {
    const made = connected();
    const source = scriptedSource(noise(3000));
    source.bytesMax = 700;
    made.session.send({ ...message('1'), body: source });
    expect(sent(made)).toEqual([[1, 3000, '$']]);
    expect(made.frames[1]?.body).toEqual(noise(3000));
  });

  it('cannot be read on: # for the message, and the session goes on', () => {
    const made = connected({ chunkBytes: 3000 });
    const source = scriptedSource(noise(7000));
    source.broken = 3000;
    made.session.send({ ...message('1'), body: source });
    made.session.send(message('2'));
    expect(made.outcomes()).toEqual([
      '1 {"outcome":"unreadable","reason":"the disk is gone","sent":true}',
    ]);
    expect(made.frames.slice(1).map(({ messageId, flag }) => [messageId, flag])).toEqual([
      ['id-1', '+'],
      ['id-1', '#'],
      ['id-2', '$'],
    ]);
    expect([source.closed, made.session.state]).toEqual([1, 'bound']);
    made.peer(says(made.frames[1], 200));
    made.peer(says(made.frames[2], 200));
    expect(made.outcomes()).toHaveLength(1);
  });

  it('cannot be read at all: nothing of it left', () => {
    const made = connected();
    const source = scriptedSource(noise(10));
    source.broken = 0;
    made.session.send({ ...message('1'), body: source });
    expect(made.outcomes()).toEqual([
      '1 {"outcome":"unreadable","reason":"the disk is gone","sent":false}',
    ]);
    expect(made.frames).toHaveLength(1);
  });

  it.each([0, 11])('that gives %i octets when 1 to 10 were asked for is not believed', (bytes) => {
    const made = connected();
    const source = { ...scriptedSource(noise(10)), read: () => new Uint8Array(bytes) };
    made.session.send({ ...message('1'), body: source });
    const reason = `${bytes} octets read where 1 to 10 were asked for`;
    expect(made.outcomes()).toEqual([
      `1 {"outcome":"unreadable","reason":"${reason}","sent":false}`,
    ]);
  });

  it.each([403, 413, 415])('is closed once when the peer answers %i', (status) => {
    const made = connected({ chunkBytes: 3000 });
    const source = scriptedSource(noise(7000));
    source.until = 3000;
    made.session.send({ ...message('1'), body: source });
    made.peer(says(made.frames[1], status));
    source.wake();
    expect([source.closed, source.asked.length]).toEqual([1, 2]);
    expect(made.frames.at(-1)?.flag).toBe(status === 413 ? '+' : '#');
  });

  it('is closed once, also when its message was never begun', () => {
    const made = side({ clock: simulatedClock(), chunkBytes: 3000, windowMessages: 1 });
    const sources = Array.from({ length: 3 }, () => scriptedSource(noise(4000)));
    const [first, second, late] = sources;
    for (const [key, body] of [first, second].entries()) {
      made.session.send({ ...message(`${key}`), body: body ?? octets('') });
    }
    made.session.abort('BYE');
    made.session.send({ ...message('3'), body: late ?? octets('') });
    expect(sources.map(({ closed }) => closed)).toEqual([1, 1, 1]);
  });

  it('is closed when its type is not sent again [RFC 4975 §10.6]', () => {
    const made = connected();
    made.session.send(message('1'));
    made.peer(says(made.frames[1], 415));
    const source = scriptedSource(noise(10));
    made.session.send({ ...message('2'), body: source });
    expect([source.closed, source.asked]).toEqual([1, []]);
  });
});

describe('sources joined', () => {
  it('are one body, and no octet is copied', () => {
    const parts = [octets('ab'), octets(''), scriptedSource(octets('cde')), octets('f')];
    const joined = joinSources(parts);
    const read = (at: number, bytes: number) => joined.read(at, bytes, () => {});
    expect(joined.bytes).toBe(6);
    expect([read(0, 9), read(2, 2), read(4, 9), read(5, 1), read(1, 1)]).toEqual(
      ['ab', 'cd', 'e', 'f', 'b'].map(octets),
    );
    expect((read(0, 2) as Uint8Array).buffer).toBe((parts[0] as Uint8Array).buffer);
  });

  it('pass on what a source says, and close each once', () => {
    const source = scriptedSource(octets('cde'));
    const joined = joinSources([octets('ab'), source]);
    source.until = 1;
    let woken = 0;
    expect(joined.read(3, 9, () => woken++)).toBe('later');
    source.wake();
    source.broken = 2;
    expect(joined.read(4, 9, () => {})).toEqual({ failed: 'the disk is gone' });
    joined.close();
    expect([woken, source.closed]).toEqual([1, 1]);
    expect(joined.read(5, 1, () => {})).toEqual({ failed: 'no octet 5 in a body of 5' });
  });

  it('make one message', () => {
    const made = connected();
    const source = scriptedSource(noise(3000));
    made.session.send({
      ...message('1'),
      body: joinSources([octets('head'), source, octets('end')]),
    });
    expect(sent(made)).toEqual([[1, 3007, '$']]);
    const body = Buffer.from(made.frames[1]?.body ?? []);
    expect(body.equals(Buffer.concat([octets('head'), noise(3000), octets('end')]))).toBe(true);
  });
});
