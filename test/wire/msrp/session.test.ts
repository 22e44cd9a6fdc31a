import { describe, expect, it } from 'vitest';
import type { MsrpRequest } from '../../../src/wire/msrp/frame.ts';
import { simulatedClock } from '../../controls/simulated-clock.ts';
import {
  CLIENT,
  chunk,
  connected,
  message,
  octets,
  reports,
  says,
  sends,
  side,
} from './session-side.ts';

describe('binding [RFC 4975 §5.4]', () => {
  it('active: connected → at once a SEND, bodiless when there is no message', () => {
    const idle = connected();
    expect(idle.frames.map((frame) => frame.body)).toEqual([undefined]);
    const eager = side({ clock: simulatedClock() });
    eager.session.send(message('1'));
    expect(eager.wrote).toEqual([]);
    eager.session.connected();
    expect(eager.frames.map((frame) => frame.messageId)).toEqual(['id-1']);
  });

  it('passive: its first SEND waits for the peer’s, which is answered 200', () => {
    const passive = side({ clock: simulatedClock(), role: 'passive' });
    passive.session.send(message('1'));
    passive.session.connected();
    expect(passive.wrote).toEqual([]);
    passive.peer(sends('abcd', 'Message-ID: m123\r\nByte-Range: 1-0/0'));
    expect(passive.wrote).toEqual(['200 $', 'SEND $']);
    expect(passive.events[0]).toEqual({ kind: 'bound' });
  });

  it('passive: a SEND for another session → 481, unbound', () => {
    const passive = side({ clock: simulatedClock(), role: 'passive' });
    passive.peer(sends('abcd', 'Message-ID: m123').replace('p7k2m4qx9w', 'P7k2m4qx9w'));
    expect(passive.wrote).toEqual(['481 $']);
    expect(passive.session.state).toBe('waiting');
  });
});

describe('sending', () => {
  it('up to 2048 octets: one SEND with the exact range [RFC 4975 §7.1.1]', () => {
    const made = connected();
    made.session.send(message('1', new Uint8Array(2048)));
    expect(made.frames[1]).toMatchObject({
      byteRange: { start: 1, end: 2048, total: 2048 },
      failureReport: 'yes',
      successReport: 'no',
    });
  });

  it('beyond: interruptible chunks, acknowledged when all are', () => {
    const made = connected({ chunkBytes: 3000 });
    made.session.send(message('1', new Uint8Array(7000)));
    const chunks = made.frames.slice(1);
    expect(chunks.map(({ flag, byteRange }) => [byteRange?.start, byteRange?.end, flag])).toEqual([
      [1, '*', '+'],
      [3001, '*', '+'],
      [6001, '*', '$'],
    ]);
    for (const frame of chunks.toReversed()) {
      expect(made.outcomes()).toEqual([]);
      made.peer(says(frame, 200));
    }
    expect(made.outcomes()).toEqual(['1 {"outcome":"acknowledged"}']);
  });

  it('keeps the window and the order', () => {
    const made = connected({ windowMessages: 2 });
    for (const key of ['1', '2', '3', '4']) made.session.send(message(key));
    expect(made.frames.slice(1).map((frame) => frame.messageId)).toEqual(['id-1', 'id-2']);
    made.peer(says(made.frames[2], 200));
    expect(made.frames.slice(3).map((frame) => frame.messageId)).toEqual(['id-3']);
  });

  it('waits while the transport is full', () => {
    const made = connected({ chunkBytes: 3000 });
    made.full = true;
    made.session.send(message('1', new Uint8Array(7000)));
    expect(made.frames).toHaveLength(2);
    made.full = false;
    made.session.drained();
    expect(made.frames).toHaveLength(4);
  });

  it.each([400, 403, 415, 423])('%i fails the message and the session goes on', (status) => {
    const made = connected({ chunkBytes: 3000 });
    made.full = true;
    made.session.send(message('1', new Uint8Array(7000)));
    made.full = false;
    made.peer(says(made.frames[1], status));
    expect(made.outcomes()).toEqual([`1 {"outcome":"failed","status":${status},"sent":true}`]);
    expect(made.frames.at(-1)).toMatchObject({ flag: '#', messageId: 'id-1' });
    made.session.drained();
    made.session.send(message('2', octets('x'), 'other/type'));
    expect(made.frames.at(-1)?.messageId).toBe('id-2');
  });

  it('413: no further chunk of the message, not even # [RFC 4975 §10.5]', () => {
    const made = connected({ chunkBytes: 3000 });
    made.full = true;
    made.session.send(message('1', new Uint8Array(7000)));
    made.full = false;
    made.peer(says(made.frames[1], 413));
    made.session.drained();
    expect(made.frames).toHaveLength(2);
    expect(made.outcomes()).toEqual(['1 {"outcome":"failed","status":413,"sent":true}']);
  });

  it('415: the type is not sent again [RFC 4975 §10.6]', () => {
    const made = connected();
    made.session.send(message('1', octets('x'), 'multipart/mixed;boundary=a'));
    made.peer(says(made.frames[1], 415));
    made.session.send(message('2', octets('x'), 'Multipart/Mixed;boundary=b'));
    expect(made.outcomes()[1]).toBe('2 {"outcome":"failed","status":415,"sent":false}');
  });

  it.each([408, 481, 501, 506])('%i ends the session: all open messages are lost', (status) => {
    const made = connected({ windowMessages: 2 });
    for (const key of ['1', '2', '3']) made.session.send(message(key));
    made.peer(says(made.frames[1], status));
    const lost = (key: string, sent: boolean) =>
      `${key} {"outcome":"sessionLost","reason":"the peer answered ${status}","sent":${sent}}`;
    expect(made.outcomes()).toEqual([lost('1', true), lost('2', true), lost('3', false)]);
    expect(made.events.at(-1)).toMatchObject({ kind: 'lost' });
  });

  it('no answer for 30 s: timeout, and the session is over [RFC 4975 §7.1.4]', () => {
    const clock = simulatedClock();
    const made = connected({ clock, windowMessages: 2 });
    made.peer(says(made.frames[0], 200));
    clock.advance(10_000);
    for (const key of ['1', '2', '3']) made.session.send(message(key));
    clock.advance(29_999);
    expect(made.outcomes()).toEqual([]);
    expect(clock.pending()).toBe(1);
    clock.advance(1);
    expect(made.outcomes()[0]).toBe('1 {"outcome":"timeout"}');
    expect(made.outcomes()[1]).toContain('"sessionLost"');
    expect(made.outcomes()[2]).toContain('"sent":false');
    expect(clock.pending()).toBe(0);
    expect(made.wrote).toHaveLength(3);
  });

  it('the 30 s count from when the transport took the octets', () => {
    const clock = simulatedClock();
    const made = connected({ clock });
    made.peer(says(made.frames[0], 200));
    made.full = true;
    made.session.send(message('1'));
    clock.advance(20_000);
    made.full = false;
    made.session.drained();
    clock.advance(29_999);
    expect(made.outcomes()).toEqual([]);
    clock.advance(1);
    expect(made.outcomes()).toEqual(['1 {"outcome":"timeout"}']);
  });

  it('abort: # for the message under way, the rest lost', () => {
    const made = connected({ chunkBytes: 3000 });
    made.full = true;
    made.session.send(message('1', new Uint8Array(7000)));
    made.session.abort('BYE');
    expect(made.frames.at(-1)).toMatchObject({ flag: '#' });
    expect(made.outcomes()).toHaveLength(1);
    made.session.send(message('2'));
    expect(made.outcomes()[1]).toContain('"sent":false');
  });
});

