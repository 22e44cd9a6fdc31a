/** One hop after the other, by a simulated clock: when the next is tried, and when it must not be. */
import { describe, expect, test } from 'vitest';
import { failoverStage } from '../../controls/failover-stage.ts';

const HOPS = ['udp 192.0.2.1', 'udp 192.0.2.2'] as const;
const FIRST = '0 INVITE udp 192.0.2.1';

describe('the next hop is tried', () => {
  test('when the first cannot be reached: at once, identical but for the branch [RFC 3263 §4.3]', async () => {
    const stage = failoverStage();
    stage.network.refuses = ['udp 192.0.2.1'];
    stage.send('MESSAGE', HOPS);
    await stage.settled();
    expect(stage.tries()).toEqual(['0 MESSAGE udp 192.0.2.1', '0 MESSAGE udp 192.0.2.2']);
    const [one, two] = stage.sent.map(({ message }) => message);
    for (const name of ['call-id', 'cseq', 'from', 'to']) {
      expect(two?.first(name)).toBe(one?.first(name));
    }
    expect(two?.first('via')).not.toBe(one?.first('via'));
    stage.answer(1, 202);
    expect(stage.told).toEqual(['202 MESSAGE of udp 192.0.2.2']);
  });

  test.each([[[503]], [[100, 503]]])(
    'when the first answers %j [RFC 3263 §4.3, RFC 3261 §21.5.4]',
    (statuses) => {
      const stage = failoverStage();
      stage.send('INVITE', HOPS);
      for (const status of statuses) stage.answer(0, status);
      expect(stage.tries()).toEqual([FIRST, '0 ACK udp 192.0.2.1', '0 INVITE udp 192.0.2.2']);
      expect(stage.told.filter((line) => line.startsWith('503'))).toEqual([]);
      expect(stage.recorded).toContain('< 503 INVITE');
      stage.answer(1, 200);
      expect(stage.told.at(-1)).toBe('200 INVITE of udp 192.0.2.2');
    },
  );

  test('when nobody answers an INVITE or BYE for 4 s; then each hop has its full time', () => {
    const stage = failoverStage();
    stage.send('BYE', [...HOPS, 'udp 192.0.2.3']);
    stage.clock.advance(39_999);
    expect(stage.tries()).toEqual([
      '0 BYE udp 192.0.2.1',
      '4000 BYE udp 192.0.2.2',
      '8000 BYE udp 192.0.2.3',
    ]);
    expect(stage.told).toEqual([]);
    stage.clock.advance(1);
    expect(stage.told).toEqual(['timeout']);
  });

  test('the last outcome is the outcome: all unreachable → unreachable', async () => {
    const stage = failoverStage();
    stage.network.refuses = ['udp 192.0.2.1', 'udp 192.0.2.2'];
    stage.send('INVITE', HOPS);
    await stage.settled();
    await stage.settled();
    expect(stage.told).toEqual(['unreachable: udp refused']);
    stage.clock.advance(100_000);
    expect(stage.told).toHaveLength(1);
  });
});

describe('the next hop is not tried', () => {
  test('for a MESSAGE that may have arrived: it would be read twice', () => {
    const stage = failoverStage();
    stage.send('MESSAGE', HOPS);
    stage.clock.advance(32_000);
    expect(stage.tries()).toEqual(['0 MESSAGE udp 192.0.2.1']);
    expect(stage.told).toEqual(['timeout']);
  });

  test('after 180: the 503 comes from beyond the hop', () => {
    const stage = failoverStage();
    stage.send('INVITE', HOPS);
    stage.answer(0, 180);
    stage.answer(0, 503);
    expect(stage.tries()).toEqual([FIRST, '0 ACK udp 192.0.2.1']);
    expect(stage.told).toEqual(['180 INVITE of udp 192.0.2.1', '503 INVITE of udp 192.0.2.1']);
    stage.send('MESSAGE', HOPS);
    expect(stage.tries().at(-1)).toBe('0 MESSAGE udp 192.0.2.1');
  });

  test.each([404, 480, 486, 500, 600])('after %i: the request was answered', (status) => {
    const stage = failoverStage();
    stage.send('INVITE', HOPS);
    stage.answer(0, status);
    stage.clock.advance(100_000);
    expect(stage.tries()).toEqual([FIRST, '0 ACK udp 192.0.2.1']);
    expect(stage.told).toEqual([`${status} INVITE of udp 192.0.2.1`]);
  });

  test('after 100, however long it takes [RFC 3263 §4.3: without any response]', () => {
    const stage = failoverStage();
    stage.send('INVITE', HOPS);
    stage.answer(0, 100);
    stage.clock.advance(100_000);
    expect(stage.tries()).toEqual([FIRST]);
  });

  test('once CANCEL was asked for: it leaves after the first 1xx [RFC 3261 §9.1]', () => {
    const stage = failoverStage();
    stage.send('INVITE', HOPS);
    expect(stage.cancel()).toBe('waiting');
    stage.clock.advance(10_000);
    expect(stage.tries()).toEqual([FIRST]);
    stage.answer(0, 100);
    stage.answer(0, 503);
    expect(stage.told).toEqual([
      '100 INVITE of udp 192.0.2.1',
      'CANCEL to udp 192.0.2.1',
      '503 INVITE of udp 192.0.2.1',
    ]);
  });
});

