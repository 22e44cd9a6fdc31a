import { describe, expect, it } from 'vitest';
import { type Ladder, ladder } from '../../src/audit/ladder.ts';
import { renderLadder } from '../../src/audit/ladder-text.ts';
import {
  CLIENT,
  chunk,
  delivered,
  type History,
  history,
  NURSE,
  ok,
  ROMEO,
  SENDER,
  sip,
} from './recorded-history.ts';

const SENDER_MSRP = '127.0.0.1:41999';

/** What is said, in order. */
function said({ lanes, rows }: Ladder): readonly string[] {
  return rows.map((row) =>
    row.kind === 'note'
      ? `${row.type} → ${row.after}`
      : `${lanes[row.from]?.name} → ${lanes[row.to]?.name}: ${row.label}`,
  );
}

/** One session in which somebody leaves a message, from the INVITE to the BYE. */
function left(one: History, account: string, id: string): void {
  const { at, event, sent, received } = one;
  const stream = `deposit-${id}`;
  const callId = `${id}@c`;
  const signal = (startLine: string, cseq: string) =>
    [SENDER, sip(startLine, callId, cseq, account)] as const;
  at(0);
  const invite = signal(`INVITE ${account} SIP/2.0`, '1 INVITE');
  event(stream, 'DepositOffered', ['idle', 'answering'], { account, rule: 2 }, { cause: invite });
  at(1);
  sent(...signal('SIP/2.0 200 OK', '1 INVITE'));
  at(3);
  const ack = signal('ACK sip:im-store@127.0.0.1 SIP/2.0', '1 ACK');
  event(stream, 'AckReceived', ['answering', 'receiving'], {}, { cause: ack });
  at(5);
  event(stream, 'ChannelBound', ['receiving', 'receiving'], { remote: SENDER_MSRP });
  at(6);
  received(SENDER_MSRP, chunk(`t${id}`, `m${id}`, 'x'.repeat(9)));
  at(7);
  const whole = { account, id: `${id}@store`, messageId: `m${id}`, bytes: 9 };
  const completed = { ...whole, contentType: 'text/plain' };
  event(stream, 'MessageCompleted', ['receiving', 'receiving'], completed);
  event(`mailbox-${account}`, 'MessageDeferred', ['idle', 'idle'], { id: whole.id, bytes: 9 });
  sent(SENDER_MSRP, ok(`t${id}`));
  at(9);
  const bye = signal('BYE sip:im-store@127.0.0.1 SIP/2.0', '2 BYE');
  event(stream, 'ByeReceived', ['receiving', 'ended'], {}, { cause: bye });
  sent(...signal('SIP/2.0 200 OK', '2 BYE'));
}

describe('ladder of a session in which a sender leaves a message', () => {
  it('shows the sender at the left of the server, and where the session stands', () => {
    const one = history();
    left(one, ROMEO, 'l1');
    const drawn = ladder(one.records, { account: ROMEO });
    expect(drawn.lanes.map(({ name }) => name)).toEqual(['sender', 'restante', 'MSRP']);
    expect(said(drawn)).toEqual([
      'sender → restante: INVITE',
      'DepositOffered → answering',
      'restante → sender: 200 OK',
      'sender → restante: ACK',
      'AckReceived → receiving',
      'ChannelBound → receiving',
      'MSRP → restante: SEND 1-9/9 $',
      'MessageCompleted → receiving',
      'MessageDeferred → idle',
      'restante → MSRP: 200 OK',
      'sender → restante: BYE',
      'ByeReceived → ended',
      'restante → sender: 200 OK',
    ]);
    expect(renderLadder(drawn, { width: 160 })).toContain(
      '● MessageCompleted → receiving  (l1@store, 9 octets, text/plain)',
    );
  });

  it('a session of somebody else on the same connection is left out', () => {
    const one = history();
    left(one, NURSE, 'n1');
    expect(ladder(one.records, { account: ROMEO }).rows).toEqual([]);
    left(one, ROMEO, 'l1');
    const alone = history();
    left(alone, ROMEO, 'l1');
    expect(said(ladder(one.records, { account: ROMEO }))).toEqual(
      said(ladder(alone.records, { account: ROMEO })),
    );
  });

  it('of a delivery leaves it out; without a scope it is whole', () => {
    const one = delivered();
    const before = said(ladder(one.records, { delivery: 'd1' }));
    const all = ladder(one.records).rows.length;
    left(one, ROMEO, 'l1');
    expect(said(ladder(one.records, { delivery: 'd1' }))).toEqual(before);
    expect(ladder(one.records).rows).toHaveLength(all + 13);
  });

  it('a refused INVITE, and a BYE of ours, pass between server and sender', () => {
    const one = history();
    const { at, event, sent } = one;
    const invite = [SENDER, sip(`INVITE ${ROMEO} SIP/2.0`, 'r@c', '1 INVITE')] as const;
    const refusal = { account: ROMEO, status: 480, reason: 'no room' };
    event('deposit-r', 'DepositRefused', ['idle', 'ended'], refusal, { cause: invite });
    sent(SENDER, sip('SIP/2.0 480 Temporarily Unavailable', 'r@c', '1 INVITE'));
    at(100);
    const offer = [SENDER, sip(`INVITE ${ROMEO} SIP/2.0`, 's@c', '1 INVITE')] as const;
    event(
      'deposit-s',
      'DepositOffered',
      ['idle', 'answering'],
      { account: ROMEO },
      { cause: offer },
    );
    event('deposit-s', 'IdleElapsed', ['receiving', 'bye'], { idleMs: 60_000 });
    sent(SENDER, sip('BYE sip:juliet@192.0.2.7 SIP/2.0', 's@c', '1 BYE'));
    const drawn = ladder(one.records, { account: ROMEO });
    expect(said(drawn)).toEqual([
      'sender → restante: INVITE',
      'DepositRefused → ended',
      'restante → sender: 480 Temporarily Unavailable',
      'sender → restante: INVITE',
      'DepositOffered → answering',
      'IdleElapsed → bye',
      'restante → sender: BYE',
    ]);
    const text = renderLadder(drawn);
    expect(text).toContain('● DepositRefused → ended  (480, no room)');
    expect(text).toContain('● IdleElapsed → bye  (nothing for 60000 ms)');
  });

  it('a delivery of the same account keeps its client at the right', () => {
    const one = delivered();
    left(one, ROMEO, 'l1');
    const { lanes } = ladder(one.records, { account: ROMEO });
    expect(lanes.map(({ name }) => name)).toEqual(['sender', 'restante', 'client', 'MSRP']);
    expect(lanes[2]?.addresses).toEqual([CLIENT]);
  });
});
