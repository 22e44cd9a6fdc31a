import { expect } from 'vitest';
import type { PushStage } from './push-stage.ts';

/** What a mailbox does after a push that the client did not want. */
export const WAITS = 'waits for a registration';

/** The message comes once, when what the mailbox waits for comes, and not before. */
export async function arrivesOnce(push: PushStage, mailbox: string): Promise<void> {
  const delayS = /^back-off ([\d.]+) s$/.exec(mailbox)?.[1];
  const before = await push.heard();
  if (delayS === undefined) await push.register();
  else {
    await push.pass(Number(delayS) * 1000 - 1);
    expect(await push.heard()).toEqual(before);
    await push.pass(1);
  }
  await push.invited();
  await push.accept();
  await push.bind();
  push.acknowledge();
  await closes(push);
  expect(new Set(push.pushed()).size).toBe(1);
}

/** Every message has its outcome: we say BYE, and nothing is left. */
export async function closes(push: PushStage): Promise<void> {
  const bye = await push.next();
  expect(bye).toMatch(/^BYE /);
  push.reply(bye, '200 OK');
  expect(await push.fate()).toEqual({ end: 'completed', mailbox: 'nothing left' });
}
