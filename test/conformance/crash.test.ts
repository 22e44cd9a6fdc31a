/** Acknowledged means durable: the server is killed in the middle of its work, again and again. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Check } from '../controls/crash-checks.ts';
import { type CrashReport, crashRound } from '../controls/crash-round.ts';
import { type Defect, serverBuild } from '../controls/defects.ts';

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

  const reports: CrashReport[] = [];
  const seeds = Array.from({ length: ROUNDS }, (_, round) => SEED + round);
  test.each(seeds)(
    'seed %i: loses nothing that it acknowledged, and delivers nothing twice [IM-11.3.2.5-1] [REF-4975-6]',
    async (seed) => {
      const report = await crashRound({ seed, launcher });
      console.log(line(report));
      reports.push(report);
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

  test('in all rounds together', ({ task }) => {
    const total = (name: keyof CrashReport['counts']) =>
      reports.reduce((sum, { counts }) => sum + counts[name], 0);
    const violations = reports.reduce((sum, report) => sum + report.violations.length, 0);
    const measured =
      `${reports.length} rounds, ${total('kills')} kills, ` +
      `${total('acknowledgedBeforeKill')} deposits acknowledged before the kill, ` +
      `${total('unansweredAtKill')} unanswered at it, ${total('sessionsAtKill')} sessions open, ` +
      `${total('pushedAgain')} messages pushed again, ${violations} violations`;
    console.log(measured);
    Object.assign(task.meta, { measured });
    expect(reports).toHaveLength(ROUNDS);
  });

  const defects: readonly (readonly [Defect, Check[]])[] = [
    ['skipDedupe', ['storedTwice']],
    ['acknowledgeBeforeFlush', ['lost', 'storedTwice']],
  ];
  test.each(defects)('and built with the defect %s is found out', async (defect, checks) => {
    const report = await crashRound({ seed: SEED, launcher: await serverBuild(defect) });
    const found = [...new Set(report.violations.map(({ check }) => check))];
    console.log(`${line(report)}; found: ${found.join(', ')}`);
    expect(found.filter((check) => checks.includes(check))).not.toEqual([]);
  });
});
