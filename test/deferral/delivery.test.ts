import { describe, expect, it } from 'vitest';
import { hostDigest } from '../../src/adapters/host/digest.ts';
import { PUSHES_AHEAD_MAX } from '../../src/deferral/push-messages.ts';
import { hex } from '../../src/engine/identity.ts';
import { mailboxView } from '../../src/projections/waiting-messages.ts';
import { type DeferralStage, deferralStage, ROMEO } from '../controls/deferral-stage.ts';
import { settled } from '../controls/turns.ts';

async function waiting(...names: readonly string[]): Promise<DeferralStage> {
  const stage = await deferralStage();
  for (const name of names) await stage.deposit(name);
  return stage;
}

const sends = (seen: readonly string[]) => seen.filter((line) => line.startsWith('SEND'));

describe('deferral: a delivery', () => {
  it('pushes what waits when the subscriber registers, in order, and says BYE', async () => {
    const stage = await waiting('m1', 'm2', 'm3');
    expect(stage.client.seen).toEqual([]);
    await stage.register();
    expect(stage.client.seen).toEqual([
      'INVITE',
      'ACK',
      'SEND m1@store.example',
      'SEND m2@store.example',
      'SEND m3@store.example',
      'BYE',
    ]);
    expect(await stage.message('m2')).toMatchObject({ state: 'delivered', attempts: 0 });
    expect(await stage.story()).toEqual([
      ...['m1', 'm2', 'm3'].map(() => 'mailbox MessageDeferred'),
      'mailbox SubscriberRegistered',
      'delivery DeliveryOpened',
      'delivery InviteAnswered',
      'delivery ChannelBound',
      'delivery SnapshotTaken',
      'delivery PushAcknowledged',
      'delivery PushAcknowledged',
      'delivery PushAcknowledged',
      'delivery ByeAnswered',
      'mailbox DeliveryEnded',
    ]);
    expect(stage.faults).toEqual([]);
  });

  it('follows at once when a message comes for who is registered', async () => {
    const stage = await deferralStage();
    await stage.register();
    await stage.deposit('m1');
    expect(sends(stage.client.seen)).toEqual(['SEND m1@store.example']);
  });

  it('leaves to the next one what comes when everything is on its way', async () => {
    const stage = await waiting('m1');
    stage.client.manners.push = 'silent';
    await stage.register();
    await stage.deposit('m2');
    expect(sends(stage.client.seen)).toEqual(['SEND m1@store.example']);
    stage.client.manners.push = 'acknowledge';
    stage.client.acknowledge('m1@store.example');
    await settled();
    expect(sends(stage.client.seen)).toEqual(['SEND m1@store.example', 'SEND m2@store.example']);
    expect(stage.client.seen.filter((line) => line === 'INVITE')).toHaveLength(2);
  });

  it('A-32, C-22: takes in what comes while it pushes, and not what was taken back', async () => {
    const names = Array.from({ length: PUSHES_AHEAD_MAX + 6 }, (_, index) => `m${1000 + index}`);
    const stage = await waiting(...names);
    stage.client.manners.push = 'silent';
    await stage.register();
    expect(stage.client.pushed).toHaveLength(PUSHES_AHEAD_MAX);
    await stage.deposit('m2000');
    stage.client.acknowledge('m1000@store.example');
    stage.client.takeBack('m1000@store.example', 413);
    await settled();
    for (const name of [...names, 'm2000']) {
      stage.client.acknowledge(`${name}@store.example`);
      await settled();
    }
    expect(await stage.story()).toContain('delivery SnapshotExtended');
    expect(stage.client.seen.filter((line) => line === 'INVITE')).toHaveLength(1);
    expect(sends(stage.client.seen)).toEqual(
      [...names, 'm2000'].map((name) => `SEND ${name}@store.example`),
    );
    expect(await stage.message('m1000')).toMatchObject({ state: 'waiting' });
    expect(await stage.message('m2000')).toMatchObject({ state: 'delivered' });
  });

  it('C-02: 480 from the contact before says nothing about the registration since', async () => {
    const stage = await waiting('m1');
    stage.client.manners.invite = 'silent';
    await stage.register();
    await stage.register();
    stage.client.manners.invite = 'accept';
    stage.client.say(stage.client.lastDelivery(), 'InviteRefused', { status: 480 });
    await settled();
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
  });

  it('A-32: covers what waited when it was opened, by count and digest', async () => {
    const stage = await waiting('m1', 'm2');
    await stage.register();
    const ids = new TextEncoder().encode('m1@store.example\nm2@store.example\n');
    for await (const { type, data } of stage.store.readAll()) {
      if (type !== 'SnapshotTaken') continue;
      expect(data).toEqual({ through: 2, count: 2, digest: hex(hostDigest.sha256(ids)) });
    }
    expect.assertions(1);
  });

  it('pushes again only in the next delivery what the client took back', async () => {
    const stage = await waiting('m1', 'm2');
    stage.client.manners.push = 'silent';
    await stage.register();
    stage.client.acknowledge('m1@store.example');
    await settled();
    stage.client.takeBack('m1@store.example', 413);
    await stage.deposit('m3');
    stage.client.acknowledge('m2@store.example');
    await settled();
    expect(await stage.message('m1')).toMatchObject({ state: 'waiting', attempts: 1 });
    expect(sends(stage.client.seen).filter((line) => line.includes('m1'))).toHaveLength(1);
    stage.client.manners.push = 'acknowledge';
    await stage.pass(30_000);
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
    expect(await stage.message('m3')).toMatchObject({ state: 'delivered' });
  });

  it('records a take-back that follows on the heels of the acknowledgement', async () => {
    const stage = await waiting('m1', 'm2');
    stage.client.manners.push = 'silent';
    await stage.register();
    stage.client.acknowledge('m1@store.example');
    stage.client.takeBack('m1@store.example', 413);
    await settled();
    expect(await stage.message('m1')).toMatchObject({ state: 'waiting', attempts: 1 });
  });

  it('counts an acknowledgement that comes after the connection seemed lost', async () => {
    const stage = await waiting('m1');
    stage.client.manners.push = 'silent';
    stage.client.manners.bye = 'silent';
    await stage.register();
    stage.client.say(stage.client.lastDelivery(), 'ChannelLost', { reason: 'idle' });
    await settled();
    expect(stage.client.seen.at(-1)).toBe('BYE');
    stage.client.acknowledge('m1@store.example');
    await settled();
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
    await stage.pass(60_000);
    expect(sends(stage.client.seen)).toHaveLength(1);
  });

  it('is tried again after a cut, with the same MSRP Message-ID [RFC 4975 §5.4]', async () => {
    const stage = await waiting('m1');
    stage.client.manners.push = 'cut';
    await stage.register();
    expect(await stage.message('m1')).toMatchObject({ state: 'waiting', attempts: 0 });
    stage.client.manners.push = 'acknowledge';
    await stage.pass(29_000);
    expect(sends(stage.client.seen)).toHaveLength(1);
    await stage.pass(1_000);
    expect(sends(stage.client.seen)).toHaveLength(2);
    const [first, second] = stage.client.pushed;
    expect(second?.message.messageId).toBe(first?.message.messageId);
    expect(second?.message.body).toEqual(first?.message.body);
    expect(second?.delivery).not.toBe(first?.delivery);
  });

  it('waits for the next registration after 480', async () => {
    const stage = await waiting('m1');
    stage.client.manners.invite = 480;
    await stage.register();
    stage.client.manners.invite = 'accept';
    await stage.pass(600_000);
    expect(stage.client.seen).toEqual(['INVITE']);
    await stage.register();
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
  });

  it('gives up an INVITE that nobody answers, and a BYE that nobody answers', async () => {
    const stage = await waiting('m1');
    stage.client.manners.invite = 'silent';
    await stage.register();
    await stage.pass(32_000);
    expect((await stage.story()).at(-1)).toBe('mailbox DeliveryEnded');
    stage.client.manners.invite = 'accept';
    stage.client.manners.bye = 'silent';
    await stage.register();
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
    expect((await stage.story()).at(-1)).toBe('delivery PushAcknowledged');
    await stage.pass(2_000);
    expect((await stage.story()).at(-1)).toBe('mailbox DeliveryEnded');
  });

  it('C-14: answers each late 2xx with ACK and BYE [RFC 3261 §13.2.2.4]', async () => {
    const stage = await waiting('m1');
    stage.client.manners.invite = 'silent';
    await stage.register();
    const delivery = stage.client.lastDelivery();
    await stage.pass(120_000);
    const late = {
      status: 200,
      toTag: 'late',
      remoteTarget: 'sip:romeo@192.0.2.17',
      routeSet: [],
      answer: { acceptable: false, reason: 'late' },
    };
    stage.client.say(delivery, 'InviteAnswered', late);
    stage.client.say(delivery, 'InviteAnswered', late);
    await settled();
    const answered = ['ACK late', 'BYE surplus'];
    expect(stage.client.seen).toEqual(['INVITE', ...answered, ...answered]);
  });

  it('sends nothing behind the BYE of a push that is broken off [T-12]', async () => {
    const names = Array.from({ length: PUSHES_AHEAD_MAX + 6 }, (_, index) => `m${100 + index}`);
    const stage = await waiting(...names);
    Object.assign(stage.client.manners, { push: 'silent', bye: 'silent' });
    await stage.register();
    const delivery = stage.client.lastDelivery();
    stage.client.say(delivery, 'DeliveryInterrupted', { account: ROMEO, cause: 'restart' });
    await settled();
    const bye = stage.client.seen.indexOf('BYE');
    expect(bye).toBeGreaterThan(0);
    expect(sends(stage.client.seen.slice(bye))).toEqual([]);
  });

  it('C-11: parks a message that the client refuses five times; the others go through', async () => {
    const stage = await waiting('m1');
    stage.client.manners.push = 413;
    await stage.register();
    for (let hour = 0; hour < 12; hour += 1) {
      await stage.register();
      await stage.pass(3_600_000 - 1);
    }
    expect(sends(stage.client.seen)).toHaveLength(5);
    expect(await stage.message('m1')).toMatchObject({ state: 'parked', attempts: 5 });
    stage.client.manners.push = 'acknowledge';
    await stage.register();
    await stage.deposit('m2');
    expect(await stage.message('m2')).toMatchObject({ state: 'delivered' });
    expect(await stage.message('m1')).toMatchObject({ state: 'parked' });
  });

  it('C-11: parks also a message that the client takes back five times', async () => {
    const stage = await waiting('m1', 'm2');
    stage.client.manners.push = 'silent';
    for (let hour = 0; hour < 12; hour += 1) {
      await stage.register();
      stage.client.acknowledge('m1@store.example');
      await settled();
      stage.client.takeBack('m1@store.example', 413);
      await stage.pass(3_600_000 - 1);
    }
    expect(await stage.message('m1')).toMatchObject({ state: 'parked' });
    expect(await stage.message('m2')).toMatchObject({ state: 'waiting' });
  });

  it('a parked message that is released has all its attempts again', async () => {
    const stage = await waiting('m1');
    stage.client.manners.push = 413;
    for (let hour = 0; hour < 12; hour += 1) {
      await stage.register();
      await stage.pass(3_600_000 - 1);
    }
    const data = { id: 'm1@store.example', from: 'parked', by: 'owner' };
    await stage.submit({ type: 'MessageReleased', data, cause: 'release' });
    await settled();
    expect(await stage.store.get(mailboxView, ROMEO)).toMatchObject({ held: 0, parked: 0 });
    await stage.register();
    expect(await stage.message('m1')).toMatchObject({ state: 'waiting' });
    stage.client.manners.push = 'acknowledge';
    await stage.pass(3_600_000 - 1);
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
  });

  it('is not opened for the same MESSAGE twice: the second is not stored', async () => {
    const stage = await waiting('m1');
    expect(await stage.deposit('m1')).toEqual({ outcome: 'ignored' });
    stage.crash();
    await stage.start();
    expect(await stage.deposit('m1')).toEqual({ outcome: 'ignored' });
  });
});
