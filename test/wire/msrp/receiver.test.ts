import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MSRP_LIMITS } from '../../../src/wire/msrp/limits.ts';
import { addSpan, coverAll, type OctetSpans, octetsIn } from '../../../src/wire/msrp/ranges.ts';
import { chunk, connected, type Side, sends } from './session-side.ts';

const seed = Number(process.env.RESTANTE_SEED ?? 20261122);

function receiving(options: Parameters<typeof connected>[0]): Side {
  const made = connected(options);
  made.wrote.length = 0;
  return made;
}

/** Whether a chunk comes whole or as it arrives makes no difference to anybody. */
describe.each([
  ['in whole frames', MSRP_LIMITS],
  ['in pieces', { ...MSRP_LIMITS, wholeBytesMax: 0 }],
])('messages %s', (_, limits) => {
  describe('reassembly [RFC 4975 §7.3.1]', () => {
    it('other chunks are answered at once, the completing one by its consumer', () => {
      const made = receiving({ limits });
      made.peer(chunk('t001', '1-5/10', 'hello'));
      expect(made.wrote).toEqual(['200 $']);
      made.peer(chunk('t002', '6-10/10', 'world', '$'));
      expect(made.wrote).toHaveLength(1);
      expect(made.session.unanswered).toBe(1);
      made.session.answer('t002', 200);
      made.session.answer('t002', 200);
      expect(made.wrote).toEqual(['200 $', '200 $']);
      expect(made.bodies()).toEqual(['helloworld']);
    });

    it('the length of a chunk is that of its body, not its range-end', () => {
      const made = receiving({ limits });
      made.peer(chunk('t001', '1-9/10', 'hello'));
      made.peer(chunk('t002', '6-*/10', 'world', '$'));
      expect(made.bodies()).toEqual(['helloworld']);
    });

    it('without Byte-Range a SEND is a whole message', () => {
      const made = receiving({ limits });
      made.peer(sends('t001', 'Message-ID: m123\r\nContent-Type: a/b\r\n\r\nx'));
      expect(made.bodies()).toEqual(['x']);
    });

    it('a hole keeps it incomplete until it is filled', () => {
      const made = receiving({ limits });
      made.peer(chunk('t001', '1-3/9', 'abc'));
      made.peer(chunk('t002', '7-9/9', 'ghi', '$'));
      expect(made.bodies()).toEqual([]);
      made.peer(chunk('t003', '4-6/9', 'def'));
      expect(made.bodies()).toEqual(['abcdefghi']);
    });

    it('where chunks overlap the last received wins', () => {
      const made = receiving({ limits });
      made.peer(chunk('t001', '3-6/6', '??ef'));
      made.peer(chunk('t002', '1-4/6', 'abcd'));
      made.peer(chunk('t003', '5-6/6', 'EF', '$'));
      expect(made.bodies()).toEqual(['abcdEF']);
    });

    it('any order of chunks gives the message', () => {
      const pieces = fc.array(fc.stringMatching(/^[a-z]{1,5}$/), { minLength: 2, maxLength: 6 });
      fc.assert(
        fc.property(pieces, fc.array(fc.nat({ max: 1000 })), (parts, keys) => {
          const made = receiving({ limits });
          const whole = parts.join('');
          const chunks = parts.map((part, i) => {
            const start = parts.slice(0, i).join('').length + 1;
            return { start, part, flag: i === parts.length - 1 ? '$' : '+', key: keys[i] ?? 0 };
          });
          for (const { start, part, flag } of chunks.toSorted((a, b) => a.key - b.key)) {
            made.peer(chunk('abcd', `${start}-*/${whole.length}`, part, flag));
          }
          expect(made.bodies()).toEqual([whole]);
        }),
        { seed, numRuns: 200 },
      );
    });

    it('# discards what was there', () => {
      const made = receiving({ limits });
      made.peer(chunk('t001', '1-5/10', 'hello'));
      made.peer(sends('t002', 'Message-ID: m123\r\nByte-Range: 6-*/10', '#'));
      made.peer(chunk('t003', '6-10/10', 'world', '$'));
      expect(made.bodies()).toEqual([]);
      expect(made.events.filter((event) => event.kind === 'aborted')).toHaveLength(1);
    });

    it('# at its only chunk: the message is told of as given up', () => {
      const made = receiving({ limits });
      made.peer(chunk('t001', '1-5/10', 'hello', '#'));
      expect(made.wrote).toEqual(['200 $']);
      expect(made.events.filter((event) => event.kind === 'aborted')).toMatchObject([
        { messageId: 'm123', bytes: 5 },
      ]);
    });

    it('a bodiless SEND is answered 200 and is no message [RFC 4975 §5.4]', () => {
      const made = receiving({ limits });
      made.peer(sends('t001', 'Message-ID: m123\r\nByte-Range: 1-0/0'));
      expect(made.wrote).toEqual(['200 $']);
      expect(made.bodies()).toEqual([]);
    });
  });

  describe('answers [RFC 4975 §7.2]', () => {
    const whole = (tid: string, report: string) =>
      sends(tid, `Message-ID: m${tid}\r\nFailure-Report: ${report}\r\nContent-Type: a/b\r\n\r\nx`);

    it.each([
      ['yes', ['200 $', '403 $']],
      ['partial', ['403 $']],
      ['no', []],
    ] as const)('Failure-Report: %s', (report, wrote) => {
      const made = receiving({ limits });
      made.peer(whole('t001', report));
      made.session.answer('t001', 200);
      made.peer(whole('t002', report));
      made.session.answer('t002', 403);
      expect(made.wrote).toEqual(wrote);
    });

    it('Success-Report: yes → a REPORT on all octets, after the 200', () => {
      const made = receiving({ limits });
      const headers = 'Message-ID: m123\r\nSuccess-Report: yes\r\nContent-Type: a/b\r\n\r\nhello';
      made.peer(sends('t001', headers));
      made.session.answer('t001', 200);
      expect(made.wrote).toEqual(['200 $', 'REPORT $']);
      expect(made.frames.at(-1)).toMatchObject({
        messageId: 'm123',
        byteRange: { start: 1, end: 5, total: 5 },
        status: { code: 200 },
      });
    });

    it('a repeated message is acknowledged again and delivered once [RFC 4975 §5.4]', () => {
      const made = receiving({ limits });
      made.peer(chunk('t001', '1-5/5', 'hello', '$'));
      made.peer(chunk('t002', '1-5/5', 'hello', '$'));
      expect(made.wrote).toEqual([]);
      made.session.answer('t001', 200);
      made.peer(chunk('t003', '1-5/5', 'hello', '$'));
      expect(made.wrote).toEqual(['200 $', '200 $', '200 $']);
      expect(made.bodies()).toEqual(['hello']);
    });

    it('what was refused may come again', () => {
      const made = receiving({ limits });
      made.peer(chunk('t001', '1-5/5', 'hello', '$'));
      made.session.answer('t001', 403);
      made.peer(chunk('t002', '1-5/5', 'hello', '$'));
      expect(made.bodies()).toEqual(['hello', 'hello']);
    });

    it('a transaction id that still waits for its answer → 400', () => {
      const made = receiving({ limits });
      made.peer(chunk('t001', '1-5/5', 'hello', '$'));
      made.peer(chunk('t001', '1-5/5', 'world', '$').replace('m123', 'm124'));
      expect(made.wrote).toEqual(['400 $']);
      made.session.answer('t001', 200);
      expect(made.bodies()).toEqual(['hello']);
    });

    it('no Message-ID → 400', () => {
      const made = receiving({ limits });
      made.peer(sends('t001', 'Content-Type: a/b\r\n\r\nx'));
      expect(made.wrote).toEqual(['400 $']);
    });
  });

  describe('limits', () => {
    const most = { ...limits, messageBytesMax: 10, partialMessagesMax: 2, gapsMax: 3 };

    it('a message known to be too long is stopped at its first chunk [RFC 4975 §10.5]', () => {
      const made = receiving({ limits: most });
      made.peer(chunk('t001', '1-5/11', 'hello'));
      made.peer(chunk('t002', '6-10/11', 'hello'));
      expect(made.wrote).toEqual(['413 $', '413 $']);
    });

    it('one of unknown length when it grows too long', () => {
      const made = receiving({ limits: most });
      made.peer(chunk('t001', '1-*/*', 'hello'));
      made.peer(chunk('t002', '6-*/*', 'worlds', '$'));
      expect(made.wrote.at(-1)).toBe('413 $');
    });

    it('too many incomplete messages', () => {
      const made = receiving({ limits: { ...limits, partialMessagesMax: 2 } });
      for (const id of ['m001', 'm002', 'm003']) {
        made.peer(chunk('abcd', '1-5/10', 'hello').replace('m123', id));
      }
      expect(made.wrote).toEqual(['200 $', '200 $', '413 $']);
    });

    it('too many gaps', () => {
      const made = receiving({ limits: { ...limits, gapsMax: 3 } });
      for (let i = 0; i < 6; i++) made.peer(chunk('abcd', `${i * 2 + 1}-*/99`, 'x'));
      expect(made.wrote.at(-1)).toBe('413 $');
    });
  });
});

it('ranges know exactly what they cover', () => {
  const span = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 12 }));
  fc.assert(
    fc.property(fc.array(span), fc.integer({ min: 0, max: 40 }), (spans, total) => {
      const ranges: OctetSpans = [];
      const seen = new Set<number>();
      for (const [start, length] of spans) {
        addSpan(ranges, start, start + length - 1);
        for (let i = 0; i < length; i++) seen.add(start + i);
      }
      const all = Array.from({ length: total }, (_, i) => seen.has(i + 1)).every(Boolean);
      expect(coverAll(ranges, total)).toBe(all);
      expect(octetsIn(ranges)).toBe(seen.size);
    }),
    { seed, numRuns: 500 },
  );
});
