import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Decided, Stamped, State } from '../../src/engine/decide.ts';
import { timerMarks } from '../../src/engine/decide.ts';
import type { TimerMark } from '../../src/engine/recorded.ts';
import type { DeliveryContext } from '../../src/machines/delivery/context.ts';
import type { Answered, Credentials } from '../../src/machines/delivery/effects.ts';
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

type Uses = { readonly [By in 'server' | 'proxy']?: Answered };

const IN_DIALOG = new Set(['sendPrack', 'refreshSession', 'sendBye']);
const CANNOT_GO_ON = new Set(['ChannelLost', 'SessionExpired', 'DeliveryInterrupted']);

/** Whether the step may ask for the BYE of the dialog that is kept (A-30, T-11). */
function mayBye({ input, before, after }: Step): boolean {
  const { count, acknowledged, failed } = after.context;
  if (count !== null && count === acknowledged + failed) return true;
  if (CANNOT_GO_ON.has(input.type)) return true;
  // Challenged, it goes out once more.
  if (input.type === 'ByeAnswered' && before.value === 'bye') return true;
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

  it('numbers its requests in each dialog upwards, one by one [T-20]', () => {
    holds(
      fc.property(deliveryWays, (moves) => {
        const last = new Map<string, number>();
        for (const { effects, before, after } of left(walk(moves)).steps) {
          // Another INVITE begins its dialogs anew.
          if (after.context.inviteCseq > before.context.inviteCseq) last.clear();
          for (const { name, params } of effects) {
            const { cseq, dialog, surplus } = params as Bye;
            if (!IN_DIALOG.has(name) || surplus) continue;
            const known = last.get(dialog.toTag) ?? after.context.inviteCseq;
            expect(cseq).toBe(known + 1);
            last.set(dialog.toTag, cseq);
          }
        }
      }),
      numRuns,
    );
  });

  it('acknowledges each reliable response once and in order, by dialog [RFC 3262 §4]', () => {
    holds(
      fc.property(deliveryWays, (moves) => {
        const last = new Map<string, number>();
        for (const { input, effects, before, after } of walk(moves).steps) {
          if (after.context.inviteCseq > before.context.inviteCseq) last.clear();
          for (const { name, params } of effects) {
            if (name !== 'sendPrack') continue;
            const { dialog, rseq } = params as Bye & { readonly rseq: number };
            expect([input.type, rseq]).toEqual([
              'InviteProgressed',
              last.has(dialog.toTag) ? (last.get(dialog.toTag) ?? 0) + 1 : rseq,
            ]);
            last.set(dialog.toTag, rseq);
          }
        }
        expect(walk(moves).state.context.early.length).toBeLessThanOrEqual(8);
      }),
      numRuns,
    );
  });

  it('counts each use of a nonce; ACKs alone repeat that of their INVITE [RFC 7616 §3.4]', () => {
    holds(
      fc.property(deliveryWays, (moves) => {
        let uses: Uses = {};
        for (const { effects } of left(walk(moves)).steps) {
          for (const { name, params } of effects) {
            const { credentials } = params as { readonly credentials?: Credentials };
            if (name === 'sendAck' || credentials === undefined) continue;
            for (const by of ['server', 'proxy'] as const) {
              const used = credentials[by];
              if (!used) continue;
              const known = uses[by];
              const again = known?.lines === used.lines;
              expect(used.nc).toBe(again ? known.nc + 1 : 1);
              uses = { ...uses, [by]: used };
            }
          }
        }
      }),
      numRuns,
    );
  });

  it('answers refusals only so often: a handful of INVITEs, refreshes and BYEs', () => {
    holds(
      fc.property(deliveryWays, (moves) => {
        const run = walk(moves);
        // One 422, and each of two challengers once and once more for a stale nonce.
        expect(asked(run, 'sendInvite').length).toBeLessThanOrEqual(6);
        const interrupted = run.steps.filter(({ input }) => input.type === 'DeliveryInterrupted');
        const byes = (asked(run, 'sendBye') as Bye[]).filter(({ surplus }) => !surplus);
        expect(byes.length).toBeLessThanOrEqual((1 + interrupted.length) * 5);
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
          // Another INVITE may have followed a refusal: this one is what it is about.
          const asking = (at: number) =>
            steps[at]?.effects.some((one) => one.name === 'sendInvite');
          const since = steps.findLastIndex((_, at) => at <= index && asking(at));
          const past = steps.slice(since + 1, index + 1).map(({ input }) => input.type);
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