describe('two tries on their way', () => {
  test('the second answers, then the first: it is cancelled there, and told to nobody', () => {
    const stage = failoverStage();
    stage.send('INVITE', HOPS);
    stage.clock.advance(4_000);
    stage.answer(1, 180);
    stage.answer(0, 180);
    expect(stage.tries().slice(2)).toEqual(['4000 CANCEL udp 192.0.2.1']);
    stage.answer(0, 487);
    stage.answer(1, 486);
    expect(stage.told).toEqual(['180 INVITE of udp 192.0.2.2', '486 INVITE of udp 192.0.2.2']);
    expect(stage.recorded).toEqual(
      expect.arrayContaining(['< 180 INVITE', '> CANCEL', '< 487 INVITE']),
    );
  });

  test('100 says only that the hop is there: both go on, and no third is tried', () => {
    const stage = failoverStage();
    stage.send('INVITE', [...HOPS, 'udp 192.0.2.3']);
    stage.clock.advance(4_000);
    stage.answer(1, 100);
    stage.answer(0, 100);
    stage.clock.advance(20_000);
    stage.answer(0, 200);
    expect(stage.told.at(-1)).toBe('200 INVITE of udp 192.0.2.1');
    expect(stage.tries().slice(2)).toEqual(['24000 CANCEL udp 192.0.2.2']);
  });

  test('482: it came by the other one, which counts [RFC 3261 §8.2.2.2]', () => {
    const stage = failoverStage();
    stage.send('INVITE', HOPS);
    stage.clock.advance(4_000);
    stage.answer(1, 100);
    stage.answer(1, 482);
    expect(stage.told).toEqual(['100 INVITE of udp 192.0.2.2']);
    stage.answer(0, 180);
    stage.answer(0, 482);
    expect(stage.told.at(-1)).toBe('482 INVITE of udp 192.0.2.1');
  });

  test('a late 2xx to INVITE always comes through: it must be acknowledged', () => {
    const stage = failoverStage();
    stage.send('INVITE', HOPS);
    stage.clock.advance(4_000);
    stage.answer(1, 486);
    stage.answer(0, 200);
    stage.answer(0, 200);
    expect(stage.told).toEqual([
      '486 INVITE of udp 192.0.2.2',
      '200 INVITE of udp 192.0.2.1',
      '200 INVITE of udp 192.0.2.1',
    ]);
  });

  test('a late answer of the first counts while the second says nothing', () => {
    const stage = failoverStage();
    stage.send('UPDATE', HOPS);
    stage.clock.advance(5_000);
    stage.answer(0, 200);
    stage.answer(1, 481);
    expect(stage.told).toEqual(['200 UPDATE of udp 192.0.2.1']);
    expect(stage.recorded.at(-1)).toBe('< 481 UPDATE');
    stage.clock.advance(100_000);
    expect(stage.told).toHaveLength(1);
  });

  test('CANCEL is for both', () => {
    const stage = failoverStage();
    stage.send('INVITE', HOPS);
    stage.clock.advance(4_000);
    expect(stage.cancel()).toBe('waiting');
    stage.answer(0, 100);
    expect(stage.told.at(-1)).toBe('CANCEL to udp 192.0.2.1');
    stage.answer(0, 487);
    stage.clock.advance(100_000);
    expect(stage.told.at(-1)).toBe('487 INVITE of udp 192.0.2.1');
  });

  test('the second refuses with 503 → the first still has its time', () => {
    const stage = failoverStage();
    stage.send('INVITE', HOPS);
    stage.clock.advance(4_000);
    stage.answer(1, 503);
    expect(stage.told).toEqual([]);
    stage.answer(0, 200);
    expect(stage.told).toEqual(['200 INVITE of udp 192.0.2.1']);
  });
});

