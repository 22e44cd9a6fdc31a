/**
 * The decision core: chart + state + input → accepted | ignored | refused. Pure, and the only
 * engine file that knows XState.
 *
 * XState's public `transition()` builds an actor system at every call (23–31 k/s). A chart keeps
 * one inert scope instead (146–221 k/s); a property test holds both equal.
 */
import { type AnyMachineSnapshot, type AnyStateMachine, createActor } from 'xstate';
import type { TimerMark } from './recorded.ts';

/** An event as charts see it: what is recorded, before it is recorded. */
export interface Stamped {
  readonly type: string;
  readonly id: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly data: unknown;
}

/** Where a machine stands: plain data, safe to copy, compare and store. */
export interface State<Context = unknown> {
  readonly value: string;
  readonly context: Context;
}

/** An effect as decided; its id follows from the recorded event and its index. */
export interface Decided {
  readonly name: string;
  readonly params: unknown;
}

export type Decision<Context = unknown> =
  | {
      readonly outcome: 'accepted';
      readonly state: State<Context>;
      readonly effects: readonly Decided[];
    }
  | { readonly outcome: 'ignored' }
  | { readonly outcome: 'refused'; readonly reason: string };

/** A machine that events drive. */
export interface Chart<Context = unknown> {
  readonly name: string;
  /** `name@version` of the machine's events, as recorded in the envelope. */
  readonly label: string;
  readonly initial: State<Context>;
  readonly decide: (state: State<Context>, input: Stamped) => Decision<Context>;
}

/** The one action that is no effect: it says that the input is refused. */
const REFUSE = 'refuse';

interface Action {
  readonly type: string;
  readonly params: unknown;
}

/**
 * Makes a chart of an XState machine. Its actions come out as effects: the name, and `params` as
 * plain data; one whose params come out as `null` is not asked for. An inline action is a closure
 * and no data: it throws.
 */
export function chart<Context>(machine: AnyStateMachine, version: number): Chart<Context> {
  let actions: Action[] = [];
  const self = createActor(machine);
  const scope = {
    self,
    defer: () => {},
    id: '',
    logger: () => {},
    sessionId: '',
    stopChild: () => {},
    system: self.system,
    emit: () => {},
    actionExecutor: (action: unknown) => {
      actions.push(action as Action);
    },
  } satisfies Parameters<AnyStateMachine['transition']>[2];
  const plain = (snapshot: { value: unknown; context: unknown }): State<Context> => ({
    value: snapshot.value as string,
    context: snapshot.context as Context,
  });

  /** Resolving a state value is a third of a decision and gives the same each time. */
  const resolved = new Map<string, AnyMachineSnapshot>();
  function snapshotOf({ value, context }: State<Context>): AnyMachineSnapshot {
    let known = resolved.get(value);
    if (!known) {
      known = machine.resolveState({ value, context });
      resolved.set(value, known);
    }
    return { ...known, context };
  }

  function decide(state: State<Context>, input: Stamped): Decision<Context> {
    const before = snapshotOf(state);
    actions = [];
    const after = machine.transition(before, input, scope);
    const refusal = actions.find((action) => action.type === REFUSE);
    if (refusal) {
      return { outcome: 'refused', reason: (refusal.params as { reason: string }).reason };
    }
    if (after === before && actions.length === 0) return { outcome: 'ignored' };
    const effects: Decided[] = [];
    for (const { type, params } of actions) {
      if (!(type in machine.implementations.actions)) {
        throw new Error(`${machine.id} uses an inline action on ${input.type}: give it a name`);
      }
      if (params !== null) effects.push({ name: type, params });
    }
    return { outcome: 'accepted', state: plain(after), effects };
  }

  return {
    name: machine.id,
    label: `${machine.id}@${version}`,
    initial: plain(machine.getInitialSnapshot(scope)),
    decide,
  };
}

/** The state after a recorded event, which the chart accepted when it was recorded. */
export function evolve<Context>(
  chart: Chart<Context>,
  state: State<Context>,
  event: Stamped,
): State<Context> {
  const decision = chart.decide(state, event);
  if (decision.outcome === 'accepted') return decision.state;
  throw new Error(
    `${chart.label} does not accept ${event.type} ${event.id} in state ${state.value}, ` +
      'although it is recorded: the log was written by another version of the chart; ' +
      'install that version, or add an upcaster for this one',
  );
}

/** The state after all events of a stream, oldest first. */
export function replay<Context>(chart: Chart<Context>, events: Iterable<Stamped>): State<Context> {
  let state = chart.initial;
  for (const event of events) state = evolve(chart, state, event);
  return state;
}

/** Timers that these effects start or stop, as the envelope records them. */
export function timerMarks(
  effects: readonly Decided[],
): Readonly<Record<string, TimerMark | null>> | undefined {
  let marks: Record<string, TimerMark | null> | undefined;
  for (const { name, params } of effects) {
    if (name === 'startTimer') {
      const timer = params as { name: string; dueAt: number; event: string };
      marks = { ...marks, [timer.name]: { dueAt: timer.dueAt, event: timer.event } };
    } else if (name === 'stopTimer') {
      marks = { ...marks, [(params as { name: string }).name]: null };
    }
  }
  return marks;
}

/** Where a subscriber stands, in the product's own words. */
export type Phase = 'idle' | 'registered' | 'inviting' | 'pushing' | 'bye';

/**
 * Joins a mailbox and its current delivery into one phase. A mailbox that is delivering is
 * `inviting` until its delivery says otherwise, and in `bye` until the delivery is reported.
 */
export function phase(mailbox: string, delivery: string | undefined): Phase {
  if (mailbox !== 'delivering') return mailbox === 'idle' ? 'idle' : 'registered';
  switch (delivery) {
    case 'pushing':
      return 'pushing';
    case 'bye':
    case 'cancelling':
    case 'ended':
      return 'bye';
    default:
      return 'inviting';
  }
}
