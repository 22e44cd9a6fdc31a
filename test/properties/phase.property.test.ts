/** Whatever happens, a subscriber goes through the phases in the product's own order. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Phase, phase } from '../../src/engine/decide.ts';
import type { Recorded } from '../../src/engine/recorded.ts';
import { parseStreamName } from '../../src/engine/stream-name.ts';
import { holdsAsync } from '../controls/async-properties.ts';
import { ACCOUNTS, commandLists, live, logOf } from '../projections/histories.ts';

const RUNS = process.env.RESTANTE_VERIFY === '1' ? 2_000 : 250;

/**
 * The path of the product. One event can take two of its steps: a registration that finds messages
 * opens a delivery at once, and the end of one delivery can open the next.
 */
const NEXT: Readonly<Record<Phase, readonly Phase[]>> = {
  idle: ['registered', 'inviting'],
  registered: ['idle', 'inviting'],
  inviting: ['pushing', 'bye'],
  pushing: ['bye'],
  bye: ['registered', 'idle', 'inviting'],
};

/** The phases of an account, each time they change, from the envelopes alone. */
function pathOf(log: readonly Recorded[], account: string): readonly Phase[] {
  let mailbox = 'idle';
  let current: string | undefined;
  let delivery: string | undefined;
  const path: Phase[] = ['idle'];
  for (const { stream, id, meta } of log) {
    const name = parseStreamName(stream);
    if (stream === `mailbox-${account}`) {
      mailbox = meta.to ?? mailbox;
      if (meta.effects?.includes('openDelivery')) [current, delivery] = [id, undefined];
    } else if (name.category === 'delivery' && name.id === current) delivery = meta.to;
    const next = phase(mailbox, delivery);
    if (next !== path.at(-1)) path.push(next);
  }
  return path;
}

describe('phase', () => {
  it('follows idle → registered → inviting → pushing → bye in every history', async () => {
    const seen = new Set<string>();
    const property = fc.asyncProperty(commandLists, async (list) => {
      const log = await logOf(await live(list));
      for (const account of ACCOUNTS) {
        const path = pathOf(log, account);
        for (const [index, from] of path.slice(0, -1).entries()) {
          const to = path[index + 1] ?? from;
          expect(NEXT[from], `${path.join(' → ')}`).toContain(to);
          seen.add(`${from} → ${to}`);
        }
      }
    });
    await holdsAsync(property, RUNS);
    // The histories went everywhere: a path that nobody walked would prove nothing.
    const all = Object.entries(NEXT).flatMap(([from, to]) => to.map((one) => `${from} → ${one}`));
    expect([...seen].sort()).toEqual(all.sort());
  });
});
