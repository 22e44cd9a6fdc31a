import { describe, expect, it } from 'vitest';
import type { Stamped } from '../../../src/engine/decide.ts';
import { deposit, depositEvent, depositHistories } from '../../controls/deposit-events.ts';
import { after, decided, effectNames } from '../../controls/histories.ts';

const given = (name: string): readonly Stamped[] => {
  const history = depositHistories[name];
  if (!history) throw new Error(`no history leads to ${name}`);
  return history;
};
const effects = (name: string, input: Stamped) =>
  effectNames(deposit.decide(after(deposit, given(name)), input));
const told = (name: string, input: Stamped) => decided(deposit, given(name), input);

describe('a session of a sender in Large mode', () => {
  it('idle: DepositOffered → awaits the sender before the 2xx invites it [IM-11.3.2.2-8]', () => {
    expect(effects('idle', depositEvent('DepositOffered'))).toEqual([
      'openChannel',
      'answerInvite',
    ]);
  });

  it('idle: DepositOffered without an offer → our 2xx makes one [RFC 3264 §5]', () => {
    const { end: _, ...data } = depositEvent('DepositOffered').data as { readonly end: unknown };
    expect(told('idle', { ...depositEvent('DepositOffered'), data })).toBe(
      '→ answering answerInvite(account: sip:romeo@example.net, offers: true)',
    );
  });

  it.each(['answering', 'receiving'])(
    '%s: MessageCompleted → deferred, held until the session has ended (A-25) [IM-11.3.2.5-3]',
    (state) => {
      expect(told(state, depositEvent('MessageCompleted'))).toMatch(
        /^stays deferMessage.*held: true/,
      );
    },
  );

  it.each(['receiving, channel lost', 'bye', 'ended'])(
    '%s: MessageCompleted → deferred, nothing holds it any more [T-03]',
    (state) => {
      expect(told(state, depositEvent('MessageCompleted'))).toMatch(/deferMessage.*held: false/);
    },
  );

  it('receiving: DepositAborted → recorded, and nothing is stored (A-09) [T-03]', () => {
    expect(told('receiving', depositEvent('DepositAborted'))).toBe('stays');
  });
});

describe('its end', () => {
  it('receiving: ByeReceived → what it brought is released [IM-11.3.2.5-5]', () => {
    expect(effects('receiving, with a message', depositEvent('ByeReceived'))).toEqual([
      'closeChannel',
      'annotateMessage',
    ]);
  });

  it('receiving: ChannelLost → released, and the sender has 2 s to say BYE (A-10)', () => {
    expect(told('receiving, with a message', depositEvent('ChannelLost'))).toBe(
      'stays startTimer(name: grace, dueAt: +2 s, event: GraceElapsed) ' +
        'annotateMessage(account: sip:romeo@example.net)',
    );
  });

  it('receiving: ChannelLost, then GraceElapsed → we say BYE (A-10)', () => {
    const elapsed = depositEvent('GraceElapsed');
    expect(effects('receiving, channel lost', elapsed)).toContain('sendBye');
  });

  it('receiving: IdleElapsed → BYE, and what it brought is released (A-10) [T-07]', () => {
    const asked = effects('receiving, with a message', depositEvent('IdleElapsed'));
    expect(asked).toEqual(['closeChannel', 'sendBye', 'startTimer', 'annotateMessage']);
  });

  it('answering: ChannelLost → no BYE before the ACK [RFC 3261 §15]', () => {
    expect(effects('answering, with a message', depositEvent('ChannelLost'))).toEqual([
      'annotateMessage',
    ]);
    expect(effects('answering, channel lost', depositEvent('AckReceived'))).toEqual(['startTimer']);
  });

  it('answering: AckMissed → BYE [T-21]', () => {
    expect(effects('answering', depositEvent('AckMissed'))).toContain('sendBye');
  });

  it('answering: DepositInterrupted → ended without a BYE, for there was no ACK [T-21]', () => {
    const interrupted = depositEvent('DepositInterrupted');
    expect(told('answering', interrupted)).toBe('→ ended closeChannel()');
    expect(effects('receiving', interrupted)).toContain('sendBye');
  });

  it('receiving: SessionExpired → BYE before the interval ends [REF-4028-1]', () => {
    const expired = depositEvent('SessionExpired');
    expect(effects('receiving, session timer', expired)).toContain('sendBye');
    expect(told('receiving', expired)).toBe('ignored');
  });

  it('receiving: SessionRefreshed → the interval begins anew [RFC 4028 §9]', () => {
    const refreshed = depositEvent('SessionRefreshed', {}, { atMs: 900_000 });
    expect(told('receiving, session timer', refreshed)).toContain('dueAt: +2668 s');
  });

  it('receiving: SessionRefreshed that grants no timer → there is none any more [RFC 4028 §7.2]', () => {
    const refreshed = { ...depositEvent('SessionRefreshed'), data: {} };
    expect(told('receiving, session timer', refreshed)).toBe('stays stopTimer(name: duration)');
  });

  it('bye: ByeAnswered, ByeReceived or GraceElapsed → ended, whichever comes first', () => {
    const ends = (['ByeAnswered', 'ByeReceived', 'GraceElapsed'] as const).map((type) =>
      told('bye', depositEvent(type)),
    );
    expect(ends.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      '→ ended',
      '→ ended',
      '→ ended',
    ]);
  });
});

it('idle: DepositRefused → ended, and nothing is asked for [IM-11.3.2.2-1]', () => {
  expect(told('idle', depositEvent('DepositRefused'))).toBe('→ ended');
});
