import { describe, expect, it } from 'vitest';
import { phase } from '../../src/engine/decide.ts';
import { deliveryMachine } from '../../src/machines/delivery/machine.ts';
import { depositMachine } from '../../src/machines/deposit/machine.ts';
import { mailboxMachine } from '../../src/machines/mailbox/machine.ts';
import { chartPage, edgesOf, phasePage, rowsOf } from '../controls/diagram.ts';

/** The clause catalogue: family, and how many clauses it has. */
const CATALOGUE = {
  'IM-11.3.2.2': 10,
  'IM-11.3.2.3': 20,
  'IM-11.3.2.5': 9,
  'IM-11.3.2.7': 9,
  'IM-11.3.2.8': 3,
  'REF-3428': 3,
  'REF-3261': 3,
  'REF-4975': 7,
  'REF-3842': 2,
  'REF-6665': 2,
  'REF-4028': 1,
  'REF-3325': 1,
} as const;

const clauses = Object.entries(CATALOGUE).flatMap(([family, count]) =>
  Array.from({ length: count }, (_, index) => `${family}-${index + 1}`),
);

describe.each([
  ['mailbox', mailboxMachine],
  ['delivery', deliveryMachine],
  ['deposit', depositMachine],
])('the page of the %s chart', (name, machine) => {
  it('shows the chart as it is', async () => {
    await expect(chartPage(machine)).toMatchFileSnapshot(`../../docs/machines/${name}.md`);
  });

  it('cites only clauses that the catalogue has', () => {
    const cited = rowsOf(machine).flatMap((row) => row.clauses);
    expect(cited.length).toBeGreaterThan(0);
    expect(cited.filter((clause) => !clauses.includes(clause))).toEqual([]);
  });

  it('reaches every state from the first one', () => {
    const edges = edgesOf(machine);
    const reached = new Set(['idle']);
    for (const _ of edges) {
      for (const { from, to } of edges) if (reached.has(from)) reached.add(to);
    }
    expect([...reached].sort()).toEqual(Object.keys(machine.states).sort());
  });

  it('refuses what it does not know, in every state', () => {
    const last = rowsOf(machine).filter(({ event }) => event === '*');
    expect(last.map(({ state, refusal }) => [state, refusal])).toEqual([['any', 'unexpected']]);
  });
});

it('the page of the path shows both charts as they are', async () => {
  await expect(phasePage(phase, mailboxMachine, deliveryMachine)).toMatchFileSnapshot(
    '../../docs/machines/phases.md',
  );
});
