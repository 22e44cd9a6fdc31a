/** What the client asks for in its answers: a longer session interval, smaller or plainer bodies. */
import { describe, expect, it } from 'vitest';
import {
  ACCOUNT,
  acceptableAnswer,
  delivery,
  deliveryEvent as event,
  deliveryHistory as history,
} from '../../controls/delivery-events.ts';
import { decided } from '../../controls/histories.ts';

const inviting = history('inviting');
const tooBrief = event('InviteRefused', { status: 422, minSeSeconds: 3600 }, { id: 'first' });

describe('422 Session Interval Too Small', () => {
  it('inviting: 422 with Min-SE → the INVITE again with that interval [RFC 4028 §7.4]', () => {
    expect(decided(delivery, inviting, tooBrief)).toBe(
      `stays sendInvite(account: ${ACCOUNT}, inviteCseq: 2, minSeSeconds: 3600)`,
    );
  });

  it('inviting: a second 422 → ended, refused [A-35]', () => {
    const given = [...inviting, tooBrief];
    const again = event('InviteRefused', { status: 422, minSeSeconds: 7200 });
    expect(decided(delivery, given, again)).toContain('cause: refused, status: 422');
  });

  it('inviting: 422 without Min-SE → ended: nothing to ask for [RFC 4028 §7.3]', () => {
    const bare = event('InviteRefused', { status: 422 });
    expect(decided(delivery, inviting, bare)).toMatch(/^→ ended/);
  });

  it('inviting: the second INVITE answered → ACK with its CSeq, BYE above it [RFC 3261 §12.2.1.1]', () => {
    const given = [...inviting, tooBrief];
    expect(decided(delivery, given, event('InviteAnswered'))).toContain('inviteCseq: 2');
    const pushing = [...given, event('InviteAnswered', {}, { id: 'answered' })];
    expect(decided(delivery, pushing, event('ChannelLost'))).toContain('cseq: 3, surplus: false');
  });
});

describe('Retry-After', () => {
  it.each([
    ['of a second and more', 1_000, ', retryAfterMs: 1000'],
    ['of nothing', 0, ''],
  ])('inviting: 503, Retry-After %s → reported%s [RFC 3261 §20.33]', (_, retryAfterMs, told) => {
    const refused = event('InviteRefused', { status: 503, retryAfterMs });
    expect(decided(delivery, inviting, refused)).toContain(`status: 503${told}, acknowledged`);
  });
});

describe('the answer', () => {
  it('pushing: ChannelBound → pushes within a=max-size, as the fragment that is taken [A-22]', () => {
    const answer = { ...acceptableAnswer, maxSize: 2048, encapsulation: 'sipfrag' } as const;
    const given = [...inviting, event('InviteAnswered', { answer }, { id: 'answered' })];
    expect(decided(delivery, given, event('ChannelBound'))).toBe(
      `stays pushMessages(account: ${ACCOUNT}, through: 2, maxSize: 2048, encapsulation: sipfrag)`,
    );
  });
});
