/** The checks around a kill can fail, each for its own reason. */
import { describe, expect, test } from 'vitest';
import { type Check, type Evidence, violationsOf } from '../controls/crash-checks.ts';
import { depositKey, type LogFacts } from '../controls/crash-log.ts';

const FIRST = { token: 'm-1', user: 'bob', callId: 'c1', fromTag: 't1', cseq: 1, body: '' };
const SECOND = { token: 'm-2', user: 'bob', callId: 'c2', fromTag: 't2', cseq: 1, body: '' };
const key1 = depositKey('bob', 'c1', 't1', 1);
const key2 = depositKey('bob', 'c2', 't2', 1);

const deferred1 = { id: '1', token: 'm-1', key: key1, position: '01' };
const deferred2 = { id: '2', token: 'm-2', key: key2, position: '03' };
const accepted1 = { key: key1, position: '02' };
const accepted2 = { key: key2, position: '04' };
const delivered1 = { token: 'm-1', delivery: 'd1', messageId: 'x1', position: '05' };
const delivered2 = { token: 'm-2', delivery: 'd2', messageId: 'x2', position: '08' };
const sound: Pick<LogFacts, 'events' | 'faults' | 'staleViews'> = {
  events: 8,
  faults: [],
  staleViews: [],
};

/** Two deposits; the first was delivered before the kill, the second pushed before and after it. */
const atKill: LogFacts = {
  ...sound,
  deferred: [deferred1, deferred2],
  acknowledged: [delivered1],
  accepted: [accepted1, accepted2],
  byes: [],
};
const atEnd: LogFacts = {
  ...atKill,
  acknowledged: [delivered1, delivered2],
  byes: [
    { key: 'd1', position: '06' },
    { key: 'd2', position: '09' },
  ],
};
const received = [
  { user: 'bob', callId: 'd1', token: 'm-1', messageId: 'x1' },
  { user: 'bob', callId: 'd1', token: 'm-2', messageId: 'x2' },
];
const again = { user: 'bob', callId: 'd2', token: 'm-2', messageId: 'x2' };
const evidence: Evidence = {
  sent: new Map([FIRST, SECOND].map((deposit) => [deposit.token, deposit])),
  refusals: [],
  receipts: [...received, again],
  openSessions: [],
  kills: [{ acknowledged: new Set(['m-1', 'm-2']), received: 2, log: atKill }],
  atEnd,
};

function withKill(log: Partial<LogFacts>): Evidence {
  const kills = evidence.kills.map((kill) => ({ ...kill, log: { ...kill.log, ...log } }));
  return { ...evidence, kills };
}

function withEnd(log: Partial<LogFacts>): Evidence {
  return { ...evidence, atEnd: { ...atEnd, ...log } };
}

const broken: readonly (readonly [Check, Evidence])[] = [
  ['lost', withKill({ deferred: [deferred1] })],
  ['storedTwice', withEnd({ deferred: [deferred1, deferred2, { ...deferred2, id: '3' }] })],
  ['unanswered', { ...evidence, refusals: [{ token: 'm-1', status: 408 }] }],
  [
    'deliveredAgain',
    { ...evidence, receipts: [...received, again, { ...again, token: 'm-1', messageId: 'x1' }] },
  ],
  ['otherMessageId', { ...evidence, receipts: [...received, { ...again, messageId: 'x3' }] }],
  ['leftInSession', { ...evidence, openSessions: ['bob, d1'] }],
  ['undelivered', withEnd({ acknowledged: [delivered1] })],
  ['unsoundLog', withEnd({ faults: ['05 comes after 06'] })],
  ['early202', withEnd({ accepted: [{ key: key2, position: '02' }] })],
  ['earlyBye', withEnd({ byes: [{ key: 'd2', position: '07' }] })],
  ['staleView', withKill({ staleViews: ['waiting, row bob'] })],
];

describe('the checks around a kill', () => {
  test('find nothing where nothing is wrong', () => {
    expect(violationsOf(evidence)).toEqual([]);
  });

  test.each(broken)('%s is found, and nothing else', (check, wrong) => {
    expect(violationsOf(wrong).map((violation) => violation.check)).toEqual([check]);
  });
});
