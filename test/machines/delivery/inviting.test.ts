import { describe, expect, it } from 'vitest';
import {
  ACCOUNT,
  delivery,
  deliveryEvent as event,
  deliveryHistory as history,
  unacceptableAnswer,
} from '../../controls/delivery-events.ts';
import { decided, START_MS } from '../../controls/histories.ts';

const inviting = history('inviting');
const ringing = history('inviting, ringing');
const transactionTimedOut = { ...event('InviteTimedOut'), data: { by: 'transaction' } };
const report = (cause: string, more = '') =>
  `reportDelivery(account: ${ACCOUNT}, cause: ${cause}${more}, acknowledged: 0, failed: 0)`;
const ack = `sendAck(account: ${ACCOUNT}, dialog: x)`;
const bye = `sendBye(account: ${ACCOUNT}, dialog: x, cseq: 2, surplus: false, ackFirst: false)`;
const grace = 'startTimer(name: grace, dueAt: +2 s, event: GraceElapsed)';
const cancel = (progressed: boolean) =>
  `cancelInvite(account: ${ACCOUNT}, progressed: ${progressed})`;

describe('idle', () => {
  it('idle: DeliveryOpened → inviting, asks sendInvite [IM-11.3.2.3-3]', () => {
    expect(decided(delivery, [], event('DeliveryOpened'))).toBe(
      `→ inviting sendInvite(account: ${ACCOUNT}) ` +
        'startTimer(name: invite, dueAt: +120 s, event: InviteTimedOut)',
    );
  });

  it('idle: DeliveryInterrupted → ended, reported, no INVITE ever leaves', () => {
    expect(decided(delivery, [], event('DeliveryInterrupted'))).toBe(
      `→ ended ${report('restart')}`,
    );
    const given = history('ended, never opened');
    expect(decided(delivery, given, event('DeliveryOpened'))).toBe('refused: unexpected');
  });

  it('inviting: DeliveryOpened again → refused', () => {
    expect(decided(delivery, inviting, event('DeliveryOpened'))).toBe('refused: unexpected');
  });
});

describe('InviteProgressed', () => {
  it('inviting: InviteProgressed → remembered for a CANCEL [REF-3261-3]', () => {
    expect(decided(delivery, inviting, event('InviteProgressed'))).toBe('stays');
    expect(decided(delivery, ringing, event('InviteTimedOut'))).toContain(cancel(true));
  });

  it('inviting: InviteProgressed again → ignored', () => {
    expect(decided(delivery, ringing, event('InviteProgressed'))).toBe('ignored');
  });

  it('inviting: InviteProgressed with a new Allow → remembered [IM-11.3.2.3-15]', () => {
    const input = event('InviteProgressed', { status: 183, allow: 'INVITE, UPDATE' });
    expect(decided(delivery, ringing, input)).toBe('stays');
  });

  it('cancelling: InviteProgressed, the first → now the CANCEL may leave [REF-3261-3]', () => {
    const given = history('cancelling, not ringing');
    expect(decided(delivery, given, event('InviteProgressed'))).toBe(`stays ${cancel(true)}`);
  });

  it('cancelling: InviteProgressed again → ignored, one CANCEL is enough', () => {
    const given = history('cancelling, ringing');
    const input = event('InviteProgressed', { status: 183, allow: 'INVITE, UPDATE' });
    expect(decided(delivery, given, input)).toBe('ignored');
  });

  it('ended: InviteProgressed, the CANCEL still owed → it leaves, once [RFC 3261 §9.1]', () => {
    const given = history('ended, the CANCEL is still owed');
    expect(decided(delivery, given, event('InviteProgressed'))).toBe(`stays ${cancel(true)}`);
    const again = [...given, event('InviteProgressed')];
    expect(decided(delivery, again, event('InviteProgressed'))).toBe('ignored');
  });

  it.each(['ended, completed', 'ended, never opened', 'bye, all acknowledged'])(
    '%s: InviteProgressed → ignored',
    (name) => {
      expect(decided(delivery, history(name), event('InviteProgressed'))).toBe('ignored');
    },
  );
});