describe('a hop that failed is tried last', () => {
  test('for 30 s', () => {
    const stage = failoverStage();
    stage.send('INVITE', HOPS);
    stage.answer(0, 503);
    stage.answer(1, 486);
    stage.clock.advance(29_999);
    stage.send('INVITE', HOPS);
    expect(stage.tries().at(-1)).toBe('29999 INVITE udp 192.0.2.2');
    stage.clock.advance(1);
    stage.send('INVITE', HOPS);
    expect(stage.tries().at(-1)).toBe('30000 INVITE udp 192.0.2.1');
  });

  test('for as long as it asks by Retry-After [RFC 3261 §21.5.4]', () => {
    const stage = failoverStage();
    stage.send('MESSAGE', HOPS);
    stage.answer(0, 503, [['Retry-After', '120 (busy)']]);
    stage.answer(1, 200);
    stage.clock.advance(119_000);
    stage.send('MESSAGE', HOPS);
    expect(stage.tries().at(-1)).toBe('119000 MESSAGE udp 192.0.2.2');
  });

  test('as soon as the next one was tried in its place', () => {
    const stage = failoverStage();
    stage.send('INVITE', HOPS);
    stage.clock.advance(4_000);
    stage.send('MESSAGE', HOPS);
    expect(stage.tries().at(-1)).toBe('4000 MESSAGE udp 192.0.2.2');
    stage.answer(0, 180);
    stage.send('MESSAGE', HOPS);
    expect(stage.tries().at(-1)).toBe('4000 MESSAGE udp 192.0.2.1');
  });

  test('until it answers', () => {
    const stage = failoverStage();
    stage.send('MESSAGE', ['udp 192.0.2.1']);
    stage.clock.advance(32_000);
    stage.send('MESSAGE', ['udp 192.0.2.1']);
    stage.answer(1, 200);
    stage.send('MESSAGE', HOPS);
    expect(stage.tries().at(-1)).toBe('32000 MESSAGE udp 192.0.2.1');
  });
});

describe('a request above 1300 octets [RFC 3261 §18.1.1]', () => {
  const Subject = 'x'.repeat(1_300);

  test('goes by TCP, and says so in its Via', () => {
    const stage = failoverStage({ tcpListens: true });
    stage.send('MESSAGE', HOPS, { Subject });
    expect(stage.tries()).toEqual(['0 MESSAGE tcp 192.0.2.1']);
    expect(stage.sent[0]?.message.first('via')).toMatch(/^SIP\/2\.0\/TCP 192\.0\.2\.9:5061;/);
    stage.send('MESSAGE', HOPS);
    expect(stage.tries().at(-1)).toBe('0 MESSAGE udp 192.0.2.1');
  });

  test('goes by UDP after all where TCP is refused, and the next one at once', async () => {
    const stage = failoverStage({ tcpListens: true });
    stage.network.refuses = ['tcp 192.0.2.1'];
    stage.send('MESSAGE', HOPS, { Subject });
    await stage.settled();
    expect(stage.tries()).toEqual(['0 MESSAGE tcp 192.0.2.1', '0 MESSAGE udp 192.0.2.1']);
    stage.answer(1, 200);
    stage.send('MESSAGE', HOPS, { Subject });
    expect(stage.tries().slice(2)).toEqual(['0 MESSAGE udp 192.0.2.1']);
  });

  test('goes by UDP when nothing listens by TCP here: answers could not come back', () => {
    const stage = failoverStage();
    stage.send('MESSAGE', HOPS, { Subject });
    expect(stage.tries()).toEqual(['0 MESSAGE udp 192.0.2.1']);
  });
});
