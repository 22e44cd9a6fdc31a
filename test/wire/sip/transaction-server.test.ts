import { describe, expect, test } from 'vitest';
import { repeatSuccess } from '../../../src/wire/sip/repeat-success.ts';
import { renderResponse } from '../../../src/wire/sip/response.ts';
import { request, TCP, transactionStage, UDP } from '../../controls/transaction-stage.ts';

const BRANCH = 'z9hG4bKserver1';

describe('non-INVITE server', () => {
  test('the request again before an answer → absorbed [RFC 3261 §17.2.2 Trying]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('MESSAGE', BRANCH), UDP);
    stage.layer.receive(request('MESSAGE', BRANCH), UDP);
    expect(stage.heard).toEqual(['MESSAGE']);
    expect(stage.sent).toEqual([]);
    expect(stage.transactions[0]?.answered).toBe(false);
  });

  test('the request again after the answer → the same octets, for 64*T1 [RFC 3261 §17.2.2 J]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('MESSAGE', BRANCH), UDP);
    stage.answer(100);
    stage.layer.receive(request('MESSAGE', BRANCH), UDP);
    stage.answer(202);
    expect(stage.transactions[0]?.answered).toBe(true);
    stage.clock.advance(31_999);
    stage.layer.receive(request('MESSAGE', BRANCH), UDP);
    expect(stage.schedule()).toEqual([
      [0, '100 MESSAGE'],
      [0, '100 MESSAGE'],
      [0, '202 MESSAGE'],
      [31_999, '202 MESSAGE'],
    ]);
    expect(stage.sent[3]?.message.octets).toEqual(stage.sent[2]?.message.octets);
    expect(stage.heard).toEqual(['MESSAGE']);
    stage.clock.advance(1);
    expect(stage.isEmpty()).toBe(true);
    stage.layer.receive(request('MESSAGE', BRANCH), UDP);
    expect(stage.heard).toEqual(['MESSAGE', 'MESSAGE']);
  });

  test('answered on TCP → gone at once [RFC 3261 §17.2.2 J = 0]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('MESSAGE', BRANCH), TCP);
    stage.answer(202);
    expect(stage.isEmpty()).toBe(true);
    expect(stage.sent[0]?.hop.connection).toBe(1);
  });

  test('a second final answer → not sent, counted [RFC 3261 §17.2.2]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('MESSAGE', BRANCH), UDP);
    expect([stage.answer(202), stage.answer(500)]).toEqual([true, false]);
    expect(stage.schedule()).toEqual([[0, '202 MESSAGE']]);
    expect(stage.layer.counts().surplusTotal).toBe(1);
  });

  test('never answered → forgotten when the client has given up, a late answer not sent [RFC 4320 §4.2]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('MESSAGE', BRANCH), UDP);
    stage.clock.advance(31_999);
    expect(stage.isEmpty()).toBe(false);
    stage.clock.advance(1);
    expect(stage.isEmpty()).toBe(true);
    stage.answer(202);
    expect(stage.schedule()).toEqual([[3_500, '100 MESSAGE']]);
    expect(stage.layer.counts()).toMatchObject({ unansweredTotal: 1, surplusTotal: 1 });
  });

  test('the user is silent → 100 once Timer E is T2, not before [RFC 4320 §4.1]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('MESSAGE', BRANCH), UDP);
    stage.clock.advance(3_499);
    expect(stage.sent).toEqual([]);
    stage.clock.advance(1);
    stage.layer.receive(request('MESSAGE', BRANCH), UDP);
    stage.answer(202);
    expect(stage.schedule()).toEqual([
      [3_500, '100 MESSAGE'],
      [3_500, '100 MESSAGE'],
      [3_500, '202 MESSAGE'],
    ]);
    expect(stage.sent[0]?.message.first('to')).not.toContain('tag=');
  });

  test('the response cannot be sent → the user is told [RFC 3261 §17.2.4]', async () => {
    const stage = transactionStage();
    stage.network.result = { sent: false, reason: 'connection reset' };
    stage.layer.receive(request('MESSAGE', BRANCH), TCP);
    stage.answer(202);
    await Promise.resolve();
    expect(stage.heard).toEqual(['MESSAGE', 'lost: connection reset']);
  });
});

