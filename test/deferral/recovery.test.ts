import { describe, expect, it } from 'vitest';
import { type DeferralStage, deferralStage } from '../controls/deferral-stage.ts';
import type { Fate } from '../controls/faulty-store.ts';
import { settled } from '../controls/turns.ts';

/** Runs until `until` is asked to be appended; that append meets its fate, later ones never end. */
async function dieAt(stage: DeferralStage, until: string, fate: Fate): Promise<void> {
  stage.crash();
  let dead = false;
  await stage.start(({ events }) => {
    if (dead) return 'never';
    if (events[0]?.type !== until) return 'pass';
    dead = true;
    return fate;
  });
}

async function restarted(stage: DeferralStage) {
  stage.crash();
  return stage.start();
}

const count = (lines: readonly string[], what: string) =>
  lines.filter((line) => line === what).length;

describe('recovery: wherever the engine dies', () => {
  const facts = [
    'MessageDeferred',
    'SubscriberRegistered',
    'DeliveryOpened',
    'InviteAnswered',
    'ChannelBound',
    'SnapshotTaken',
    'PushAcknowledged',
    'ByeAnswered',
    'DeliveryEnded',
  ];
  const points = facts.flatMap((fact) =>
    (['never', 'noAnswer'] as const).map((fate) => ({ fact, fate })),
  );

  it.each(points)('at $fact ($fate), both messages arrive in order', async ({ fact, fate }) => {
    const stage = await deferralStage();
    await dieAt(stage, fact, fate);
    void stage.deposit('m1');
    void stage.deposit('m2');
    await settled();
    void stage.register();
    await settled();
    await restarted(stage);
    // What was never answered is sent again by whoever sent it.
    await stage.deposit('m1');
    await stage.deposit('m2');
    await stage.register();
    await stage.pass(60_000);
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
    expect(await stage.message('m2')).toMatchObject({ state: 'delivered' });
    const firsts = [...new Set(stage.client.pushed.map(({ message }) => message.key))];
    expect(firsts).toEqual(['m1@store.example', 'm2@store.example']);
    // A message is pushed again only when its acknowledgement never reached the log.
    const again = stage.client.pushed.length - firsts.length;
    expect(again).toBeLessThanOrEqual(fact === 'PushAcknowledged' ? 2 : 0);
    expect(await stage.store.count({ name: 'delivering' })).toBe(0);
    expect(await stage.store.count({ name: 'openDeliveries' })).toBe(0);
    expect(stage.faults).toEqual([]);
  });
});

