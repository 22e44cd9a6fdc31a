import { describe, expect, it } from 'vitest';
import { deliveringView, openDeliveryView } from '../../src/projections/in-flight.ts';
import { deferralStage } from '../controls/deferral-stage.ts';
import { settled } from '../controls/turns.ts';

const THREE = ['sip:a@example.net', 'sip:b@example.net', 'sip:c@example.net'];
const count = (lines: readonly string[], what: string) =>
  lines.filter((line) => line === what).length;

async function inviting(accounts: readonly string[]) {
  const stage = await deferralStage();
  stage.client.manners.invite = 'silent';
  for (const [index, account] of accounts.entries()) {
    await stage.deposit(`m${index}`, [], account);
    await stage.register(3600, 'contact', account);
  }
  return stage;
}

describe('restart', () => {
  it('C-09: no client is blamed for an INVITE whose time ran out while we were away', async () => {
    const stage = await inviting(THREE);
    stage.crash();
    stage.clock.advance(200_000);
    stage.client.manners.invite = 'accept';
    // Time goes on while the deliveries are interrupted one after the other.
    await stage.start(({ events }) => {
      if (events[0]?.type !== 'DeliveryInterrupted') return 'pass';
      stage.clock.advance(1);
      return settled();
    });
    await stage.pass(3_000);
    expect(count(await stage.story(), 'delivery InviteTimedOut')).toBe(0);
    for (const index of THREE.keys()) {
      expect(await stage.message(`m${index}`)).toMatchObject({ state: 'delivered' });
    }
  });

  it('is ready although one stream cannot be read, and tells of it', async () => {
    const stage = await inviting(THREE);
    const [broken] = await stage.store.range(openDeliveryView);
    const stream = `delivery-${broken?.[0]}`;
    const last = await stage.store.last(stream);
    const foreign = { id: 'foreign', type: 'FromAnotherVersion', at: 1, data: {}, meta: {} };
    await stage.store.append(stream, last?.revision ?? 'none', [foreign]);
    stage.crash();
    stage.client.manners.invite = 'accept';
    await stage.start();
    expect(stage.faults.join('\n')).toMatch(/FromAnotherVersion/);
    await stage.pass(3_000);
    const states = await Promise.all([...THREE.keys()].map((index) => stage.message(`m${index}`)));
    expect(states.map((row) => row?.state).sort()).toEqual(['delivered', 'delivered', 'waiting']);
  });

  it('closes a delivery later, when the log could not take that at the start', async () => {
    const stage = await inviting(THREE.slice(0, 1));
    stage.crash();
    let fate: 'fail' | 'pass' = 'fail';
    stage.client.manners.invite = 'accept';
    await stage.start(() => fate);
    expect(stage.faults.join('\n')).toMatch(/interrupt of/);
    fate = 'pass';
    await stage.pass(10_000);
    expect(await stage.message('m0')).toMatchObject({ state: 'delivered' });
  });
});

describe('drain: what can go wrong', () => {
  it('ends although the log cannot answer; the next start closes what is left', async () => {
    const stage = await deferralStage();
    let fate: 'lost' | 'pass' = 'pass';
    stage.crash();
    await stage.start(() => fate);
    await stage.deposit('m1');
    stage.client.manners.push = 'silent';
    await stage.register();
    fate = 'lost';
    let drained = false;
    const draining = stage.engine().drain(5_000);
    void draining.then(() => {
      drained = true;
    });
    await stage.pass(10_000);
    expect(drained).toBe(true);
    stage.crash();
    stage.client.manners.push = 'acknowledge';
    await stage.start();
    await stage.pass(5_000);
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
  });

  it.each([0, 10_000])('lets no INVITE out that was decided before (%i ms)', async (withinMs) => {
    const stage = await deferralStage();
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    stage.crash();
    await stage.start(({ events }) => (events[0]?.type === 'DeliveryOpened' ? gate : 'pass'));
    await stage.deposit('m1');
    await stage.register();
    const draining = stage.engine().drain(withinMs);
    await stage.pass(100);
    open();
    await stage.pass(10_000);
    await draining;
    expect(stage.client.seen).toEqual([]);
    expect(await stage.store.count(openDeliveryView)).toBe(0);
    stage.crash();
    await stage.start();
    await stage.pass(5_000);
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
    expect(await stage.store.count(deliveringView)).toBe(0);
  });
});
