/** Whatever hops do and whenever they do it: one outcome, and nothing that may have arrived twice. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { holdsAsync } from '../../controls/async-properties.ts';
import { failoverStage } from '../../controls/failover-stage.ts';

const NUM_RUNS = process.env.RESTANTE_VERIFY ? 5_000 : 200;
/** Longer than any request can last. */
const FOREVER_MS = 300_000;
const FIRST_FINAL = 200;

const HOPS: readonly string[] = ['udp 192.0.2.1', 'udp 192.0.2.2', 'udp 192.0.2.3'];

const step = fc.oneof(
  fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 600, 4_000, 9_000) }),
  fc.record({
    kind: fc.constant('answer' as const),
    try: fc.nat({ max: 2 }),
    status: fc.constantFrom(100, 180, 200, 404, 482, 487, 503),
  }),
  fc.record({ kind: fc.constant('cancel' as const) }),
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

interface Run {
  readonly told: readonly string[];
  /** Statuses by try, in the order they came. */
  readonly answers: readonly number[][];
  /** How many tries there were when CANCEL was asked for first; `undefined`: never. */
  readonly triesAtCancel: number | undefined;
  readonly branches: readonly string[];
  readonly hops: readonly string[];
  readonly left: number;
}

async function run(
  method: string,
  count: number,
  unreachable: readonly string[],
  steps: readonly Step[],
): Promise<Run> {
  const stage = failoverStage();
  stage.network.refuses = unreachable;
  const answers: number[][] = [];
  let triesAtCancel: number | undefined;
  stage.send(method, HOPS.slice(0, count));
  await stage.settled();
  for (const one of steps) {
    if (one.kind === 'wait') stage.clock.advance(one.ms);
    else if (one.kind === 'cancel' && method === 'INVITE' && stage.attempts.length > 0) {
      stage.cancel();
      triesAtCancel ??= stage.attempts.length;
    } else if (one.kind === 'answer') {
      const { state = 'terminated' } = stage.attempts[one.try]?.transaction ?? {};
      if (state === 'terminated') continue;
      answers[one.try] = [...(answers[one.try] ?? []), one.status];
      stage.answer(one.try, one.status);
    }
    await stage.settled();
  }
  stage.clock.advance(FOREVER_MS);
  await stage.settled();
  stage.clock.advance(FOREVER_MS);
  return {
    told: stage.told,
    answers,
    triesAtCancel,
    branches: stage.attempts.map(({ branch }) => branch),
    hops: stage.attempts.map(({ hop }) => `${hop.transport} ${hop.host}`),
    left: stage.clients(),
  };
}

const OUTCOME = /^(timeout|unreachable|[2-6]\d\d )/;
const scripts = [
  fc.integer({ min: 1, max: 3 }),
  fc.subarray([...HOPS]),
  fc.array(step, { maxLength: 12 }),
] as const;

test.each(['MESSAGE', 'BYE'])('%s: exactly one outcome, then nothing is left', async (method) => {
  await holdsAsync(
    fc.asyncProperty(...scripts, async (count, unreachable, steps) => {
      const { told, left, branches } = await run(method, count, unreachable, steps);
      expect(told.filter((line) => OUTCOME.test(line))).toHaveLength(1);
      expect(told.at(-1)).toMatch(OUTCOME);
      expect(new Set(branches).size).toBe(branches.length);
      expect(left).toBe(0);
    }),
    NUM_RUNS,
  );
});

test('MESSAGE: the next hop only when this one surely has not taken it', async () => {
  await holdsAsync(
    fc.asyncProperty(...scripts, async (count, unreachable, steps) => {
      const { answers, hops } = await run('MESSAGE', count, unreachable, steps);
      for (const [at, hop] of hops.slice(0, -1).entries()) {
        const first = answers[at]?.find((status) => status !== 100);
        expect(unreachable.includes(hop) || first === 503).toBe(true);
      }
    }),
    NUM_RUNS,
  );
});

test('INVITE: one failure at most, every 2xx, and no try after a CANCEL', async () => {
  await holdsAsync(
    fc.asyncProperty(...scripts, async (count, unreachable, steps) => {
      const { told, answers, triesAtCancel, hops } = await run('INVITE', count, unreachable, steps);
      const failures = told.filter((line) => OUTCOME.test(line) && !line.startsWith('2'));
      expect(failures.length).toBeLessThanOrEqual(1);
      if (triesAtCancel !== undefined) expect(hops).toHaveLength(triesAtCancel);
      const firstFinal = answers.map((all) => all?.find((status) => status >= FIRST_FINAL));
      const accepted = firstFinal.filter((status) => status === FIRST_FINAL).length;
      const successes = told.filter((line) => line.startsWith('200 '));
      expect(successes.length).toBeGreaterThanOrEqual(accepted);
    }),
    NUM_RUNS,
  );
});
