import { describe, expect, test } from 'vitest';
import { type Hop, responseHop, viaLineWithReceived } from '../../../src/wire/sip/hop.ts';
import { renderResponse } from '../../../src/wire/sip/response.ts';
import {
  readSip,
  request,
  requestOctets,
  TCP,
  transactionStage,
  UDP,
} from '../../controls/transaction-stage.ts';

const BRANCH = 'z9hG4bKmatch';
const via = (value: string) => request('MESSAGE', BRANCH, { Via: value });

describe('which requests are one', () => {
  test.each([
    ['another sent-by', { Via: `SIP/2.0/UDP other.example.com;branch=${BRANCH}` }],
    ['another port in sent-by', { Via: `SIP/2.0/UDP 192.0.2.7:5070;branch=${BRANCH}` }],
    ['another branch', { Via: 'SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKelse' }],
  ])('%s → another transaction [RFC 3261 §17.2.3]', (_, headers) => {
    const stage = transactionStage();
    stage.layer.receive(request('MESSAGE', BRANCH), UDP);
    stage.layer.receive(request('MESSAGE', BRANCH, headers), UDP);
    expect(stage.heard).toEqual(['MESSAGE', 'MESSAGE']);
  });

  test('the same branch with another method → another transaction [RFC 3261 §17.2.3]', () => {
    const stage = transactionStage();
    stage.layer.receive(request('MESSAGE', BRANCH), UDP);
    stage.layer.receive(request('OPTIONS', BRANCH), UDP);
    expect(stage.heard).toEqual(['MESSAGE', 'OPTIONS']);
  });

  test('a client of RFC 2543 → matched by tags, Call-ID, CSeq and Via [RFC 3261 §17.2.3]', () => {
    const stage = transactionStage();
    const old = { Via: 'SIP/2.0/UDP 192.0.2.7:5060' };
    stage.layer.receive(request('INVITE', '', old), UDP);
    stage.layer.receive(request('INVITE', '', old), UDP);
    stage.layer.receive(request('INVITE', '', { ...old, CSeq: '2 INVITE' }), UDP);
    stage.layer.receive(request('INVITE', '', { ...old, 'Call-ID': 'c2' }), UDP);
    expect(stage.heard).toEqual(['INVITE', 'INVITE', 'INVITE']);
    stage.answer(486);
    const ack = { ...old, 'Call-ID': 'c2', To: '<sip:alice@example.org>;tag=us' };
    stage.layer.receive(request('ACK', '', ack), UDP);
    expect(stage.heard, 'the ACK to the failure is absorbed').toHaveLength(3);
  });
});

