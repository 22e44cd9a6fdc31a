import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { transition } from 'xstate';
import type { Chart, Stamped, State } from '../../src/engine/decide.ts';
import { deliveryMachine } from '../../src/machines/delivery/machine.ts';
import { mailboxMachine } from '../../src/machines/mailbox/machine.ts';
import { delivery, deliveryInput, deliveryWays } from '../controls/delivery-events.ts';
import { START_MS } from '../controls/histories.ts';
import { mailbox, mailboxInput, mailboxMoves } from '../controls/mailbox-events.ts';
import { holds } from '../controls/properties.ts';

type ToInput<Context, Move> = (
  state: State<Context>,
  move: Move,
  stamp: { readonly id: string; readonly at: number },
) => Stamped;

interface Step<Context> {
  readonly before: State<Context>;
  readonly input: Stamped;
}

/** Walks the chart along the moves, from the initial state; keeps what is accepted. */
function* walk<Context, Move extends { readonly afterMs: number }>(
  chart: Chart<Context>,
  toInput: ToInput<Context, Move>,
  moves: readonly Move[],
): Generator<Step<Context>> {
  let state = chart.initial;
  let at = START_MS;
  for (const [index, move] of moves.entries()) {
    at += move.afterMs;
    const input = toInput(state, move, { id: `e${index}`, at });
    yield { before: state, input };
    const decision = chart.decide(state, input);
    if (decision.outcome === 'accepted') state = decision.state;
  }
}

const mailboxWays = fc.array(mailboxMoves, { minLength: 1, maxLength: 30, size: 'max' });

/** What XState's own pure function says about the step: the yardstick for `decide`. */
function byXState(
  machine: typeof mailboxMachine | typeof deliveryMachine,
  { before, input }: Step<unknown>,
) {
  const resolved = machine.resolveState(before as never);
  const [next, actions] = transition(machine, resolved as never, input as never);
  const refusal = actions.find(({ type }) => type === 'refuse');
  if (refusal) return { outcome: 'refused', reason: (refusal.params as { reason: string }).reason };
  if ((next as unknown) === resolved && actions.length === 0) return { outcome: 'ignored' };
  const effects = actions
    .filter(({ params }) => params !== null)
    .map(({ type, params }) => ({ name: type, params }));
  return { outcome: 'accepted', state: { value: next.value, context: next.context }, effects };
}

describe('decide', () => {
  it('is XState’s transition(): mailbox', () => {
    holds(
      fc.property(mailboxWays, (moves) => {
        for (const step of walk(mailbox, mailboxInput, moves)) {
          expect(mailbox.decide(step.before, step.input)).toEqual(byXState(mailboxMachine, step));
        }
      }),
      150,
    );
  });

  it('is XState’s transition(): delivery', () => {
    holds(
      fc.property(deliveryWays, (moves) => {
        for (const step of walk(delivery, deliveryInput, moves)) {
          expect(delivery.decide(step.before, step.input)).toEqual(byXState(deliveryMachine, step));
        }
      }),
      150,
    );
  });

  it('is total, touches neither state nor input, and says the same twice: mailbox', () => {
    holds(
      fc.property(mailboxWays, (moves) => {
        for (const step of walk(mailbox, mailboxInput, moves)) expectPure(mailbox, step);
      }),
      300,
    );
  });

  it('is total, touches neither state nor input, and says the same twice: delivery', () => {
    holds(
      fc.property(deliveryWays, (moves) => {
        for (const step of walk(delivery, deliveryInput, moves)) expectPure(delivery, step);
      }),
      300,
    );
  });

  it('keeps state of the same size for ever: numbers, flags and names, no lists of messages', () => {
    holds(
      fc.property(mailboxWays, (moves) => {
        for (const { before } of walk(mailbox, mailboxInput, moves)) {
          const held = Object.values(before.context).filter((value) => typeof value === 'object');
          expect(held.every((value) => value === null)).toBe(true);
        }
      }),
      50,
    );
  });
});

function expectPure<Context>(chart: Chart<Context>, { before, input }: Step<Context>): void {
  const frozen = structuredClone({ before, input });
  const decision = chart.decide(before, input);
  expect(['accepted', 'ignored', 'refused']).toContain(decision.outcome);
  expect({ before, input }).toEqual(frozen);
  expect(chart.decide(structuredClone(before), structuredClone(input))).toEqual(decision);
}

/**
 * The same input twice. These the charts know themselves; the others (a message deferred, taken away
 * or released, a setting, a push outcome, a refresh or its refusal, a challenge to a BYE, an
 * interruption, a fork) count again whenever they are decided again: there it is the runner's look-up
 * of the event id that makes a repetition `ignored`.
 */
describe('the same input twice is accepted once', () => {
  const mailboxKnows = new Set([
    'DeliveryEnded',
    'RetryDue',
    'RegistrationExpired',
    'SubscriberRegistered',
    'SubscriberDeregistered',
    'OfflineDeliverySet',
  ]);
  const deliveryKnows = new Set([
    'DeliveryOpened',
    'InviteRefused',
    'InviteTimedOut',
    'ChannelBound',
    'SnapshotTaken',
    'SnapshotExtended',
    'ChannelLost',
    'RefreshDue',
    'ByeReceived',
    'GraceElapsed',
    'InviteProgressed',
  ]);

  function expectOnce<Context>(
    chart: Chart<Context>,
    knows: ReadonlySet<string>,
    { before, input }: Step<Context>,
  ): void {
    const first = chart.decide(before, input);
    if (first.outcome !== 'accepted' || !knows.has(input.type)) return;
    expect(chart.decide(first.state, input).outcome).not.toBe('accepted');
  }

  it('mailbox', () => {
    holds(
      fc.property(mailboxWays, (moves) => {
        for (const step of walk(mailbox, mailboxInput, moves)) {
          expectOnce(mailbox, mailboxKnows, step);
        }
      }),
      300,
    );
  });

  it('delivery', () => {
    holds(
      fc.property(deliveryWays, (moves) => {
        for (const step of walk(delivery, deliveryInput, moves)) {
          expectOnce(delivery, deliveryKnows, step);
        }
      }),
      300,
    );
  });
});
