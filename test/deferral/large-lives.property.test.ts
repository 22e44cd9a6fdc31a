/** Whatever senders, clients, owners and crashes do: what came whole is there once, and no more. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { messageView } from '../../src/projections/waiting-messages.ts';
import { holdsAsync } from '../controls/async-properties.ts';
import { ended, liveLarge, mortalLives } from '../controls/large-lives.ts';
import { largeFacts, SOUND } from '../controls/large-stage.ts';

const RUNS = process.env.RESTANTE_VERIFY === '1' ? 1_000 : 60;
const HOUR_MS = 3_600_000;

describe('a random life with crashes', () => {
  it(
    'leaves each message in its mailbox once, not held, and each content that is needed [T-28]',
    () =>
      holdsAsync(
        fc.asyncProperty(
          mortalLives,
          fc.constantFrom('bye' as const, 'crash'),
          async (list, how) => {
            const stage = await liveLarge(list);
            await ended(stage, how);
            expect(await largeFacts(stage)).toEqual(SOUND);
            // What nobody needs goes by itself.
            await stage.pass(2 * HOUR_MS);
            const rows = await stage.store.range(messageView);
            const needed = rows.flatMap(([, { state, source }]) =>
              source?.blob !== undefined && ['waiting', 'held', 'parked'].includes(state)
                ? [source.blob]
                : [],
            );
            expect(await stage.contents()).toEqual([...new Set(needed)].sort());
            expect(await largeFacts(stage)).toEqual(SOUND);
            expect(stage.faults).toEqual([]);
          },
        ),
        RUNS,
      ),
    600_000,
  );
});
