/** What a message is answered with, and when that is enough (RFC 4975 §7.1.1, §7.2). */
import { describe, expect, it } from 'vitest';
import { simulatedClock } from '../../controls/simulated-clock.ts';
import { connected, message, reports, says, sends } from './session-side.ts';

const body = new Uint8Array(5000);

function sending(failureReport: 'no' | 'partial', successReport = false) {
  const clock = simulatedClock();
  const made = connected({ clock, failureReport, successReport, chunkBytes: 3000 });
  made.peer(says(made.frames[0], 200));
  return Object.assign(made, { clock });
}

describe('Failure-Report: no', () => {
  it('what was sent is acknowledged, and more than a window of it', () => {
    const made = sending('no');
    for (let n = 0; n < 40; n++) made.session.send(message(`${n}`, body));
    expect(made.frames[1]).toMatchObject({ failureReport: 'no' });
    expect(made.outcomes()).toHaveLength(40);
    made.clock.advance(60_000);
    expect(made.session.state).toBe('bound');
  });

  it('an answer that comes all the same while it is sent counts', () => {
    const made = sending('no');
    made.full = true;
    made.session.send(message('1', body));
    made.peer(says(made.frames[1], 413));
    expect(made.outcomes()).toEqual(['1 {"outcome":"failed","status":413,"sent":true}']);
    made.session.drained();
    expect(made.frames).toHaveLength(2);
  });

  it('a failure REPORT behind it takes it back', () => {
    const made = sending('no');
    made.session.send(message('1', body));
    made.peer(reports('id-1', '1-5000/5000', '000 403'));
    expect(made.events.at(-1)).toEqual({ kind: 'takenBack', key: '1', status: 403 });
  });

  it('with Success-Report: yes the REPORT is waited for', () => {
    const made = sending('no', true);
    made.session.send(message('1', body));
    expect(made.outcomes()).toEqual([]);
    made.peer(reports('id-1', '1-5000/5000', '000 200 OK'));
    expect(made.outcomes()).toEqual(['1 {"outcome":"acknowledged"}']);
  });
});

describe('Failure-Report: partial', () => {
  it('no answer within the transaction time after the last octet acknowledges', () => {
    const made = sending('partial');
    made.full = true;
    made.session.send(message('1', body));
    made.clock.advance(20_000);
    made.full = false;
    made.session.drained();
    made.clock.advance(29_999);
    expect(made.outcomes()).toEqual([]);
    made.clock.advance(1);
    expect(made.outcomes()).toEqual(['1 {"outcome":"acknowledged"}']);
    expect(made.session.state).toBe('bound');
  });

  it('an error fails it', () => {
    const made = sending('partial');
    made.session.send(message('1', body));
    made.peer(says(made.frames[2], 403));
    made.clock.advance(30_000);
    expect(made.outcomes()).toEqual(['1 {"outcome":"failed","status":403,"sent":true}']);
  });

  it('a success REPORT on all of it acknowledges at once', () => {
    const made = sending('partial', true);
    made.session.send(message('1', body));
    made.peer(reports('id-1', '1-3000/5000', '000 200 OK'));
    expect(made.outcomes()).toEqual([]);
    made.peer(reports('id-1', '3001-5000/5000', '000 200 OK'));
    expect(made.outcomes()).toEqual(['1 {"outcome":"acknowledged"}']);
  });

  it('the window opens when the oldest is through', () => {
    const clock = simulatedClock();
    const made = connected({ clock, failureReport: 'partial', windowMessages: 1 });
    made.peer(says(made.frames[0], 200));
    made.session.send(message('1'));
    made.session.send(message('2'));
    clock.advance(30_000);
    expect(made.frames.map(({ messageId }) => messageId).slice(1)).toEqual(['id-1', 'id-2']);
  });
});

describe('a REPORT', () => {
  it.each([
    ['for another session', (text: string) => text.replace('p7k2m4qx9w', 'p7k2m4qx9x')],
    ['of another namespace', (text: string) => text.replace('000 403', '001 403')],
  ])('%s fails nothing [RFC 4975 §7.3, §7.3.2]', (_, change) => {
    const made = connected();
    made.session.send(message('1', body));
    made.wrote.length = 0;
    made.peer(change(reports('id-1', '1-5000/5000', '000 403')));
    expect(made.outcomes()).toEqual([]);
    expect(made.wrote.every((wrote) => wrote !== 'REPORT $')).toBe(true);
  });

  it.each([
    ['yes', ['REPORT $']],
    ['partial', ['REPORT $']],
    ['no', []],
  ])('takes back what was answered 200, once, where Failure-Report is %s', (wanted, wrote) => {
    const made = connected();
    const headers = `Message-ID: m123\r\nFailure-Report: ${wanted}\r\nContent-Type: a/b\r\n\r\nhello`;
    made.peer(sends('t001', headers));
    made.session.takeBack('m123', 403);
    made.session.answer('t001', 200);
    made.wrote.length = 0;
    made.session.takeBack('m123', 403);
    made.session.takeBack('m123', 403);
    expect(made.wrote).toEqual(wrote);
    expect(made.frames.slice(wrote.length - 2).at(-1)?.status).toEqual(
      wrote.length > 0 ? { namespace: '000', code: 403, comment: 'Forbidden' } : undefined,
    );
    made.peer(sends('t002', headers));
    expect(made.bodies(), 'it may come again').toEqual(['hello', 'hello']);
  });
});

it('who is told of an outcome may send at once, in order', () => {
  const made = connected({
    chunkBytes: 3000,
    emit(event) {
      if (event.kind !== 'outcome' || event.key !== '2') return;
      made.session.send(message('3', body));
    },
  });
  made.session.send(message('1', body, 'a/b'));
  made.peer(says(made.frames[1], 415));
  made.full = true;
  made.session.send(message('4', body));
  made.session.send(message('2', body, 'a/b'));
  made.full = false;
  made.session.drained();
  const ids = made.frames.slice(-4).map(({ messageId, flag }) => `${messageId} ${flag}`);
  expect(ids).toEqual(['id-4 +', 'id-4 $', 'id-3 +', 'id-3 $']);
});
