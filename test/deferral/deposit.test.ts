import { describe, expect, it } from 'vitest';
import { hostDigest } from '../../src/adapters/host/digest.ts';
import {
  DEFERRED_AGE_MAX_MS,
  depositKey,
  depositOf,
  expiryOf,
  MESSAGE_BYTES_MAX,
} from '../../src/deferral/deposit.ts';
import { lastMessageId, messageIds } from '../../src/deferral/message-id.ts';
import { deferralStage, ROMEO, sipMessage } from '../controls/deferral-stage.ts';
import { START_MS } from '../controls/histories.ts';

/** START_MS as RFC 3261 §20.17 writes it. */
const DATE = `Date: ${new Date(START_MS).toUTCString()}`;

function message(...headers: readonly string[]) {
  return sipMessage({ callId: 'c1@juliet', headers });
}

function deposit(headers: readonly string[], options: { body?: string; at?: number } = {}) {
  const { body = 'hi', at = START_MS } = options;
  return depositOf(sipMessage({ callId: 'c1@juliet', headers, body }), {
    account: ROMEO,
    at,
    id: '1@store.example',
    digest: hostDigest,
    evidence: { protocol: 'sip', transport: 'udp', local: '192.0.2.1:5060', remote: '192.0.2.9:1' },
  });
}

describe('deposit', () => {
  it.each([
    ['no Expires: 30 days after reception', [], 1_000, DEFERRED_AGE_MAX_MS + 1_000],
    ['a Date alone says nothing', [DATE], 1_000, DEFERRED_AGE_MAX_MS + 1_000],
    ['Date + Expires, however long it was on its way', [DATE, 'Expires: 60'], 1_000, 60_000],
    ['reception + Expires', ['Expires: 60'], 1_000, 61_000],
    ['a Date that cannot be read is none', ['Date: yesterday', 'Expires: 60'], 0, 60_000],
    ['an Expires that cannot be read is none', ['Expires: soon'], 0, DEFERRED_AGE_MAX_MS],
  ] as const)('expiry: %s [RFC 3428 §7]', (_, headers, receivedMs, expiresMs) => {
    const expiresAt = expiryOf(message(...headers), START_MS + receivedMs);
    expect(expiresAt - START_MS).toBe(expiresMs);
  });

  it('is refused when it would have to be kept no time at all [RFC 3428 §7]', () => {
    const refused = { kind: 'refused', reason: 'notDeferrable' };
    expect(deposit(['Expires: 0'])).toEqual(refused);
    expect(deposit([DATE, 'Expires: 60'], { at: START_MS + 60_000 })).toEqual(refused);
    expect(deposit([DATE, 'Expires: 60'], { at: START_MS + 59_999 }).kind).toBe('deposit');
  });

  it('is refused above the limit, octet for octet [RFC 3428 §8]', () => {
    const sized = (bytes: number) => deposit([], { body: 'x'.repeat(bytes) });
    const whole = sipMessage({ callId: 'c1@juliet', body: 'x'.repeat(60_000) }).octets.length;
    const body = 60_000 + MESSAGE_BYTES_MAX - whole;
    expect(sized(body)).toMatchObject({ input: { data: { bytes: MESSAGE_BYTES_MAX } } });
    expect(sized(body + 1)).toEqual({ kind: 'refused', reason: 'tooLarge' });
  });

  it('keeps the message octet for octet, its size and its priority', () => {
    const urgent = deposit(['Priority: urgent']);
    const octets = sipMessage({ callId: 'c1@juliet', headers: ['Priority: urgent'], body: 'hi' });
    expect(urgent).toMatchObject({
      kind: 'deposit',
      stream: `mailbox-${ROMEO}`,
      input: {
        type: 'MessageDeferred',
        data: { kind: 'message', bytes: octets.octets.length, priority: 'urgent' },
        octets: octets.octets,
      },
    });
    expect(deposit(['Priority: normal'])).not.toHaveProperty('input.data.priority');
  });

  it('has one key for each account, Call-ID, From-tag and CSeq number', () => {
    const key = (callId: string, account = ROMEO) =>
      depositKey(hostDigest, account, sipMessage({ callId }));
    expect(key('c1')).toBe(key('c1'));
    expect(key('c1')).not.toBe(key('c2'));
    expect(key('c1')).not.toBe(key('c1', 'sip:nurse@example.net'));
    expect(key('c1')).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe('message ids', () => {
  it('increase strictly, also within a millisecond and when the clock steps back', () => {
    let now = START_MS;
    const mint = messageIds({ host: 'store.example', last: undefined, now: () => now });
    const ids = [mint(), mint()];
    now -= 10_000;
    ids.push(mint());
    now += 20_000;
    ids.push(mint());
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(4);
    expect(ids[0]).toBe(`${START_MS * 1000}@store.example`);
  });

  it('go on above the highest that is recorded, whatever the clock says after a restart', async () => {
    const stage = await deferralStage();
    const ahead = messageIds({ host: 'a', last: undefined, now: () => START_MS + 60_000 });
    for (let count = 0; count < 3; count += 1) await stage.depositHeld(ahead().split('@')[0] ?? '');
    const last = await lastMessageId(stage.store);
    const mint = messageIds({ host: 'store.example', last, now: () => START_MS });
    expect(BigInt(mint().split('@')[0] ?? 0)).toBe((BigInt(START_MS) + 60_000n) * 1000n + 3n);
  });
});
