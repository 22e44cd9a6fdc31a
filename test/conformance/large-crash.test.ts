/** Large messages: acknowledged means durable, body and all, wherever the server is killed. */
import { beforeAll, describe, expect, test } from 'vitest';
import { type Defect, serverBuild } from '../controls/defects.ts';
import { type LargeCrashReport, largeCrash, type Moment } from '../controls/large-crash.ts';

const SEED = Number(process.env.RESTANTE_SEED ?? 20261122);
const ROUNDS = process.env.RESTANTE_VERIFY === '1' ? 15 : 1;
const MOMENTS: readonly Moment[] = ['middle', 'named', 'answered'];
const rounds = Array.from({ length: ROUNDS }, (_, round) => SEED + round).flatMap((seed) =>
  MOMENTS.map((moment) => [moment, seed] as const),
);

function line(moment: Moment, report: LargeCrashReport): string {
  const { acknowledged, unanswered, unfinishedBytes } = report;
  return `${moment}: ${acknowledged} acknowledged, ${unanswered} kept unanswered, ${unfinishedBytes} octets unfinished`;
}

describe('a server that is killed while a Large message comes in', () => {
  let launcher: string;
  beforeAll(async () => {
    launcher = await serverBuild();
  });

  const reports: (readonly [Moment, LargeCrashReport])[] = [];
  test.each(rounds)(
    '%s, seed %i: keeps what it acknowledged, and no half of the rest [IM-11.3.2.5-1] [T-01]',
    async (moment, seed) => {
      const report = await largeCrash({ seed, launcher, moment });
      console.log(line(moment, report));
      reports.push([moment, report]);
      expect(report.violations).toEqual([]);
      expect(report.acknowledged).toBeGreaterThanOrEqual(moment === 'answered' ? 3 : 2);
    },
  );

  test('in all rounds together', ({ task }) => {
    const middles = reports.filter(([, { unfinishedBytes }]) => unfinishedBytes > 0);
    const unanswered = reports.filter(([, report]) => report.unanswered > 0).length;
    const measured =
      `${reports.length} kills, ${middles.length} of them in the middle of a body, ` +
      `${unanswered} messages kept that nobody had acknowledged`;
    console.log(measured);
    Object.assign(task.meta, { measured });
    expect(reports).toHaveLength(rounds.length);
    expect(middles.length).toBeGreaterThan(0);
  });

  test('and that answers before it has kept the body is found out', async () => {
    const defect: Defect = 'answerBeforeSeal';
    const report = await largeCrash({
      ...{ seed: SEED, moment: 'answered' },
      launcher: await serverBuild(defect),
    });
    console.log(`${defect}: ${report.violations.join(', ')}`);
    expect(report.violations).not.toEqual([]);
  });
});