describe('INVITE server', () => {
  test('the user is silent → 100 after 200 ms, repeated on request [RFC 3261 §17.2.1]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('INVITE', BRANCH), UDP);
    stage.clock.advance(199);
    expect(stage.sent).toEqual([]);
    stage.clock.advance(1);
    stage.layer.receive(request('INVITE', BRANCH), UDP);
    stage.answer(180);
    stage.layer.receive(request('INVITE', BRANCH), UDP);
    expect(stage.sent.map((one) => one.title)).toEqual([
      '100 INVITE',
      '100 INVITE',
      '180 INVITE',
      '180 INVITE',
    ]);
    expect(stage.sent[0]?.message.first('to')).not.toContain('tag=');
    expect(stage.heard).toEqual(['INVITE']);
  });

  test('the user answers at once → no 100 [RFC 3261 §17.2.1]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('INVITE', BRANCH), UDP);
    stage.answer(180);
    stage.clock.advance(1_000);
    expect(stage.schedule()).toEqual([[0, '180 INVITE']]);
  });

  test('failure without ACK on UDP → repeated T1 to T2 for 64*T1, then told [RFC 3261 §17.2.1 G, H]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('INVITE', BRANCH), UDP);
    stage.answer(488);
    stage.clock.advance(100_000);
    const times = [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
    expect(stage.schedule()).toEqual(times.map((ms) => [ms, '488 INVITE']));
    expect(stage.heard).toEqual(['INVITE', 'lost: no ACK to the failure within 64*T1']);
    expect(stage.isEmpty()).toBe(true);
  });

  test('failure without ACK on TCP → sent once, told after 64*T1 [RFC 3261 §17.2.1 H]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('INVITE', BRANCH), TCP);
    stage.answer(488);
    stage.clock.advance(100_000);
    expect(stage.schedule()).toEqual([[0, '488 INVITE']]);
    expect(stage.layer.counts().unacknowledgedTotal).toBe(1);
    expect(stage.isEmpty()).toBe(true);
  });

  test('ACK to the failure → not the user’s; all repetitions absorbed for T4 [RFC 3261 §17.2.1 I]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('INVITE', BRANCH), UDP);
    stage.answer(488);
    stage.clock.advance(700);
    const ack = request('ACK', BRANCH, { To: '<sip:alice@example.org>;tag=us' });
    stage.layer.receive(ack, UDP);
    stage.clock.advance(4_999);
    stage.layer.receive(ack, UDP);
    stage.layer.receive(request('INVITE', BRANCH), UDP);
    expect(stage.schedule()).toEqual([
      [0, '488 INVITE'],
      [500, '488 INVITE'],
    ]);
    expect(stage.heard).toEqual(['INVITE']);
    stage.clock.advance(1);
    expect(stage.isEmpty()).toBe(true);
  });

  test('ACK to the failure on TCP → gone at once [RFC 3261 §17.2.1 I = 0]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('INVITE', BRANCH), TCP);
    stage.answer(488);
    stage.layer.receive(request('ACK', BRANCH), TCP);
    expect(stage.isEmpty()).toBe(true);
  });

  test.each([UDP, TCP])(
    '2xx on $transport → INVITE absorbed for 64*T1 [RFC 6026 §7.1 L]',
    (hop) => {
      const stage = transactionStage();
      stage.layer.receive(request('INVITE', BRANCH), hop);
      stage.answer(200);
      stage.clock.advance(31_999);
      stage.layer.receive(request('INVITE', BRANCH), hop);
      expect(stage.schedule(), 'the 2xx is the user’s to repeat').toEqual([[0, '200 INVITE']]);
      stage.answer(200);
      stage.answer(500);
      expect(stage.schedule().at(-1)).toEqual([31_999, '200 INVITE']);
      expect(stage.layer.counts().surplusTotal).toBe(1);
      stage.clock.advance(1);
      expect(stage.isEmpty()).toBe(true);
    },
  );

  test('ACK to a 2xx → the user’s, with its own branch or that of the INVITE [RFC 3261 §13.2.2.4]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('INVITE', BRANCH), UDP);
    stage.answer(200);
    stage.layer.receive(request('ACK', 'z9hG4bKother'), UDP);
    stage.layer.receive(request('ACK', BRANCH), UDP);
    expect(stage.heard).toEqual(['INVITE', 'ACK', 'ACK']);
  });

  test('never answered → 500 after the bound', () => {
    const stage = transactionStage({ inviteAnswerMaxMs: 60_000 });
    stage.layer.receive(request('INVITE', BRANCH), TCP);
    stage.clock.advance(60_000);
    expect(stage.sent.map((one) => one.title)).toEqual(['100 INVITE', '500 INVITE']);
    expect(stage.layer.counts().unansweredTotal).toBe(1);
    stage.clock.advance(32_000);
    expect(stage.isEmpty()).toBe(true);
  });
});

