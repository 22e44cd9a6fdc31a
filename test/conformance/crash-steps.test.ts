/**
 * Each step of a delivery is one at which the server may die: the INVITE is never left ringing, the
 * answer never without ACK and BYE, the mailbox never in a delivery that nobody ends (C-01, C-12…14).
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { chooser, crashStage, PUSHED, pause } from '../controls/crash-stage.ts';
import type { Step } from '../controls/crash-subscriber.ts';
import { serverBuild } from '../controls/defects.ts';

const SEED = Number(process.env.RESTANTE_SEED ?? 20261122);
const WAITING = 40;

/** The server dies so many milliseconds after the client first took that step. */
const moments: readonly (readonly [step: Step | 'REGISTER', delaysMs: readonly number[]])[] = [
  ['REGISTER', [0, 4]],
  ['INVITE', [0, 2]],
  ['ACK', [0]],
  ['SEND', [0]],
  ['BYE', [0, 2]],
];
const everyDelay = Array.from({ length: 12 }, (_, delayMs) => delayMs);
const cases = moments.flatMap(([step, delaysMs]) =>
  (process.env.RESTANTE_VERIFY === '1' ? everyDelay : delaysMs).map(
    (delayMs) => [delayMs, step] as const,
  ),
);

describe('a delivery whose server is killed', () => {
  let launcher: string;
  beforeAll(async () => {
    launcher = await serverBuild();
  });

  test.each(cases)(
    '%i ms after %s: is closed and done again [IM-11.3.2.7-9]',
    async (delayMs, step) => {
      let dying: Promise<void> | undefined;
      const die = () => {
        // Without a delay it is dead before the client answers.
        dying ??= delayMs === 0 ? stage.kill() : pause(delayMs).then(() => stage.kill());
      };
      const stage = await crashStage({
        launcher,
        name: `${step}${delayMs}`,
        journal: 'headers',
        below: chooser(SEED + delayMs),
        onStep: (now) => now === step && die(),
      });
      try {
        const { client, sender, senders } = stage;
        senders.address([PUSHED]);
        senders.burst(WAITING);
        await senders.finished();
        const registered = client.register(PUSHED);
        if (step === 'REGISTER') die();
        await stage.soon(() => dying !== undefined, step);
        await dying;
        await stage.restart();
        expect(await registered).toBe(200);
        const { violations } = await stage.settle();
        expect(violations).toEqual([]);
        expect(sender.acknowledged.size).toBe(WAITING);
      } finally {
        await stage.remove();
      }
    },
  );
});