describe('recovery', () => {
  async function delivering(fact: string, fate: Fate): Promise<DeferralStage> {
    const stage = await deferralStage();
    await stage.deposit('m1');
    await dieAt(stage, fact, fate);
    void stage.register();
    await settled();
    return stage;
  }

  it('C-01: a delivery that was decided and never opened is closed, and the next one goes', async () => {
    const stage = await delivering('DeliveryOpened', 'never');
    expect((await stage.story()).at(-1)).toBe('mailbox SubscriberRegistered');
    expect(await restarted(stage)).toEqual({ timers: 2, deliveries: 1 });
    expect((await stage.story()).slice(2, 5)).toEqual([
      'delivery DeliveryInterrupted',
      'mailbox DeliveryEnded',
      'delivery DeliveryOpened',
    ]);
    expect(stage.client.seen.slice(0, 2)).toEqual(['INVITE', 'ACK']);
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
  });

  it('C-01: a delivery that was opened and never invited is closed in the same way', async () => {
    const stage = await delivering('DeliveryOpened', 'noAnswer');
    expect(stage.client.seen).toEqual([]);
    await restarted(stage);
    await stage.pass(2_000);
    expect(count(await stage.story(), 'delivery DeliveryInterrupted')).toBe(1);
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
  });

  it('C-01: a delivery that ended and was never reported is reported', async () => {
    const stage = await delivering('ByeAnswered', 'noAnswer');
    expect((await stage.story()).at(-1)).toBe('delivery ByeAnswered');
    await restarted(stage);
    expect((await stage.story()).at(-1)).toBe('mailbox DeliveryEnded');
    expect(count(stage.client.seen, 'INVITE')).toBe(1);
  });

  it('C-14: sends the ACK again before the BYE of a session that it lost sight of', async () => {
    const stage = await delivering('InviteAnswered', 'noAnswer');
    expect(stage.client.seen).toEqual(['INVITE']);
    await restarted(stage);
    expect(stage.client.seen.slice(1, 3)).toEqual(['ACK', 'BYE']);
    await stage.pass(2_000);
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
  });

  it('pushes nothing again that was acknowledged', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1');
    await stage.deposit('m2');
    stage.client.manners.push = 'silent';
    await stage.register();
    stage.client.acknowledge('m1@store.example');
    await settled();
    stage.client.manners.push = 'acknowledge';
    await restarted(stage);
    await stage.pass(2_000);
    expect(stage.client.pushed.map(({ message }) => message.key)).toEqual([
      'm1@store.example',
      'm2@store.example',
      'm2@store.example',
    ]);
    const [, first, second] = stage.client.pushed;
    expect(second?.message.messageId).toBe(first?.message.messageId);
  });

  it('tries again at once after one restart, and pauses after the next', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1');
    stage.client.manners.push = 'silent';
    await stage.register();
    await restarted(stage);
    expect(stage.client.pushed).toHaveLength(2);
    await restarted(stage);
    expect(stage.client.pushed).toHaveLength(2);
    stage.client.manners.push = 'acknowledge';
    await stage.pass(60_000);
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
  });

  it('arms every timer again: the registration, the expiry, the retry', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1', ['Expires: 7200']);
    stage.client.manners.invite = 503;
    await stage.register();
    stage.crash();
    expect((await stage.start()).timers).toBe(3);
    stage.client.manners.invite = 'accept';
    await stage.pass(30_000);
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
  });

  it('fires what fell due while nobody was there', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1', ['Expires: 60']);
    stage.crash();
    stage.clock.advance(3_600_000);
    await stage.start();
    await stage.pass(0);
    expect(await stage.message('m1')).toMatchObject({ state: 'expired' });
  });

  it('goes on by itself when the log could not take what the engine had to say', async () => {
    for (const fact of ['DeliveryOpened', 'PushAcknowledged', 'DeliveryEnded', 'RetryDue']) {
      for (const fate of ['fail', 'lost', 'unseen'] as const) {
        const stage = await deferralStage();
        let bad = true;
        stage.crash();
        await stage.start(({ events }) => (bad && events[0]?.type === fact ? fate : 'pass'));
        stage.client.manners.invite = fact === 'RetryDue' ? 503 : 'accept';
        await stage.deposit('m1');
        void stage.register();
        await stage.pass(45_000);
        bad = false;
        stage.client.manners.invite = 'accept';
        await stage.pass(300_000);
        expect([fact, fate, await stage.message('m1')]).toMatchObject([
          fact,
          fate,
          { state: 'delivered' },
        ]);
        expect(new Set(stage.client.pushed.map(({ message }) => message.key)).size).toBe(1);
      }
    }
  });
});

describe('drain', () => {
  it('opens nothing new, ends what is left with a BYE; the next start goes on at once', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1');
    stage.client.manners.push = 'silent';
    await stage.register();
    let drained = false;
    const draining = stage
      .engine()
      .drain(5_000)
      .then(() => {
        drained = true;
      });
    await stage.pass(4_900);
    expect(drained).toBe(false);
    expect(stage.client.seen.at(-1)).toBe('SEND m1@store.example');
    await stage.deposit('j1', [], 'sip:nurse@example.net');
    await stage.register(3600, 'contact', 'sip:nurse@example.net');
    await stage.pass(2_200);
    await draining;
    expect(stage.client.seen.slice(-2)).toEqual(['ACK', 'BYE']);
    await stage.engine().close();
    stage.client.manners.push = 'acknowledge';
    const before = stage.client.seen.length;
    await restarted(stage);
    await settled();
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
    expect(await stage.message('j1')).toMatchObject({ state: 'delivered' });
    expect(count(stage.client.seen.slice(before), 'INVITE')).toBe(2);
  });

  it('is over as soon as the last delivery is', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1');
    stage.client.manners.push = 'silent';
    await stage.register();
    const draining = stage.engine().drain(60_000);
    stage.client.acknowledge('m1@store.example');
    await stage.pass(1_000);
    await draining;
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
    expect(count(stage.client.seen, 'BYE')).toBe(1);
  });

  it('close tells the log, and leaves nothing that was refused uncounted', async () => {
    const stage = await deferralStage();
    for (let index = 0; index < 3; index += 1) {
      await stage.submit({ type: 'Strange', data: {}, cause: `${index}` });
    }
    await stage.engine().close();
    const log: string[] = [];
    for await (const { type, data } of stage.store.readAll()) {
      const { count: times } = data as { count?: number };
      log.push(times === undefined ? type : `${type} ${times}`);
    }
    expect(log.sort()).toEqual(['InputRefused', 'InputsRefused 2', 'NodeStarted', 'NodeStopped']);
  });
});
