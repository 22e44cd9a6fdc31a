/** The log of a run against its wire: what had to be durable before what left or came. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLmdbStore } from '../../src/adapters/store/lmdb.ts';
import type { SignalData } from '../../src/deferral/signals.ts';
import type { Position, Recorded } from '../../src/engine/recorded.ts';
import { projections } from '../../src/projections/all.ts';
import {
  depositText,
  fixturesAvailable,
  type PushFlow,
  playPush,
} from '../controls/scripted-peer-flow.ts';

type Signal = Recorded<string, SignalData>;

const MESSAGES = 4;

describe.skipIf(!fixturesAvailable())('the order of a deposit and its push in the log', () => {
  let flow: PushFlow;
  let events: readonly Recorded[] = [];
  beforeAll(async () => {
    flow = await playPush(Array.from({ length: MESSAGES }, (_, index) => depositText(index + 1)));
    await flow.server.kill('SIGTERM');
    const store = await openLmdbStore({
      dir: join(flow.server.data, 'store'),
      projections,
      readOnly: true,
    });
    const all: Recorded[] = [];
    for await (const event of store.readAll()) all.push(event);
    events = all;
    await store.close();
  });
  afterAll(() => flow?.close());

  const ofType = (type: string) => events.filter((event) => event.type === type);
  const signals = (type: 'SignalSent' | 'SignalReceived', start: RegExp) =>
    (ofType(type) as readonly Signal[]).filter(({ data }) => start.test(data.startLine));
  const placeOf = (what: string, found: readonly Recorded[]): Position => {
    expect(found, what).toHaveLength(1);
    return found[0]?.position ?? '';
  };
  /** The one such event or signal; its position. */
  const event = (type: string) => placeOf(type, ofType(type));
  const sent = (start: RegExp) => placeOf(`sent ${start}`, signals('SignalSent', start));
  /** Log order: positions are texts that sort as they came. */
  function expectOrder(...steps: readonly (readonly [what: string, at: Position])[]): void {
    expect(steps.map(([what]) => what)).toEqual(
      steps.toSorted(([, a], [, b]) => (a < b ? -1 : 1)).map(([what]) => what),
    );
    expect(new Set(steps.map(([, at]) => at)).size).toBe(steps.length);
  }
  const depositOf = (deferred: Recorded) => {
    const text = Buffer.from(deferred.octets ?? []).toString();
    return `${/^Call-ID: (.+)\r$/m.exec(text)?.[1]} ${/^CSeq: (.+)\r$/m.exec(text)?.[1]}`;
  };

  it('each 202 after its MessageDeferred [T-01]', () => {
    const answers = signals('SignalSent', /^SIP\/2\.0 202 /);
    const deferred = ofType('MessageDeferred');
    expect([answers.length, deferred.length]).toEqual([MESSAGES, MESSAGES]);
    for (const one of deferred) {
      const own = answers.filter(({ data }) => `${data.callId} ${data.cseq}` === depositOf(one));
      expectOrder(['deferred', one.position], ['202', placeOf('202', own)]);
    }
  });

  it('REGISTER: SubscriberRegistered, then its 200, then the INVITE [T-32]', () => {
    const answers = signals('SignalSent', /^SIP\/2\.0 200 /);
    const answer = answers.filter(({ data }) => data.cseq === '1 REGISTER');
    expectOrder(
      ['registered', event('SubscriberRegistered')],
      ['200', placeOf('200', answer)],
      ['INVITE', sent(/^INVITE /)],
    );
  });

  it('the INVITE after DeliveryOpened, the ACK after InviteAnswered [T-06] [T-17]', () => {
    expectOrder(
      ['opened', event('DeliveryOpened')],
      ['INVITE', sent(/^INVITE /)],
      ['answered', event('InviteAnswered')],
      ['ACK', sent(/^ACK /)],
    );
  });

  it('no SEND with a body before the ACK and the binding SEND [T-09]', () => {
    const sends = signals('SignalSent', /^MSRP \S+ SEND$/);
    const [binding, ...pushed] = sends;
    expect([binding?.data.byteRange, pushed.length]).toEqual(['1-0/0', MESSAGES]);
    for (const one of pushed) {
      expect(one.data.bodyBytes).toBeGreaterThan(0);
      expectOrder(
        ['ACK', sent(/^ACK /)],
        ['binding', binding?.position ?? ''],
        ['SEND', one.position],
      );
    }
  });

  it('each message: SEND, its 200, PushAcknowledged; the BYE after all of them [T-11]', () => {
    const sends = signals('SignalSent', /^MSRP \S+ SEND$/);
    const answers = signals('SignalReceived', /^MSRP \S+ 200/);
    const acknowledged = ofType('PushAcknowledged') as readonly Recorded<
      string,
      { readonly messageId: string }
    >[];
    expect(acknowledged).toHaveLength(MESSAGES);
    for (const one of acknowledged) {
      const send = sends.filter(({ data }) => data.messageId === one.data.messageId);
      const answer = answers.filter(({ data }) => data.tid === send[0]?.data.tid);
      expectOrder(
        ['SEND', placeOf('SEND', send)],
        ['200', placeOf('200', answer)],
        ['acknowledged', one.position],
        ['BYE', sent(/^BYE /)],
      );
    }
  });

  it('pushed in the order deferred, and the delivery ends after the 200 to BYE [T-10] [T-12]', () => {
    const idOf = ({ data }: Recorded) => (data as { readonly id: string }).id;
    expect(ofType('PushAcknowledged').map(idOf)).toEqual(ofType('MessageDeferred').map(idOf));
    expectOrder(
      ['BYE', sent(/^BYE /)],
      ['answered', event('ByeAnswered')],
      ['ended', event('DeliveryEnded')],
    );
  });
});
