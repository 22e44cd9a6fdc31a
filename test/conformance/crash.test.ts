/** Acknowledged means durable: the server is killed in the middle of its work, again and again. */
import { beforeAll, describe, expect, test } from 'vitest';
import { type CrashReport, crashRound } from '../controls/crash-round.ts';
import { serverBuild } from '../controls/defects.ts';

const SEED = Number(process.env.RESTANTE_SEED ?? 20261122);
const ROUNDS = process.env.RESTANTE_VERIFY === '1' ? 50 : 5;

function line({ seed, killed, counts }: CrashReport): string {
  const figures = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return `seed ${seed}, killed while ${killed}: ${figures.join(', ')}`;
}

describe('a server that is killed', () => {
  let launcher: string;
  beforeAll(async () => {
    launcher = await serverBuild();
  });

  const seeds = Array.from({ length: ROUNDS }, (_, round) => SEED + round);
  test.each(seeds)(
    'seed %i: loses nothing that it acknowledged, and delivers nothing twice [IM-11.3.2.5-1] [REF-4975-6]',
    async (seed) => {
      const report = await crashRound({ seed, launcher });
      console.log(line(report));
      expect(report.violations).toEqual([]);
      const { counts } = report;
      expect(counts.acknowledgedBeforeKill).toBeGreaterThanOrEqual(200);
      expect(counts.acknowledgedDuringPush).toBeGreaterThanOrEqual(20);
      expect(counts.unansweredAtKill).toBeGreaterThan(0);
      expect(counts.repeatedBeforeKill).toBeGreaterThan(0);
      expect(counts.deliveredAtKill).toBeGreaterThan(0);
      if (report.killed === 'pushing') {
        expect(counts.sessionsAtKill).toBeGreaterThan(0);
        expect(counts.pushedAgain).toBeGreaterThan(0);
      }
    },
  );

  test('that takes every deposit for a new one is found out', async () => {
    const report = await crashRound({ seed: SEED, launcher: await serverBuild('skipDedupe') });
    const checks = new Set(report.violations.map(({ check }) => check));
    console.log(`${line(report)}; found: ${[...checks].join(', ')}`);
    expect(checks).toContain('storedTwice');
    expect(checks).not.toContain('lost');
  });
});