describe('bounds and ends', () => {
  test('more completed transactions than allowed → the oldest go first, counted', () => {
    const stage = transactionStage({ transactionsMax: 3 });
    for (let n = 0; n < 5; n += 1) {
      stage.layer.receive(request('MESSAGE', `${BRANCH}${n}`), UDP);
      stage.answer(202);
    }
    expect(stage.layer.counts()).toMatchObject({ servers: 3, completed: 3, evictedTotal: 2 });
    stage.layer.receive(request('MESSAGE', `${BRANCH}4`), UDP);
    expect(stage.layer.counts().repeatedTotal).toBe(1);
    stage.layer.receive(request('MESSAGE', `${BRANCH}0`), UDP);
    expect(stage.heard, 'the oldest is new again').toHaveLength(6);
    stage.clock.advance(32_000);
    expect(stage.isEmpty()).toBe(true);
  });

  test('no room even so → 503 without a transaction', () => {
    const stage = transactionStage({ transactionsMax: 1 });
    stage.layer.receive(request('MESSAGE', `${BRANCH}1`), UDP);
    stage.layer.receive(request('MESSAGE', `${BRANCH}2`), UDP);
    expect(stage.schedule()).toEqual([[0, '503 MESSAGE']]);
    expect(stage.layer.counts()).toMatchObject({ servers: 1, refusedTotal: 1 });
  });

  test('10,000 transactions of 32 s → one timer of the host', () => {
    const stage = transactionStage();
    const octets = requestOctets('MESSAGE', 'z9hG4bKnnnnnn');
    const at = new TextDecoder().decode(octets).indexOf('nnnnnn');
    for (let n = 0; n < 10_000; n += 1) {
      const own = octets.slice();
      own.set(new TextEncoder().encode(String(n).padStart(6, '0')), at);
      stage.layer.receive(readSip(own), UDP);
      stage.answer(202);
      if (n % 1_000 === 0) stage.clock.advance(1);
    }
    expect(stage.layer.counts()).toMatchObject({ servers: 10_000, completed: 10_000 });
    expect(stage.clock.pending()).toBe(1);
    stage.clock.advance(32_000);
    expect(stage.isEmpty()).toBe(true);
  });

  test('a clock set back → everything still ends', () => {
    let backMs = 0;
    const stage = transactionStage();
    const clock = { ...stage.clock, now: () => stage.clock.now() - backMs };
    const late = transactionStage({ clock });
    late.layer.receive(request('MESSAGE', BRANCH), UDP);
    late.answer(202);
    backMs = 3_600_000;
    stage.clock.advance(64_000);
    expect(late.layer.counts()).toMatchObject({ servers: 0, waits: 0 });
  });

  test('close → no timer, no callback', () => {
    const stage = transactionStage();
    stage.request('INVITE', `${BRANCH}1`, UDP);
    stage.layer.receive(request('MESSAGE', `${BRANCH}2`), UDP);
    stage.layer.receive(request('INVITE', `${BRANCH}3`), UDP);
    stage.layer.close();
    stage.answer(200);
    stage.layer.receive(request('MESSAGE', `${BRANCH}4`), UDP);
    stage.clock.advance(100_000);
    expect(stage.heard).toEqual(['MESSAGE', 'INVITE']);
    expect(stage.isEmpty()).toBe(true);
  });
});

describe('where a response goes', () => {
  const nat: Hop = { transport: 'udp', host: '198.51.100.9', port: 40_001, local: '' };

  test.each([
    ['sent-by with a port', 'SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKa', '198.51.100.9', 5070],
    ['sent-by without a port', 'SIP/2.0/UDP ua.example.com;branch=z9hG4bKa', '198.51.100.9', 5060],
    ['rport', 'SIP/2.0/UDP 10.0.0.1:5070;rport;branch=z9hG4bKa', '198.51.100.9', 40_001],
    [
      'rport chosen by the client',
      'SIP/2.0/UDP 10.0.0.1;rport=53;branch=z9hG4bKa',
      '198.51.100.9',
      40_001,
    ],
    ['maddr', 'SIP/2.0/UDP 10.0.0.1:5070;maddr=239.1.1.1;branch=z9hG4bKa', '239.1.1.1', 5070],
    [
      'maddr with a name',
      'SIP/2.0/UDP 10.0.0.1;maddr=v.example.com;branch=z9hG4bKa',
      '198.51.100.9',
      5060,
    ],
    [
      'maddr that only looks like an address',
      'SIP/2.0/UDP 10.0.0.1;maddr=999.1.1.1;branch=z9hG4bKa',
      '198.51.100.9',
      5060,
    ],
    [
      'received of the client',
      'SIP/2.0/UDP 10.0.0.1;received=192.0.2.66;branch=z9hG4bKa',
      '198.51.100.9',
      5060,
    ],
  ])('%s [RFC 3261 §18.2.2, RFC 3581 §4]', (_, value, host, port) => {
    expect(responseHop(via(value), nat)).toMatchObject({ transport: 'udp', host, port });
  });

  test('a connection → the same connection, and sent-by if it is gone [RFC 3261 §18.2.2]', () => {
    const value = 'SIP/2.0/TCP ua.example.com:5070;branch=z9hG4bKa';
    const source: Hop = { ...TCP, port: 40_001, connection: 7 };
    expect(responseHop(via(value), source)).toEqual({ ...TCP, port: 5070, connection: 7 });
  });

  test.each([
    ['the source itself', 'SIP/2.0/UDP 198.51.100.9;branch=z9hG4bKa', ''],
    ['a name', 'SIP/2.0/UDP ua.example.com;branch=z9hG4bKa', ';received=198.51.100.9'],
  ])('Via of %s [RFC 3261 §18.2.1]', (_, value, added) => {
    expect(viaLineWithReceived(value, nat)).toBe(value + added);
  });

  test('rport is filled in where it stands, a foreign received replaced [RFC 3581 §4]', () => {
    const value = 'SIP/2.0/UDP 198.51.100.9;received=1.2.3.4;rport;x="a;rport";branch=z9hG4bKa';
    expect(viaLineWithReceived(value, nat)).toBe(
      'SIP/2.0/UDP 198.51.100.9;rport=40001;x="a;rport";branch=z9hG4bKa;received=198.51.100.9',
    );
  });

  test('IPv6: brackets and case do not matter [RFC 5118 §4.5]', () => {
    const value = 'SIP/2.0/UDP [2001:DB8::1]:5070;branch=z9hG4bKa';
    const source: Hop = { ...nat, host: '2001:db8::1' };
    expect(viaLineWithReceived(value, source)).toBe(value);
    expect(responseHop(via(value), source)).toMatchObject({ host: '2001:db8::1', port: 5070 });
  });
});