describe('InviteAnswered', () => {
  it('inviting: InviteAnswered, acceptable → pushing, ACK, channel [REF-3261-1]', () => {
    expect(decided(delivery, inviting, event('InviteAnswered'))).toBe(
      `→ pushing stopTimer(name: invite) ${ack} ` +
        'openChannel(path: ["msrp://192.0.2.17:9000/s1;tcp"], setup: passive) ' +
        'startTimer(name: duration, dueAt: +900 s, event: SessionExpired)',
    );
  });

  it('inviting: InviteAnswered, not acceptable → ACK, then BYE [A-34, REF-4975-3]', () => {
    const input = event('InviteAnswered', { answer: unacceptableAnswer });
    expect(decided(delivery, inviting, input)).toBe(
      `→ bye stopTimer(name: invite) ${ack} ${bye} ${grace}`,
    );
    expect(decided(delivery, [...inviting, input], event('ByeAnswered'))).toContain(
      report('notAcceptable', ', unconfirmed: false'),
    );
  });

  it('cancelling: InviteAnswered, it crossed our CANCEL → ACK, then BYE [T-22]', () => {
    const given = history('cancelling, ringing');
    expect(decided(delivery, given, event('InviteAnswered'))).toBe(
      `→ bye ${ack} stopTimer(name: grace) ${bye} ${grace}`,
    );
  });

  it.each(['pushing, no channel', 'bye, all acknowledged'])(
    '%s: InviteAnswered of the same dialog → ACK and nothing else [REF-3261-1, T-20]',
    (name) => {
      expect(decided(delivery, history(name), event('InviteAnswered'))).toBe(`stays ${ack}`);
    },
  );

  it.each(['pushing, no channel', 'bye, all acknowledged', 'ended, completed'])(
    '%s: InviteAnswered by a fork → ACK and BYE for that dialog [T-17]',
    (name) => {
      const input = event('InviteAnswered', { toTag: 'fork' });
      expect(decided(delivery, history(name), input)).toBe(
        `stays sendAck(account: ${ACCOUNT}, dialog: fork) ` +
          `sendBye(account: ${ACCOUNT}, dialog: fork, cseq: 2, surplus: true, ackFirst: false)`,
      );
    },
  );

  it('ended, completed: InviteAnswered again → ACK and a further BYE: both were lost [T-17, T-20]', () => {
    expect(decided(delivery, history('ended, completed'), event('InviteAnswered'))).toBe(
      `stays ${ack} sendBye(account: ${ACCOUNT}, dialog: x, cseq: 3, surplus: true, ackFirst: false)`,
    );
  });

  it('ended without a dialog: a late InviteAnswered → ACK and BYE; repeated → the next BYE [T-20]', () => {
    const given = history('ended, the CANCEL is still owed');
    const surplus = `sendBye(account: ${ACCOUNT}, dialog: x, cseq: 2, surplus: true, ackFirst: false)`;
    expect(decided(delivery, given, event('InviteAnswered'))).toBe(`stays ${ack} ${surplus}`);
    const again = [...given, event('InviteAnswered')];
    expect(decided(delivery, again, event('InviteAnswered'))).toBe(
      `stays ${ack} ${surplus.replace('cseq: 2', 'cseq: 3')}`,
    );
  });

  it('idle: InviteAnswered → refused', () => {
    expect(decided(delivery, [], event('InviteAnswered'))).toBe('refused: unexpected');
  });
});

describe('the INVITE fails', () => {
  it('inviting: InviteRefused → ended, reported with status and Retry-After, the offered session is given up [A-35]', () => {
    const input = event('InviteRefused', { status: 503, retryAfterMs: 7_000 });
    expect(decided(delivery, inviting, input)).toBe(
      `→ ended stopTimer(name: invite) closeChannel() ${report('refused', ', status: 503, retryAfterMs: 7000')}`,
    );
  });

  it('inviting: InviteTimedOut by the transaction → ended, nothing to cancel', () => {
    expect(decided(delivery, inviting, transactionTimedOut)).toBe(
      `→ ended stopTimer(name: invite) closeChannel() ${report('noAnswer')}`,
    );
  });

  it('inviting: InviteTimedOut by the ring guard → cancelling [A-35]', () => {
    expect(decided(delivery, ringing, event('InviteTimedOut'))).toBe(
      `→ cancelling stopTimer(name: invite) ${cancel(true)} ${grace}`,
    );
  });

  it('inviting: InviteTimedOut with another due time → ignored', () => {
    const input = event('InviteTimedOut', { dueAt: START_MS });
    expect(decided(delivery, inviting, input)).toBe('ignored');
  });

  it('inviting: DeliveryInterrupted → cancelling, whether or not it rings', () => {
    expect(decided(delivery, inviting, event('DeliveryInterrupted'))).toBe(
      `→ cancelling stopTimer(name: invite) ${cancel(false)} ${grace}`,
    );
  });

  it('cancelling: InviteRefused → ended, the CANCEL is confirmed', () => {
    const given = history('cancelling, ringing');
    expect(decided(delivery, given, event('InviteRefused', { status: 487 }))).toBe(
      `→ ended stopTimer(name: grace) closeChannel() ${report('restart', ', unconfirmed: false')}`,
    );
  });

  it.each([
    ['InviteTimedOut by the transaction', transactionTimedOut],
    ['GraceElapsed', event('GraceElapsed')],
  ])('cancelling: %s → ended, the CANCEL is not confirmed', (_, input) => {
    expect(decided(delivery, history('cancelling, ringing'), input)).toBe(
      `→ ended stopTimer(name: grace) closeChannel() ${report('restart', ', unconfirmed: true')}`,
    );
  });

  it.each([
    ['InviteTimedOut by the guard', event('InviteTimedOut')],
    ['GraceElapsed with another due time', event('GraceElapsed', { dueAt: START_MS })],
  ])('cancelling: %s → ignored', (_, input) => {
    expect(decided(delivery, history('cancelling, ringing'), input)).toBe('ignored');
  });

  it('cancelling: DeliveryInterrupted → the CANCEL is repeated, the grace begins anew', () => {
    const input = event('DeliveryInterrupted', {}, { atMs: 1_000 });
    expect(decided(delivery, history('cancelling, ringing'), input)).toBe(
      `stays ${cancel(true)} startTimer(name: grace, dueAt: +3 s, event: GraceElapsed)`,
    );
  });

  it('inviting: ByeReceived → refused, there is no dialog yet', () => {
    expect(decided(delivery, inviting, event('ByeReceived'))).toBe('refused: unexpected');
  });
});
