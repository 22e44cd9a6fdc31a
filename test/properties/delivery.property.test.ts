import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Decided, Stamped, State } from '../../src/engine/decide.ts';
import { timerMarks } from '../../src/engine/decide.ts';
import type { TimerMark } from '../../src/engine/recorded.ts';
import type { DeliveryContext } from '../../src/machines/delivery/context.ts';
import {
  ACCOUNT,
  type DeliveryMove,
  delivery,
  deliveryInput,
  deliveryWays,
} from '../controls/delivery-events.ts';
import { START_MS } from '../controls/histories.ts';
import { holds } from '../controls/properties.ts';

interface Step {
  readonly input: Stamped;
  readonly before: State<DeliveryContext>;
  readonly after: State<DeliveryContext>;
  readonly effects: readonly Decided[];
}

interface Run {
  readonly steps: readonly Step[];
  readonly state: State<DeliveryContext>;
  readonly timers: ReadonlyMap<string, TimerMark>;
  readonly at: number;
}

const nowhere: Run = { steps: [], state: delivery.initial, timers: new Map(), at: START_MS };

/** The run after one more input; the same run when the chart does not accept it. */
function step(run: Run, type: string, data: unknown, at: number): Run {
  const input = { type, id: `e${run.steps.length}`, at, data };
  const decision = delivery.decide(run.state, input);
  if (decision.outcome !== 'accepted') return { ...run, at };
  const timers = new Map(run.timers);
  for (const [name, mark] of Object.entries(timerMarks(decision.effects) ?? {})) {
    if (mark === null) timers.delete(name);
    else timers.set(name, mark);
  }
  const { state: after, effects } = decision;
  return {
    steps: [...run.steps, { input, before: run.state, after, effects }],
    state: after,
    timers,
    at,
  };
}

function walk(moves: readonly DeliveryMove[]): Run {
  let run = nowhere;
  for (const move of moves) {
    const at = run.at + move.afterMs;
    const { type, data } = deliveryInput(run.state, move, { id: '', at });
    run = step(run, type, data, at);
  }
  return run;
}

/** From here on nobody speaks but the clock: the earliest timer fires until the delivery ended. */
function left(run: Run): Run {
  let alone = run;
  if (alone.state.value === 'idle') {
    return step(alone, 'DeliveryInterrupted', { account: ACCOUNT, cause: 'restart' }, alone.at);
  }
  for (let turn = 0; turn < 5 && alone.state.value !== 'ended'; turn += 1) {
    const [next] = [...alone.timers.values()].sort((a, b) => a.dueAt - b.dueAt);
    if (next === undefined) break;
    alone = step(alone, next.event, { dueAt: next.dueAt }, Math.max(alone.at, next.dueAt));
  }
  return alone;
}

function asked({ steps }: Run, name: string): readonly unknown[] {
  return steps.flatMap(({ effects }) =>
    effects.filter((effect) => effect.name === name).map(({ params }) => params),
  );
}

interface Bye {
  readonly dialog: { readonly toTag: string };
  readonly cseq: number;
  readonly surplus: boolean;
}

const CANNOT_GO_ON = new Set(['ChannelLost', 'SessionExpired', 'DeliveryInterrupted']);

/** Whether the step may ask for the BYE of the dialog that is kept (A-30, T-11). */
function mayBye({ input, before, after }: Step): boolean {
  const { count, acknowledged, failed } = after.context;
  if (count !== null && count === acknowledged + failed) return true;
  if (CANNOT_GO_ON.has(input.type)) return true;
  return (
    input.type === 'InviteAnswered' && (before.value === 'cancelling' || isRefusal(input.data))
  );
}

function isRefusal(data: unknown): boolean {
  return !(data as { readonly answer: { readonly acceptable: boolean } }).answer.acceptable;
}

const numRuns = 500;

