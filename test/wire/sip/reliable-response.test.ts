import { describe, expect, it } from 'vitest';
import { parseSip } from '../../../src/wire/sip/message.ts';
import { renderRAck, rseqOf } from '../../../src/wire/sip/reliable-response.ts';

function rseq(status: string, ...headers: readonly string[]): number | undefined {
  const lines = [
    `SIP/2.0 ${status}`,
    'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa',
    'From: <sip:a@example.org>;tag=1',
    'To: <sip:b@example.org>;tag=2',
    'Call-ID: c',
    'CSeq: 1 INVITE',
    ...headers,
    '',
    '',
  ];
  const parsed = parseSip(new TextEncoder().encode(lines.join('\r\n')), 'exact');
  if (parsed.kind !== 'message') throw new Error('no message');
  return rseqOf(parsed.message);
}

describe('reliable provisional responses [RFC 3262 §3, §7.1]', () => {
  it.each([
    ['Require: 100rel', 'RSeq: 1', 1],
    ['Require: timer, 100REL', 'RSeq: 988789', 988_789],
    ['Require: 100rel', 'RSeq: 4294967295', 4_294_967_295],
  ])('%s, %s → wants a PRACK', (require, header, expected) => {
    expect(rseq('183 Session Progress', require, header)).toBe(expected);
  });

  it.each([
    ['100 Trying', ['Require: 100rel', 'RSeq: 1']],
    ['200 OK', ['Require: 100rel', 'RSeq: 1']],
    ['180 Ringing', ['RSeq: 1']],
    ['180 Ringing', ['Require: 100rel']],
    ['180 Ringing', ['Supported: 100rel', 'RSeq: 1']],
    ['180 Ringing', ['Require: 100rel', 'RSeq: 0']],
    ['180 Ringing', ['Require: 100rel', 'RSeq: 4294967296']],
    ['180 Ringing', ['Require: 100rel', 'RSeq: one']],
  ])('%s with %s → wants none', (status, headers) => {
    expect(rseq(status, ...headers)).toBeUndefined();
  });

  it('RAck names the response and its INVITE [RFC 3262 §7.2]', () => {
    expect(renderRAck(776_656, 2)).toBe('776656 2 INVITE');
  });
});
