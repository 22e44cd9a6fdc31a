import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Ladder, ladder } from '../../src/audit/ladder.ts';
import { renderLadder } from '../../src/audit/ladder-text.ts';
import type { Recorded } from '../../src/engine/recorded.ts';
import { holds } from '../controls/properties.ts';
import {
  CLIENT,
  chunk,
  delivered,
  history,
  MEDIA,
  NURSE,
  ok,
  ROMEO,
  SENDER,
  sip,
} from './recorded-history.ts';

/** What is said, in order. */
function said({ lanes, rows }: Ladder): readonly string[] {
  return rows.map((row) =>
    row.kind === 'note'
      ? row.type
      : `${lanes[row.from]?.name} → ${lanes[row.to]?.name}: ${row.label}`,
  );
}

describe('ladder', () => {
  it('shows the whole path of an account, as a person reads it', async () => {
    const { records } = delivered();
    const text = renderLadder(ladder(records, { account: ROMEO }), { width: 110 });
    await expect(text).toMatchFileSnapshot('ladder.txt');
  });

  it('of a delivery begins with what opened it and leaves out the deposit', () => {
    const lines = said(ladder(delivered().records, { delivery: 'd1' }));
    expect(lines.slice(0, 3)).toEqual([
      'client → restante: REGISTER',
      'SubscriberRegistered',
      'DeliveryOpened',
    ]);
    expect(lines.at(-1)).toBe('DeliveryEnded');
    expect(lines.join()).not.toContain('MESSAGE');
  });

  it('tells of a restart between two events, and of no other', () => {
    const lines = said(ladder(delivered().records, { account: ROMEO }));
    expect(lines.slice(2, 5)).toEqual([
      'restante → sender: 202 Accepted',
      'NodeStarted',
      'client → restante: REGISTER',
    ]);
    expect(lines).not.toContain('NodeStopped');
  });

  it('of an account shows nothing of another one', () => {
    expect(said(ladder(delivered().records, { account: NURSE }))).toEqual([
      'sender → restante: MESSAGE',
      'MessageDeferred',
      'restante → sender: 202 Accepted',
      'client → restante: REGISTER',
    ]);
  });

  it('without a scope shows every signal and every event', () => {
    const { records } = delivered();
    const { rows } = ladder(records);
    const causes = records.filter(({ meta }) => meta.evidence).length;
    expect(rows).toHaveLength(records.length + causes);
  });

  it('finds a refused MESSAGE, which no event tells of, by its Request-URI', () => {
    const one = history();
    one.received(SENDER, sip('MESSAGE sip:romeo@EXAMPLE.net:5060 SIP/2.0', 'x', '1 MESSAGE'));
    one.sent(SENDER, sip('SIP/2.0 413 Request Entity Too Large', 'x', '1 MESSAGE'));
    const { rows } = ladder(one.records, { account: ROMEO });
    expect(rows.map((row) => row.kind === 'arrow' && [row.label, row.failure])).toEqual([
      ['MESSAGE', false],
      ['413 Request Entity Too Large', true],
    ]);
  });

  it('keeps apart the frames of two accounts on one MSRP connection', () => {
    const one = history();
    for (const [id, account] of [
      ['a', ROMEO],
      ['b', NURSE],
    ] as const) {
      one.event(`delivery-${id}`, 'DeliveryOpened', ['idle', 'inviting'], { account });
      one.event(`delivery-${id}`, 'ChannelBound', ['pushing', 'pushing'], { remote: MEDIA });
      one.sent(MEDIA, chunk(`t${id}`, `message-${id}`, 'hello'));
      one.received(MEDIA, ok(`t${id}`));
      const messageId = `message-${id}`;
      one.event(`delivery-${id}`, 'PushAcknowledged', ['pushing', 'bye'], { account, messageId });
    }
    expect(said(ladder(one.records, { account: ROMEO }))).toEqual([
      'DeliveryOpened',
      'ChannelBound',
      'restante → MSRP: SEND 1-5/5 $',
      'MSRP → restante: 200 OK',
      'PushAcknowledged',
    ]);
  });

  it('gives a named address a lane of its own', () => {
    const columns = { [CLIENT]: "romeo's phone", [SENDER]: 'juliet' };
    const { lanes } = ladder(delivered().records, { account: ROMEO, columns });
    expect(lanes.map(({ name }) => name)).toEqual(['juliet', 'restante', "romeo's phone", 'MSRP']);
  });

  it('says so when nothing is recorded', () => {
    expect(renderLadder(ladder([], { account: ROMEO }))).toBe('nothing recorded\n');
  });

  it('keeps within the width, however long the texts are', () => {
    const text = renderLadder(ladder(delivered().records), { width: 100 });
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  });

  it('in colour is the same text', () => {
    const { records } = delivered();
    const drawn = ladder(records, { account: ROMEO });
    const coloured = renderLadder(drawn, { color: true });
    expect(coloured).toContain('\u001b[36m');
    expect(
      coloured
        .split('\u001b')
        .map((part) => part.replace(/^\[\d+m/, ''))
        .join(''),
    ).toBe(renderLadder(drawn));
  });
});

const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '\u001b]0;x\u0007',
    'a\r\nb',
    '\u202e',
    '\u009b2J',
    ROMEO,
    'push.d1.x@h',
    'SIP/2.0',
  ),
);
const data = fc.oneof(
  fc.anything(),
  fc.dictionary(
    fc.constantFrom('protocol', 'remote', 'startLine', 'callId', 'status', 'tid', 'id', 'account'),
    fc.oneof(hostile, fc.integer()),
  ),
);
const anyRecord: fc.Arbitrary<Recorded> = fc.record({
  stream: fc
    .tuple(fc.constantFrom('mailbox', 'delivery', 'deposit', 'signal', 'node'), hostile)
    .map(([category, id]) => `${category}-${id}`),
  type: fc.oneof(fc.constantFrom('SignalSent', 'SignalReceived', 'ChannelBound'), hostile),
  id: hostile,
  at: fc.integer({ min: 0, max: 9 }),
  revision: fc.nat(),
  position: hostile,
  data,
  octets: fc.oneof(
    fc.uint8Array(),
    hostile.map((text) => new TextEncoder().encode(text)),
  ),
  meta: fc.record(
    {
      from: hostile,
      to: hostile,
      evidence: fc.record({
        protocol: fc.constantFrom('sip' as const, 'msrp' as const),
        transport: fc.constant('udp' as const),
        local: hostile,
        remote: hostile,
      }),
    },
    { requiredKeys: [] },
  ),
});
const scope = fc.constantFrom({}, { account: ROMEO }, { delivery: 'd1' });

describe('ladder of any records', () => {
  it('is drawn, one line a row, and gives the terminal no control characters', () => {
    holds(
      fc.property(fc.array(anyRecord), scope, hostile, (records, chosen, name) => {
        const columns = { '': name };
        const drawn = ladder(records, { ...chosen, columns });
        const text = renderLadder(drawn, { width: 40 });
        expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        expect(text.split('\n')).toHaveLength(drawn.rows.length === 0 ? 2 : drawn.rows.length + 4);
      }),
      1_000,
    );
  });
});