describe('2xx to INVITE, repeated by its user', () => {
  function repeating(hop: typeof UDP) {
    const stage = transactionStage();
    stage.layer.receive(request('INVITE', BRANCH), hop);
    const [transaction] = stage.transactions;
    if (transaction === undefined) throw new Error('no INVITE came');
    const ok = renderResponse(transaction.request, hop, { status: 200, toTag: 'us' });
    transaction.respond(ok, 200);
    const repeated = repeatSuccess({
      clock: stage.clock,
      send: () => transaction.respond(ok, 200),
      onUnacknowledged: () => stage.heard.push('unacknowledged'),
    });
    return { stage, repeated };
  }

  test.each([UDP, TCP])(
    'on $transport without ACK → T1 to T2, given up after 64*T1 [RFC 3261 §13.3.1.4]',
    (hop) => {
      const { stage } = repeating(hop);
      stage.clock.advance(100_000);
      const times = [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
      expect(stage.schedule()).toEqual(times.map((ms) => [ms, '200 INVITE']));
      expect(stage.heard).toEqual(['INVITE', 'unacknowledged']);
      expect(stage.isEmpty()).toBe(true);
    },
  );

  test('ACK → nothing more [RFC 3261 §13.3.1.4]', () => {
    const { stage, repeated } = repeating(UDP);
    stage.clock.advance(600);
    repeated.acknowledged();
    stage.clock.advance(100_000);
    expect(stage.schedule()).toEqual([
      [0, '200 INVITE'],
      [500, '200 INVITE'],
    ]);
    expect(stage.heard).toEqual(['INVITE']);
    expect(stage.isEmpty()).toBe(true);
  });
});

describe('CANCEL', () => {
  test('of an open INVITE → 200 by itself, the user ends the INVITE [RFC 3261 §9.2]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('INVITE', BRANCH), UDP);
    stage.layer.receive(request('CANCEL', BRANCH), UDP);
    expect(stage.heard).toEqual(['INVITE', 'cancel INVITE']);
    stage.answer(487);
    expect(stage.schedule()).toEqual([
      [0, '200 CANCEL'],
      [0, '487 INVITE'],
    ]);
    stage.layer.receive(request('CANCEL', BRANCH), UDP);
    expect(stage.schedule().at(-1)).toEqual([0, '200 CANCEL']);
    expect(stage.heard).toHaveLength(2);
    stage.layer.receive(request('ACK', BRANCH), UDP);
    stage.clock.advance(32_000);
    expect(stage.isEmpty()).toBe(true);
  });

  test('of an answered INVITE → 200 and nothing else [RFC 3261 §9.2]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('INVITE', BRANCH), UDP);
    stage.answer(200);
    stage.layer.receive(request('CANCEL', BRANCH), UDP);
    expect(stage.sent.map((one) => one.title)).toEqual(['200 INVITE', '200 CANCEL']);
    expect(stage.heard).toEqual(['INVITE']);
  });

  test('of nothing known → 481 [RFC 3261 §9.2]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('CANCEL', BRANCH), UDP);
    expect(stage.schedule()).toEqual([[0, '481 CANCEL']]);
    stage.clock.advance(32_000);
    expect(stage.isEmpty()).toBe(true);
  });
});
