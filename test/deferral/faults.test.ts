import { describe, expect, it } from 'vitest';
import { deliveringView } from '../../src/projections/in-flight.ts';
import { expiryView, messageView } from '../../src/projections/waiting-messages.ts';
import { deferralStage, ROMEO } from '../controls/deferral-stage.ts';
import { settled } from '../controls/turns.ts';

const HOUR_MS = 3_600_000;

describe('effects that throw', () => {
  it('cost the effects beside them nothing: the delivery ends and is tried again', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1');
    for (const name of ['sendAck', 'sendBye']) stage.client.manners.broken.add(name);
    await stage.register();
    await stage.pass(5_000);
    expect(await stage.store.count(deliveringView)).toBe(0);
    expect(stage.faults.map((fault) => fault.split(': ').slice(1).join(': '))).toEqual([
      'Error: sendAck is broken',
      'Error: sendBye is broken',
    ]);
    stage.client.manners.broken.clear();
    await stage.deposit('m2');
    await stage.register();
    await stage.pass(HOUR_MS / 4);
    expect(await stage.message('m2')).toMatchObject({ state: 'delivered' });
  });

  it('a push that throws is an attempt of its message, and ends no slower than any other', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1');
    stage.client.manners.broken.add('send');
    await stage.register();
    expect(await stage.message('m1')).toMatchObject({ state: 'waiting', attempts: 1 });
    expect(await stage.store.count(deliveringView)).toBe(0);
    for (let hour = 0; hour < 6; hour += 1) {
      await stage.register();
      await stage.pass(HOUR_MS - 1);
    }
    expect(await stage.message('m1')).toMatchObject({ state: 'parked', attempts: 5 });
  });

  it('a push that cannot begin ends its session, and is tried again', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1');
    stage.brokenViews.add('waiting');
    await stage.register();
    expect(await stage.store.count(deliveringView)).toBe(0);
    expect(stage.client.seen).toEqual(['INVITE', 'ACK', 'BYE']);
    expect(stage.faults).toHaveLength(1);
    stage.brokenViews.clear();
    await stage.pass(30_000);
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
  });
});

describe('timers that cannot be submitted', () => {
  it('fire again until they can', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1', ['Expires: 10']);
    await stage.deposit('m2');
    stage.brokenViews.add(expiryView.name);
    await stage.pass(11_000);
    expect(stage.faults).toHaveLength(1);
    stage.brokenViews.clear();
    await stage.pass(10_000);
    expect(await stage.message('m1')).toMatchObject({ state: 'expired' });
    await stage.register();
    expect(await stage.message('m2')).toMatchObject({ state: 'delivered' });
  });

  it('an expiry row of what is not kept is told of, and keeps no other from expiring', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1', ['Expires: 10']);
    await stage.deposit('m2', ['Expires: 20']);
    await stage.deposit('m3', ['Expires: 30']);
    stage.lostRows.add(`${messageView.name} m1@store.example`);
    await stage.pass(25_000);
    const told = stage.faults.length;
    expect(told).toBeGreaterThan(0);
    expect(told).toBeLessThan(10);
    expect(stage.faults[0]).toMatch(/m1@store.example is to expire and is not kept/);
    expect(await stage.message('m2')).toMatchObject({ state: 'expired' });
    await stage.pass(5_000);
    expect(await stage.message('m3')).toMatchObject({ state: 'expired' });
    const checks = (await stage.story()).filter((line) => line.endsWith('ExpiryChecked'));
    expect(checks.length).toBeLessThan(5);
  });
});

describe('a log that cannot answer for a while', () => {
  it('does not lose the answer to the INVITE', async () => {
    const stage = await deferralStage();
    let fate: 'lost' | 'pass' = 'pass';
    stage.crash();
    await stage.start(() => fate);
    await stage.deposit('m1');
    stage.client.manners.invite = 'silent';
    await stage.register();
    fate = 'lost';
    stage.client.say(stage.client.lastDelivery(), 'InviteRefused', { status: 503 });
    await stage.pass(25_000);
    fate = 'pass';
    stage.client.manners.invite = 'accept';
    await stage.pass(60_000);
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
  });

  it('records each acknowledgement once, though it was written unseen', async () => {
    const stage = await deferralStage();
    let bad = true;
    stage.crash();
    await stage.start(({ events }) =>
      bad && events.some(({ type }) => type === 'PushAcknowledged') ? 'unseen' : 'pass',
    );
    for (const name of ['m1', 'm2', 'm3']) await stage.deposit(name);
    stage.client.manners.push = 'silent';
    await stage.register();
    stage.client.acknowledge('m1@store.example');
    await stage.pass(20_500);
    bad = false;
    await stage.pass(5_000);
    const acknowledged = (await stage.story()).filter((line) => line.endsWith('PushAcknowledged'));
    expect(acknowledged).toHaveLength(1);
    for (const name of ['m2', 'm3']) stage.client.acknowledge(`${name}@store.example`);
    await settled();
    expect(await stage.message('m3')).toMatchObject({ state: 'delivered' });
    expect(stage.client.seen.filter((line) => line === 'BYE')).toHaveLength(1);
  });

  it('pushes the snapshot that was recorded unseen', async () => {
    const stage = await deferralStage();
    let bad = true;
    stage.crash();
    await stage.start(({ events }) =>
      bad && events.some(({ type }) => type === 'SnapshotTaken') ? 'unseen' : 'pass',
    );
    await stage.deposit('m1');
    void stage.register();
    await stage.pass(20_500);
    bad = false;
    await stage.pass(10_000);
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
  });

  it('expires a message once, though that was written unseen', async () => {
    const stage = await deferralStage();
    let bad = true;
    stage.crash();
    await stage.start(({ events }) =>
      bad && events.some(({ type }) => type === 'MessageExpired') ? 'unseen' : 'pass',
    );
    await stage.deposit('m1', ['Expires: 10']);
    await stage.deposit('m2');
    await stage.pass(31_000);
    bad = false;
    await stage.pass(5_000);
    const story = await stage.story();
    expect(story.filter((line) => line.endsWith('MessageExpired'))).toHaveLength(1);
    await stage.register();
    expect(await stage.message('m2')).toMatchObject({ state: 'delivered' });
    expect(await stage.store.get(messageView, 'm1@store.example')).toMatchObject({
      account: ROMEO,
      state: 'expired',
    });
  });
});
