import { describe, expect, it } from 'vitest';
import { expireEarliest } from '../../src/deferral/expire.ts';
import { expiryView } from '../../src/projections/waiting-messages.ts';
import { deferralStage, ROMEO } from '../controls/deferral-stage.ts';
import { settled } from '../controls/turns.ts';

const HOUR_MS = 3_600_000;

describe('expiry', () => {
  it('takes each message when its time has come [RFC 3428 §7]', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1', ['Expires: 120']);
    await stage.deposit('m2', ['Expires: 60']);
    await stage.deposit('m3');
    await stage.pass(59_999);
    expect(await stage.message('m2')).toMatchObject({ state: 'waiting' });
    await stage.pass(1);
    expect(await stage.message('m2')).toMatchObject({ state: 'expired' });
    expect(await stage.message('m1')).toMatchObject({ state: 'waiting' });
    await stage.pass(60_000);
    expect(await stage.message('m1')).toMatchObject({ state: 'expired' });
    expect(await stage.message('m3')).toMatchObject({ state: 'waiting' });
  });

  it('takes what nobody asked to keep after 30 days', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1');
    await stage.pass(30 * 24 * HOUR_MS - 1);
    expect(await stage.message('m1')).toMatchObject({ state: 'waiting' });
    await stage.pass(1);
    expect(await stage.message('m1')).toMatchObject({ state: 'expired' });
  });

  it('C-07: finds the next one when the earliest was delivered', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1', ['Expires: 60']);
    await stage.register();
    expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
    await stage.register(0);
    await stage.deposit('m2', ['Expires: 120']);
    await stage.pass(120_000);
    expect(await stage.message('m2')).toMatchObject({ state: 'expired' });
    expect(await stage.store.count(expiryView)).toBe(0);
  });

  it('C-05: a delivery whose only message expired is not opened again for it', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1', ['Expires: 40']);
    stage.client.manners.invite = 'silent';
    await stage.register();
    await stage.pass(39_000);
    stage.client.manners.invite = 'accept';
    await stage.register();
    await stage.pass(HOUR_MS / 2);
    expect(stage.client.seen.filter((line) => line === 'INVITE').length).toBeLessThanOrEqual(2);
  });

  it('C-06: what expires while a delivery is open goes when it has ended', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1', ['Expires: 10']);
    stage.client.manners.invite = 'silent';
    await stage.register();
    await stage.pass(31_000);
    expect(await stage.message('m1')).toMatchObject({ state: 'waiting' });
    await stage.pass(2_000);
    expect(await stage.message('m1')).toMatchObject({ state: 'expired' });
  });

  it('skips in a snapshot what expired since, and counts that as no attempt', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1', ['Expires: 10']);
    await stage.deposit('m2');
    stage.client.manners.invite = 'silent';
    await stage.register();
    await stage.pass(11_000);
    stage.client.say(stage.client.lastDelivery(), 'InviteAnswered', {
      status: 200,
      toTag: 'tag',
      remoteTarget: 'sip:romeo@192.0.2.17',
      routeSet: [],
      answer: {
        acceptable: true,
        path: [],
        setup: 'passive',
        acceptTypes: ['*'],
        acceptWrappedTypes: ['*'],
      },
    });
    await stage.pass(0);
    expect(stage.client.pushed.map(({ message }) => message.key)).toEqual(['m2@store.example']);
    expect(await stage.message('m1')).toMatchObject({ state: 'expired', attempts: 0 });
    expect(await stage.message('m2')).toMatchObject({ state: 'delivered' });
  });

  it('looks again as often as it takes while a mailbox fills', async () => {
    const stage = await deferralStage();
    await stage.deposit('m1', ['Expires: 60']);
    stage.clock.advance(0);
    let deposits = 0;
    const { submit } = stage.engine();
    const racing = {
      views: stage.store,
      onFault: (where: string, fault: unknown) => stage.faults.push(`${where}: ${fault}`),
      clock: { ...stage.clock, now: () => stage.clock.now() + 60_000 },
      // Twenty times a deposit slips in between look-up and decision.
      submit: async (...[stream, input, reply]: Parameters<typeof submit>) => {
        if (deposits < 20) {
          deposits += 1;
          await stage.deposit(`late ${deposits}`.replace(' ', ''));
        }
        return submit(stream, input, reply);
      },
    };
    const expiring = expireEarliest(racing, `mailbox-${ROMEO}`);
    for (let second = 0; second < 5; second += 1) {
      for (let turn = 0; turn < 30; turn += 1) await settled();
      await stage.pass(1_000);
    }
    await expiring;
    expect(await stage.message('m1')).toMatchObject({ state: 'expired' });
  });
});
