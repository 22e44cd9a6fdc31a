import type { EventStore, ExpectedRevision } from '../../src/engine/ports.ts';
import type { Candidate } from '../../src/engine/recorded.ts';

/** One append that was asked of the store. */
export interface Asked {
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly events: readonly Candidate[];
  /** Counts from 1. */
  readonly call: number;
}

/**
 * `pass`: as the store does. `lost`: nothing is written and the answer is unknown. `unseen`: written,
 * but the answer is unknown. `fail`: an exception. `never`: nothing is written and no answer comes,
 * as when the process dies. `noAnswer`: written, and no answer comes. A promise: passes when kept.
 */
export type Fate = 'pass' | 'lost' | 'unseen' | 'fail' | 'never' | 'noAnswer' | Promise<void>;

export interface FaultyStore extends EventStore {
  readonly asked: readonly Asked[];
  /** The most appends of one stream that were ever in flight together. */
  readonly togetherMax: () => number;
}

/** A store over another one whose appends meet the fate that `fateOf` gives them. */
export function faultyStore(inner: EventStore, fateOf: (asked: Asked) => Fate): FaultyStore {
  const asked: Asked[] = [];
  const inFlight = new Map<string, number>();
  let togetherMax = 0;
  const never = () => new Promise<never>(() => {});

  async function meet(fate: Fate, { stream, expected, events }: Asked) {
    if (fate === 'lost') return { outcome: 'unknown', reason: 'lost' } as const;
    if (fate === 'fail') throw new Error('the disk is on fire');
    if (fate === 'never') return never();
    if (typeof fate !== 'string') await fate;
    const answer = await inner.append(stream, expected, events);
    if (fate === 'noAnswer') return never();
    return fate === 'unseen' ? ({ outcome: 'unknown', reason: 'unseen' } as const) : answer;
  }

  return {
    ...inner,
    asked,
    togetherMax: () => togetherMax,
    async append(stream, expected, events) {
      const one: Asked = { stream, expected, events, call: asked.length + 1 };
      asked.push(one);
      const together = (inFlight.get(stream) ?? 0) + 1;
      inFlight.set(stream, together);
      togetherMax = Math.max(togetherMax, together);
      try {
        return await meet(fateOf(one), one);
      } finally {
        inFlight.set(stream, (inFlight.get(stream) ?? 1) - 1);
      }
    },
  };
}