describe('a delivery, whatever happens', () => {
  it('ends by the clock alone, from wherever it stands [T-12]', () => {
    holds(
      fc.property(deliveryWays, (moves) => {
        expect(left(walk(moves)).state.value).toBe('ended');
      }),
      numRuns,
    );
  });

  it('is reported exactly once, and only at its end', () => {
    holds(
      fc.property(deliveryWays, (moves) => {
        const run = left(walk(moves));
        expect(asked(run, 'reportDelivery')).toHaveLength(1);
        const reporting = run.steps.find(({ effects }) =>
          effects.some(({ name }) => name === 'reportDelivery'),
        );
        expect([reporting?.before.value === 'ended', reporting?.after.value]).toEqual([
          false,
          'ended',
        ]);
      }),
      numRuns,
    );
  });

  it('leaves no timer running at its end', () => {
    holds(
      fc.property(deliveryWays, (moves) => {
        expect([...left(walk(moves)).timers.keys()]).toEqual([]);
      }),
      numRuns,
    );
  });

  it('asks for the BYE only when every outcome is known or the session cannot go on [T-11]', () => {
    holds(
      fc.property(deliveryWays, (moves) => {
        for (const one of walk(moves).steps) {
          const byes = one.effects.filter(
            ({ name, params }) => name === 'sendBye' && !(params as Bye).surplus,
          );
          if (byes.length > 0)
            expect([one.input.type, mayBye(one)]).toEqual([one.input.type, true]);
        }
      }),
      numRuns,
    );
  });

  it('answers every 2xx by an ACK, and a dialog it does not keep by a BYE too [T-17]', () => {
    holds(
      fc.property(deliveryWays, (moves) => {
        for (const { input, after, effects } of walk(moves).steps) {
          if (input.type !== 'InviteAnswered') continue;
          const { toTag } = input.data as { readonly toTag: string };
          const acks = effects.filter(({ name }) => name === 'sendAck');
          expect(acks.map(({ params }) => (params as Bye).dialog.toTag)).toEqual([toTag]);
          const kept = after.context.dialog?.toTag === toTag;
          const surplus = effects.some(
            ({ name, params }) => name === 'sendBye' && (params as Bye).dialog.toTag === toTag,
          );
          expect(kept || surplus).toBe(true);
        }
      }),
      numRuns,
    );
  });

  it('numbers its requests in the dialog upwards [T-20]', () => {
    holds(
      fc.property(deliveryWays, (moves) => {
        const run = left(walk(moves));
        const numbers = run.steps
          .flatMap(({ effects }) => effects)
          .filter(
            ({ name, params }) =>
              name === 'refreshSession' || (name === 'sendBye' && !(params as Bye).surplus),
          )
          .map(({ params }) => (params as Bye).cseq);
        expect(numbers).toEqual(numbers.map((_, index) => index + 2));
      }),
      numRuns,
    );
  });

  it('asks for a CANCEL to leave only after a 1xx and before a final answer [T-22]', () => {
    holds(
      fc.property(deliveryWays, (moves) => {
        const { steps } = walk(moves);
        for (const [index, { effects }] of steps.entries()) {
          const leaves = effects.some(
            ({ name, params }) =>
              name === 'cancelInvite' && (params as { readonly progressed: boolean }).progressed,
          );
          if (!leaves) continue;
          const past = steps.slice(0, index + 1).map(({ input }) => input.type);
          expect(past).toContain('InviteProgressed');
          expect(past).not.toContain('InviteAnswered');
          expect(past).not.toContain('InviteRefused');
        }
      }),
      numRuns,
    );
  });

  it('keeps the first cause, and its counts within the snapshot [C-09]', () => {
    holds(
      fc.property(deliveryWays, (moves) => {
        for (const { before, after } of walk(moves).steps) {
          if (before.context.cause !== null) {
            expect(after.context.cause).toBe(before.context.cause);
          }
          const { acknowledged, failed, count } = after.context;
          expect(acknowledged).toBeGreaterThanOrEqual(0);
          expect(acknowledged + failed).toBeLessThanOrEqual(count ?? 0);
        }
      }),
      numRuns,
    );
  });

  it('meets every state on the way', () => {
    const sampled = fc.sample(deliveryWays, { numRuns: 300, seed: 20261122 });
    const met = new Set(
      sampled.flatMap((moves) => walk(moves).steps.map(({ after }) => after.value)),
    );
    expect([...met].sort()).toEqual(['bye', 'cancelling', 'ended', 'inviting', 'pushing']);
  });
});