describe('a response', () => {
  test('mirrors all Via values, From, To, Call-ID and CSeq [RFC 3261 §8.2.6.2]', () => {
    const of = request('MESSAGE', BRANCH, {
      Via: 'SIP/2.0/UDP p.example.org;branch=z9hG4bKp, SIP/2.0/UDP q.example.org;branch=z9hG4bKq',
      'Record-Route': '<sip:p.example.org;lr>',
    });
    const answer = readSip(
      renderResponse(of, UDP, { status: 202, toTag: 'us', headers: [['Server', 'restante']] }),
    );
    expect(answer.start).toEqual({ kind: 'response', status: 202, reason: 'Accepted' });
    expect(answer.all('via')).toEqual([
      'SIP/2.0/UDP p.example.org;branch=z9hG4bKp;received=192.0.2.7, SIP/2.0/UDP q.example.org;branch=z9hG4bKq',
    ]);
    for (const name of ['from', 'call-id', 'cseq']) expect(answer.all(name)).toEqual(of.all(name));
    expect(answer.all('to')).toEqual(['<sip:alice@example.org>;tag=us']);
    expect(answer.all('record-route')).toEqual([]);
    expect(answer.first('server')).toBe('restante');
  });

  test('keeps a To tag, copies Record-Route when asked, Timestamp into a 100 [RFC 3261 §8.2.6]', () => {
    const to = '"tag=no" <sip:alice@example.org>;Tag=theirs';
    const of = request('INVITE', BRANCH, {
      To: to,
      Timestamp: '54',
      'Record-Route': '<sip:p.example.org;lr>',
    });
    const ok = readSip(
      renderResponse(of, UDP, { status: 200, toTag: 'us', recordRoute: 'copied' }),
    );
    expect(ok.first('to')).toBe(to);
    expect(ok.all('record-route')).toEqual(['<sip:p.example.org;lr>']);
    expect(ok.first('timestamp')).toBeUndefined();
    const untagged = request('INVITE', BRANCH, { To: '"tag=no" <sip:alice@example.org>' });
    const trying = readSip(renderResponse(untagged, UDP, { status: 100, toTag: 'us' }));
    expect(trying.first('to')).toBe('"tag=no" <sip:alice@example.org>');
    expect(readSip(renderResponse(of, UDP, { status: 100 })).first('timestamp')).toBe('54');
    const tagged = readSip(renderResponse(untagged, UDP, { status: 480, toTag: 'us' }));
    expect(tagged.first('to')).toBe('"tag=no" <sip:alice@example.org>;tag=us');
  });
});
