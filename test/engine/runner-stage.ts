import { hostDigest } from '../../src/adapters/host/digest.ts';
import { memoryStore } from '../../src/adapters/store/memory.ts';
import type { Chart, Decision, Stamped, State } from '../../src/engine/decide.ts';
import type { Input, Outcome } from '../../src/engine/input.ts';
import type { EventStore, Projection, View, ViewStore } from '../../src/engine/ports.ts';
import type { Recorded } from '../../src/engine/recorded.ts';
import { createRunner, type Runner, type RunnerOptions } from '../../src/engine/runner.ts';
import { START_MS } from '../controls/histories.ts';
import { type SimulatedClock, simulatedClock } from '../controls/simulated-clock.ts';

export const STREAM = 'mailbox-romeo';
export const KEYS: View<{ readonly id: string }> = { name: 'keys' };

interface Counted {
  readonly key?: string;
  readonly effects?: readonly string[];
}

/** Counts, and asks for the effects that the input names. */
const counter: Chart = {
  name: 'counter',
  label: 'counter@1',
  initial: { value: 'open', context: 0 },
  decide(state: State, { type, data }: Stamped): Decision {
    const count = Number(state.context);
    switch (type) {
      case 'Counted': {
        const { effects = [] } = data as Counted;
        return {
          outcome: 'accepted',
          state: { value: state.value, context: count + 1 },
          effects: effects.map((name) => ({ name, params: count + 1 })),
        };
      }
      case 'Closed':
        return state.value === 'closed'
          ? { outcome: 'ignored' }
          : { outcome: 'accepted', state: { value: 'closed', context: 0 }, effects: [] };
      case 'Broken':
        throw new Error('the chart is broken');
      default:
        return { outcome: 'refused', reason: 'unexpected' };
    }
  },
};

const keys: Projection = {
  name: 'keys',
  version: 1,
  views: ['keys'],
  project({ data, id }) {
    const { key } = data as Counted;
    return key === undefined ? [] : [{ view: 'keys', key, put: { id } }];
  },
};

export function counterStore(): EventStore & ViewStore {
  return memoryStore({ projections: [keys] });
}

export interface RunnerStage {
  readonly runner: Runner;
  readonly clock: SimulatedClock;
  /** Everything that happened, in order. */
  readonly story: string[];
  readonly faults: string[];
  submit(type: string, data?: Counted, cause?: string, stream?: string): Promise<Outcome>;
}

/** A runner of counters. A story line is an effect, `name of <count>`. */
export function runnerStage(
  inner: EventStore & ViewStore,
  options: Partial<RunnerOptions> & { readonly store?: EventStore } = {},
): RunnerStage {
  const clock = simulatedClock(START_MS);
  const story: string[] = [];
  const faults: string[] = [];
  let serial = 0;
  const runner = createRunner({
    store: inner,
    views: inner,
    charts: { mailbox: counter },
    digest: hostDigest,
    clock,
    async perform(_event, effects) {
      for (const { name, params } of effects) story.push(`${name} of ${params}`);
    },
    onFault: (_stream, fault) => faults.push(String(fault)),
    ...options,
  });
  return {
    runner,
    clock,
    story,
    faults,
    submit(type, data = {}, cause, stream = STREAM) {
      serial += 1;
      const input: Input = {
        type,
        at: clock.now(),
        data,
        cause: cause ?? `input ${serial}`,
        ...(data.key === undefined ? {} : { unless: { view: KEYS, key: data.key } }),
      };
      return runner.submit(stream, input, (outcome) => {
        story.push(`reply ${outcome.outcome}`);
      });
    },
  };
}

export async function eventsOf(store: EventStore, stream = STREAM): Promise<readonly Recorded[]> {
  const events: Recorded[] = [];
  for await (const event of store.read(stream)) events.push(event);
  return events;
}
