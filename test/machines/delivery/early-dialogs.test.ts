/** Provisional responses: by fork, and acknowledged where they are reliable (RFC 3262, A-28). */
import { describe, expect, it } from 'vitest';
import type { Stamped } from '../../../src/engine/decide.ts';
import type { InviteProgressedData } from '../../../src/machines/delivery/events.ts';
import {
  ACCOUNT,
  delivery,
  deliveryEvent as event,
  deliveryHistory as history,
} from '../../controls/delivery-events.ts';
import { after, decided, START_MS } from '../../controls/histories.ts';

const inviting = history('inviting');
const ringing = (data: Partial<InviteProgressedData>, id = 'ring') =>
  event('InviteProgressed', { toTag: 'x', remoteTarget: 'sip:romeo@192.0.2.17', ...data }, { id });
const prack = (cseq: number, rseq: number, dialog = 'x') =>
  `sendPrack(account: ${ACCOUNT}, dialog: ${dialog}, cseq: ${cseq}, rseq: ${rseq})`;
const first = ringing({ rseq: 776 });
const progress = (given: readonly Stamped[], data: Partial<InviteProgressedData>) =>
  decided(delivery, given, ringing(data, 'now'));

describe('a reliable provisional response [RFC 3262 §4]', () => {
  it('inviting: the first, with any RSeq → PRACK with the next CSeq', () => {
    expect(decided(delivery, inviting, first)).toBe(`stays ${prack(2, 776)}`);
  });

  it('inviting: the same again → ignored: it has its PRACK', () => {
    expect(progress([...inviting, first], { rseq: 776 })).toBe('ignored');
    expect(progress([...inviting, first], { rseq: 776, allow: 'UPDATE' })).toBe('ignored');
  });

  it('inviting: the next one → PRACK; one after a gap, or an older one → ignored', () => {
    const given = [...inviting, first];
    expect(progress(given, { rseq: 777 })).toBe(`stays ${prack(3, 777)}`);
    expect(progress(given, { rseq: 778 })).toBe('ignored');
    expect(progress(given, { rseq: 775 })).toBe('ignored');
  });

  it('inviting: of another fork → counts by itself, RSeq and CSeq [RFC 3262 §4]', () => {
    expect(progress([...inviting, first], { toTag: 'fork', rseq: 5 })).toBe(
      `stays ${prack(2, 5, 'fork')}`,
    );
  });

  it('inviting: more forks than are told apart → not acknowledged, not forgotten', () => {
    const forks = Array.from({ length: 8 }, (_, index) =>
      ringing({ toTag: `fork${index}`, rseq: 1 }, `f${index}`),
    );
    const given = [...inviting, ...forks];
    expect(progress(given, { toTag: 'ninth', rseq: 1 })).toBe('ignored');
    expect(progress(given, { toTag: 'fork0', rseq: 2 })).toBe(`stays ${prack(3, 2, 'fork0')}`);
  });

  it('answered: the BYE follows the PRACKs of its dialog, that of a fork its own [T-20]', () => {
    const given = [...inviting, first, ringing({ rseq: 777 }, 'r2'), event('InviteAnswered')];
    expect(decided(delivery, given, event('ChannelLost'))).toContain('dialog: x, cseq: 4');
    const fork = [...given, ringing({ toTag: 'fork', rseq: 1 }, 'r3')];
    expect(
      decided(delivery, fork.slice(0, -1), event('InviteAnswered', { toTag: 'fork' })),
    ).toContain('dialog: fork, cseq: 2, surplus: true');
    const both = [...inviting, ringing({ toTag: 'fork', rseq: 1 }, 'r0'), event('InviteAnswered')];
    expect(decided(delivery, both, event('InviteAnswered', { toTag: 'fork' }))).toContain(
      'dialog: fork, cseq: 3, surplus: true',
    );
  });

  it('cancelling: the first → the CANCEL leaves, and the PRACK; repeated → ignored [REF-3261-3]', () => {
    const given = history('cancelling, not ringing');
    expect(decided(delivery, given, first)).toBe(
      `stays cancelInvite(account: ${ACCOUNT}, progressed: true) ${prack(2, 776)}`,
    );
    expect(progress([...given, first], { rseq: 776 })).toBe('ignored');
    expect(progress([...given, first], { rseq: 777 })).toBe(`stays ${prack(3, 777)}`);
  });

  it.each(['pushing, no channel', 'bye, all acknowledged', 'ended, completed'])(
    '%s: it comes too late → ignored: the final response acknowledges it [RFC 3262 §3]',
    (name) => {
      expect(decided(delivery, history(name), first)).toBe('ignored');
    },
  );
});