describe('REPORTs', () => {
  const RELAYED = { remotePath: ['msrp://relay.example:2855;tcp', CLIENT] };

  it('behind relays only a REPORT on all octets acknowledges (A-46)', () => {
    const made = connected({ ...RELAYED });
    made.session.send(message('1', new Uint8Array(100)));
    expect(made.frames[1]).toMatchObject({ successReport: 'yes' });
    made.peer(says(made.frames[1], 200));
    made.peer(reports('id-1', '51-100/100', '000 200 OK'));
    expect(made.outcomes()).toEqual([]);
    made.peer(reports('id-1', '1-50/100', '000 200 OK'));
    expect(made.outcomes()).toEqual(['1 {"outcome":"acknowledged"}']);
  });

  it('a REPORT that never comes is a timeout and ends the session (A-31)', () => {
    const clock = simulatedClock();
    const made = connected({ ...RELAYED, clock });
    made.session.send(message('1'));
    for (const frame of made.frames) made.peer(says(frame, 200));
    clock.advance(30_000);
    expect(made.outcomes()).toEqual(['1 {"outcome":"timeout"}']);
    expect(made.session.state).toBe('ended');
  });

  it('a failure REPORT after the 200 takes it back, for 30 s (A-31)', () => {
    const clock = simulatedClock();
    const made = connected({ clock });
    for (const key of ['1', '2']) {
      made.session.send(message(key));
      made.peer(says(made.frames.at(-1), 200));
    }
    made.peer(reports('id-1', '1-5/5', '000 403'));
    expect(made.events.at(-1)).toEqual({ kind: 'takenBack', key: '1', status: 403 });
    clock.advance(30_000);
    made.session.send(message('3'));
    made.peer(says(made.frames.at(-1), 200));
    made.peer(reports('id-2', '1-5/5', '000 403'));
    expect(made.events.at(-1)).toMatchObject({ kind: 'refused' });
  });

  it('a REPORT is never answered [RFC 4975 §7.1.2]', () => {
    const made = connected();
    made.wrote.length = 0;
    made.peer(reports('unknown', '1-5/5', '000 200 OK'));
    made.peer(reports('unknown', '1-5/5', '000 481'));
    expect(made.wrote).toEqual([]);
  });
});

it('an unknown method is answered 501 [RFC 4975 §10.9]', () => {
  const made = connected();
  made.peer(sends('abcd', 'Message-ID: m123').replace('SEND', 'AUTH'));
  expect(made.wrote.at(-1)).toBe('501 $');
});

it('hearing nothing on the binding SEND alone ends a session, an answer on anything else saves it', () => {
  const clock = simulatedClock();
  const [silent, alive] = [connected({ clock }), connected({ clock })];
  alive.session.send(message('1'));
  alive.peer(says(alive.frames[1], 200));
  clock.advance(30_000);
  expect([silent.session.state, alive.session.state]).toEqual(['ended', 'bound']);
});

it('a stray response is reported, not taken for an answer', () => {
  const made = connected();
  made.session.send(message('1'));
  made.peer(chunk('abcd', '1-1/1', 'x', '$').replace('SEND', '200'));
  made.peer(says({ ...(made.frames[0] as MsrpRequest), tid: 'stray' }, 200));
  expect(made.outcomes()).toEqual([]);
  expect(made.events.at(-1)).toMatchObject({ kind: 'refused' });
});
