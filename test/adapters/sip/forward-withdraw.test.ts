/** A message that was deferred and delivered after all leaves the mailbox, and nothing else does. */
import { expect, test } from 'vitest';
import { withdraw } from '../../../src/adapters/sip/forward/withdraw.ts';
import { type DeferralStage, deferralStage, ROMEO } from '../../controls/deferral-stage.ts';

const M1 = 'm1@store.example';

/** Its outcome, as soon as there is one. */
function withdrawing(stage: DeferralStage): { readonly outcome: () => string | undefined } {
  let outcome: string | undefined;
  const { store: views, clock, faults } = stage;
  const onFault = (where: string, fault: unknown) => void faults.push(`${where}: ${fault}`);
  const context = { views, clock, tell: stage.engine().tell, onFault };
  void withdraw(context, ROMEO, M1).then((end) => {
    outcome = end;
  });
  return { outcome: () => outcome };
}

test('waiting: it goes, and what else waits is pushed as ever', async () => {
  const stage = await deferralStage();
  await stage.deposit('m1');
  const { outcome } = withdrawing(stage);
  await stage.pass(0);
  expect(outcome()).toBe('withdrawn');
  expect(await stage.message('m1')).toMatchObject({ state: 'deleted' });
  await stage.deposit('m2');
  await stage.register();
  expect(stage.client.seen.filter((line) => line.startsWith('SEND'))).toEqual([
    'SEND m2@store.example',
  ]);
  expect(stage.faults).toEqual([]);
});

test('delivering: it waits for the end; a push that failed leaves it to be withdrawn', async () => {
  const stage = await deferralStage();
  await stage.deposit('m1');
  stage.client.manners.invite = 'silent';
  await stage.register();
  const { outcome } = withdrawing(stage);
  await stage.pass(5_000);
  expect(outcome()).toBeUndefined();
  stage.client.say(stage.client.lastDelivery(), 'InviteRefused', { status: 480 });
  await stage.pass(60_000);
  expect(outcome()).toBe('withdrawn');
  stage.client.manners.invite = 'accept';
  await stage.register();
  expect(stage.client.pushed).toEqual([]);
});

test('delivering: a push that was faster leaves nothing to withdraw', async () => {
  const stage = await deferralStage();
  await stage.deposit('m1');
  stage.client.manners.push = 'silent';
  await stage.register();
  const { outcome } = withdrawing(stage);
  await stage.pass(1_000);
  stage.client.acknowledge(M1);
  await stage.pass(60_000);
  expect(outcome()).toBe('gone');
  expect(await stage.message('m1')).toMatchObject({ state: 'delivered' });
  expect(await stage.story()).not.toContain('mailbox MessageDeleted');
});