describe('what a fork says [A-28]', () => {
  const timed = { sessionExpiresSeconds: 90 } as const;
  it('inviting: another fork rings, with nothing new but itself → kept [IM-11.3.2.3-16]', () => {
    expect(progress([...inviting, ringing({})], { toTag: 'fork' })).toBe('stays');
    expect(progress([...inviting, ringing({})], {})).toBe('ignored');
  });

  it.each([
    ['of its own dialog', 'x', 'UPDATE'],
    ['of another fork', 'fork', 'INVITE'],
  ])(
    'inviting: the 2xx is silent, a 180 %s allows UPDATE → refreshed by %s',
    (_, toTag, method) => {
      const rang = ringing({ toTag, allow: 'INVITE, UPDATE' });
      const given = [...inviting, rang, event('InviteAnswered', timed, { id: 'answered' })];
      const due = event('RefreshDue', { dueAt: START_MS + 45_000 });
      expect(decided(delivery, given, due)).toContain(`method: ${method}`);
    },
  );

  it('inviting: the 2xx has no Contact → requests go where its 180 said [RFC 3261 §12.1.2]', () => {
    const given = [...inviting, ringing({ remoteTarget: 'sip:early@192.0.2.9' })];
    const silent = event('InviteAnswered', { remoteTarget: '' });
    const decision = delivery.decide(after(delivery, given), silent);
    expect(JSON.stringify(decision)).toContain('"remoteTarget":"sip:early@192.0.2.9"');
  });
});

describe('an INVITE that another one followed', () => {
  const again = [
    ...inviting,
    ringing({ inviteCseq: 1 }, 'r1'),
    event('InviteRefused', { status: 422, minSeSeconds: 3600, inviteCseq: 1 }, { id: 'first' }),
  ];

  it('inviting: a 1xx or a refusal of the first → ignored', () => {
    expect(progress(again, { inviteCseq: 1, rseq: 9 })).toBe('ignored');
    const refused = event('InviteRefused', { status: 480, inviteCseq: 1 });
    expect(decided(delivery, again, refused)).toBe('ignored');
    expect(decided(delivery, again, event('DeliveryInterrupted'))).toContain('progressed: false');
  });

  it.each([
    ['inviting', again],
    ['cancelling', [...again, event('DeliveryInterrupted', {}, { id: 'i' })]],
  ])('%s: a fork answers the first with 2xx → ACK and BYE, and it goes on [T-17]', (_, given) => {
    const input = event('InviteAnswered', { toTag: 'fork', inviteCseq: 1 });
    expect(decided(delivery, given, input)).toBe(
      `stays sendAck(account: ${ACCOUNT}, dialog: fork) ` +
        `sendBye(account: ${ACCOUNT}, dialog: fork, cseq: 2, surplus: true, ackFirst: false)`,
    );
  });

  it('ended by a refusal: a fork answers after all → ACK and BYE [RFC 3261 §13.2.2.4]', () => {
    const given = [...inviting, event('InviteRefused', { status: 486, inviteCseq: 1 })];
    const input = event('InviteAnswered', { toTag: 'fork', inviteCseq: 1 });
    expect(decided(delivery, given, input)).toBe(
      `stays sendAck(account: ${ACCOUNT}, dialog: fork) ` +
        `sendBye(account: ${ACCOUNT}, dialog: fork, cseq: 2, surplus: true, ackFirst: false)`,
    );
  });

  it('inviting: the PRACK of the second follows its CSeq', () => {
    expect(progress(again, { inviteCseq: 2, rseq: 1 })).toBe(
      `stays ${prack(3, 1).replace(')', ', inviteCseq: 2)')}`,
    );
  });
});
