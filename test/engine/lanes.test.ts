import { describe, expect, it } from 'vitest';
import type { Chart } from '../../src/engine/decide.ts';
import { createLanes } from '../../src/engine/lanes.ts';

const chart: Chart = {
  name: 'still',
  label: 'still@1',
  initial: { value: 'open', context: 0 },
  decide: () => ({ outcome: 'ignored' }),
};

const stream = (index: number) => `mailbox-${index}`;

describe('lanes', () => {
  it('keeps those that are used and gives up those that are not', () => {
    const lanes = createLanes({ mailbox: chart }, 10);
    const used = lanes.open('mailbox-used');
    for (let index = 0; index < 100; index += 1) {
      lanes.open(stream(index));
      expect(lanes.open('mailbox-used')).toBe(used);
    }
    const kept = Array.from({ length: 100 }, (_, index) => lanes.get(stream(index)));
    expect(kept.filter((lane) => lane !== undefined).length).toBeLessThanOrEqual(10);
    expect(kept.at(-1)).toBeDefined();
    expect(kept.at(0)).toBeUndefined();
  });

  it('keeps each one that has work, however many there are, and looks at each a few times', () => {
    const lanes = createLanes({ mailbox: chart }, 1_000);
    const count = 20_000;
    let looks = 0;
    const opened = Array.from({ length: count }, (_, index) => {
      const lane = lanes.open(stream(index));
      Object.defineProperty(lane, 'running', {
        get: () => {
          looks += 1;
          return true;
        },
      });
      return lane;
    });
    expect(opened.every((lane, index) => lanes.get(stream(index)) === lane)).toBe(true);
    expect(looks).toBeLessThan(count * 20);
  });
});
