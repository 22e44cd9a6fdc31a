import { describe, expect, test } from 'vitest';
import { cancelFor } from '../../../src/wire/sip/invite-requests.ts';
import { response, TCP, transactionStage, UDP } from '../../controls/transaction-stage.ts';

const BRANCH = 'z9hG4bKclient1';

describe('non-INVITE client', () => {
  test('no response on UDP → repeated at T1 doubling up to T2, then timeout [RFC 3261 §17.1.2.2 E, F]', () => {
    const stage = transactionStage();
    stage.request('MESSAGE', BRANCH, UDP);
    stage.clock.advance(100_000);
    const times = [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
    expect(stage.schedule()).toEqual(times.map((ms) => [ms, 'MESSAGE']));
    expect(stage.heard).toEqual(['timeout']);
    expect(stage.isEmpty()).toBe(true);
  });

  test('no response on TCP → sent once, timeout after 32 s [RFC 3261 §17.1.2.2 F]', () => {
    const stage = transactionStage();
    stage.request('BYE', BRANCH, TCP);
    stage.clock.advance(31_999);
    expect(stage.heard).toEqual([]);
    stage.clock.advance(1);
    expect(stage.heard).toEqual(['timeout']);
    expect(stage.schedule()).toEqual([[0, 'BYE']]);
    expect(stage.isEmpty()).toBe(true);
  });

  test('1xx → repeated every T2, and Timer F still ends it [RFC 3261 §17.1.2.2]', () => {
    const stage = transactionStage();
    const { message } = stage.request('MESSAGE', BRANCH, UDP);
    stage.clock.advance(600);
    stage.layer.receive(response(message, 100), UDP);
    stage.clock.advance(31_400);
    const times = [0, 500, 1500, 5500, 9500, 13500, 17500, 21500, 25500, 29500];
    expect(stage.schedule()).toEqual(times.map((ms) => [ms, 'MESSAGE']));
    expect(stage.heard).toEqual(['provisional 100 MESSAGE', 'timeout']);
    expect(stage.isEmpty()).toBe(true);
  });

  test('final response repeated on UDP → told once, absorbed for T4 [RFC 3261 §17.1.2.2 K]', () => {
    const stage = transactionStage();
    const { message } = stage.request('MESSAGE', BRANCH, UDP);
    stage.layer.receive(response(message, 202), UDP);
    stage.clock.advance(4_999);
    stage.layer.receive(response(message, 202), UDP);
    expect(stage.heard).toEqual(['final 202 MESSAGE']);
    stage.clock.advance(1);
    expect(stage.isEmpty()).toBe(true);
    stage.layer.receive(response(message, 202), UDP);
    expect(stage.heard).toEqual(['final 202 MESSAGE', 'stray 202 MESSAGE']);
    expect(stage.sent).toHaveLength(1);
  });

  test('final response on TCP → gone at once [RFC 3261 §17.1.2.2 K = 0]', () => {
    const stage = transactionStage();
    const { message } = stage.request('MESSAGE', BRANCH, TCP);
    stage.layer.receive(response(message, 404), TCP);
    expect(stage.heard).toEqual(['final 404 MESSAGE']);
    expect(stage.isEmpty()).toBe(true);
  });

  test('the transport cannot send → unreachable, nothing else [RFC 3261 §17.1.4]', async () => {
    const stage = transactionStage();
    stage.network.result = { sent: false, reason: 'connection refused' };
    stage.request('MESSAGE', BRANCH, UDP);
    await Promise.resolve();
    expect(stage.heard).toEqual(['unreachable: connection refused']);
    stage.clock.advance(100_000);
    expect(stage.heard).toHaveLength(1);
    expect(stage.isEmpty()).toBe(true);
  });

  test('only a repetition cannot be sent → not unreachable: the first may have arrived [RFC 3261 §17.1.4]', async () => {
    const stage = transactionStage();
    const { message } = stage.request('MESSAGE', BRANCH, UDP);
    await Promise.resolve();
    stage.network.result = { sent: false, reason: 'network is down' };
    stage.clock.advance(500);
    await Promise.resolve();
    expect(stage.heard).toEqual([]);
    stage.layer.receive(response(message, 200), UDP);
    expect(stage.heard).toEqual(['final 200 MESSAGE']);
  });

  test('another method with the same branch → not this transaction [RFC 3261 §17.1.3]', () => {
    const stage = transactionStage();
    const { message } = stage.request('OPTIONS', BRANCH, UDP);
    stage.layer.receive(response(message, 200, []), UDP);
    const other = transactionStage();
    other.request('MESSAGE', BRANCH, UDP);
    other.layer.receive(response(message, 200), UDP);
    expect(stage.heard).toEqual(['final 200 OPTIONS']);
    expect(other.heard).toEqual(['stray 200 OPTIONS']);
  });
});

describe('INVITE client', () => {
  test('no response on UDP → repeated at doubling intervals, then timeout [RFC 3261 §17.1.1.2 A, B]', () => {
    const stage = transactionStage();
    stage.request('INVITE', BRANCH, UDP);
    stage.clock.advance(100_000);
    const times = [0, 500, 1500, 3500, 7500, 15500, 31500];
    expect(stage.schedule()).toEqual(times.map((ms) => [ms, 'INVITE']));
    expect(stage.heard).toEqual(['timeout']);
    expect(stage.isEmpty()).toBe(true);
  });

  test('1xx → no more repetitions and no end of its own [RFC 3261 §17.1.1.2]', () => {
    const stage = transactionStage();
    const { message } = stage.request('INVITE', BRANCH, UDP);
    stage.layer.receive(response(message, 180), UDP);
    stage.clock.advance(120_000);
    expect(stage.sent).toHaveLength(1);
    expect(stage.heard).toEqual(['provisional 180 INVITE']);
    stage.layer.receive(response(message, 486), UDP);
    expect(stage.heard).toEqual(['provisional 180 INVITE', 'final 486 INVITE']);
  });

  test('failure on UDP → ACK in the same transaction for each repetition, for 32 s [RFC 3261 §17.1.1.3, D]', () => {
    const stage = transactionStage();
    const { message } = stage.request('INVITE', BRANCH, UDP);
    stage.layer.receive(response(message, 486), UDP);
    stage.clock.advance(31_999);
    stage.layer.receive(response(message, 486), UDP);
    expect(stage.heard).toEqual(['final 486 INVITE']);
    expect(stage.schedule()).toEqual([
      [0, 'INVITE'],
      [0, 'ACK'],
      [31_999, 'ACK'],
    ]);
    const ack = stage.sent[1]?.message;
    expect(ack?.start).toEqual({ kind: 'request', method: 'ACK', uri: 'sip:alice@example.org' });
    for (const name of ['via', 'route', 'from', 'call-id']) {
      expect(ack?.all(name), name).toEqual(message.all(name));
    }
    expect(ack?.first('to')).toBe('<sip:alice@example.org>;tag=a1');
    expect(ack?.first('cseq')).toBe('1 ACK');
    stage.clock.advance(1);
    expect(stage.isEmpty()).toBe(true);
  });

  test('failure on TCP → one ACK and gone [RFC 3261 §17.1.1.2 D = 0]', () => {
    const stage = transactionStage();
    const { message } = stage.request('INVITE', BRANCH, TCP);
    stage.layer.receive(response(message, 603), TCP);
    expect(stage.schedule()).toEqual([
      [0, 'INVITE'],
      [0, 'ACK'],
    ]);
    expect(stage.isEmpty()).toBe(true);
  });

  test.each([UDP, TCP])('2xx on $transport → each one told for 64*T1 [RFC 6026 §7.2 M]', (hop) => {
    const stage = transactionStage();
    const { message } = stage.request('INVITE', BRANCH, hop);
    const ok = response(message, 200);
    stage.layer.receive(ok, hop);
    stage.clock.advance(31_999);
    stage.layer.receive(ok, hop);
    stage.layer.receive(response(message, 486), hop);
    stage.layer.receive(response(message, 180), hop);
    expect(stage.heard).toEqual(['final 200 INVITE', 'final 200 INVITE']);
    expect(stage.sent, 'the ACK to a 2xx is the user’s').toHaveLength(1);
    stage.clock.advance(1);
    expect(stage.isEmpty()).toBe(true);
    stage.layer.receive(ok, hop);
    expect(stage.heard.at(-1)).toBe('stray 200 INVITE');
  });

  test('2xx of another fork after a failure → stray, so that it is ended [RFC 3261 §13.2.2.4]', () => {
    const stage = transactionStage();
    const { message } = stage.request('INVITE', BRANCH, UDP);
    stage.layer.receive(response(message, 486), UDP);
    stage.layer.receive(response(message, 200), UDP);
    expect(stage.heard).toEqual(['final 486 INVITE', 'stray 200 INVITE']);
  });
});

describe('CANCEL by the client', () => {
  test('before any response → waits for the 1xx [RFC 3261 §9.1]', () => {
    const stage = transactionStage();
    const { transaction, octets, message } = stage.request('INVITE', BRANCH, TCP);
    const cancel = cancelFor(octets) ?? new Uint8Array();
    expect(transaction.cancel(cancel)).toBe('waiting');
    expect(stage.schedule()).toEqual([[0, 'INVITE']]);
    stage.clock.advance(300);
    stage.layer.receive(response(message, 100), TCP);
    expect(stage.schedule()).toEqual([
      [0, 'INVITE'],
      [300, 'CANCEL'],
    ]);
    stage.layer.receive(response(stage.sent[1]?.message ?? message, 200), TCP);
    stage.layer.receive(response(message, 487), TCP);
    const before = ['provisional 100 INVITE', 'CANCEL sent', '200 CANCEL'];
    expect(stage.heard).toEqual([...before, 'final 487 INVITE']);
    expect(transaction.cancel(cancel)).toBe('late');
    expect(stage.isEmpty()).toBe(true);
  });

  test('asked twice → sent once; no final response → timeout 64*T1 later [RFC 3261 §9.1]', () => {
    const stage = transactionStage();
    const { transaction, octets, message } = stage.request('INVITE', BRANCH, TCP);
    const cancel = cancelFor(octets) ?? new Uint8Array();
    stage.layer.receive(response(message, 183), TCP);
    stage.clock.advance(1_000);
    expect([transaction.cancel(cancel), transaction.cancel(cancel)]).toEqual(['sent', 'sent']);
    stage.clock.advance(31_999);
    expect(stage.heard).toEqual(['provisional 183 INVITE', 'CANCEL sent']);
    stage.clock.advance(1);
    expect(stage.heard.at(-1)).toBe('timeout');
    expect(stage.sent.map((one) => one.title)).toEqual(['INVITE', 'CANCEL']);
    expect(stage.isEmpty()).toBe(true);
  });

  test('the 2xx crosses the CANCEL → told, so that it is ACKed and ended [RFC 3261 §9.1]', () => {
    const stage = transactionStage();
    const { transaction, octets, message } = stage.request('INVITE', BRANCH, TCP);
    stage.layer.receive(response(message, 180), TCP);
    transaction.cancel(cancelFor(octets) ?? new Uint8Array());
    stage.layer.receive(response(message, 200), TCP);
    expect(stage.heard.at(-1)).toBe('final 200 INVITE');
    stage.clock.advance(32_000);
    expect(stage.isEmpty()).toBe(true);
  });
});
