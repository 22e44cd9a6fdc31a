import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { effectNames } from '../controls/histories.ts';
import { holds } from '../controls/properties.ts';
import { type Act, acts, mailboxWorld, type World } from './mailbox-world.ts';

const histories = fc.array(acts, { minLength: 1, maxLength: 40, size: 'max' });
const numRuns = 400;

/** Runs a history and looks at the world after each act. */
function along(history: readonly Act[], look: (world: World) => void): World {
  const world = mailboxWorld();
  for (const act of history) {
    world.act(act);
    look(world);
  }
  return world;
}

/** A registered mailbox that could push something now, with nothing that would make it. */
function isStranded(world: World): boolean {
  const { value, context } = world.state();
  if (value !== 'registered' || world.waiting() === 0 || !world.offlineDelivery()) return false;
  if (context.untilRegistration || context.pushIncapable) return false;
  return (
    !world.timers.has('retry') && (world.timers.get('expiry')?.dueAt ?? Infinity) > world.now()
  );
}

describe('the mailbox in a correct environment', () => {
  it('counts as pushable exactly what waits [T-06, C-04]', () => {
    holds(
      fc.property(histories, (history) => {
        along(history, (world) => {
          expect(world.state().context.pushable).toBe(world.waiting());
        });
      }),
      numRuns,
    );
  });

  it('is never left registered with something to push and nobody to wake it [C-04, C-18]', () => {
    holds(
      fc.property(histories, (history) => {
        along(history, (world) => expect(isStranded(world)).toBe(false));
      }),
      numRuns,
    );
  });

  it('opens a delivery only for a registered client that has something to get [T-06]', () => {
    holds(
      fc.property(histories, (history) => {
        const world = mailboxWorld();
        for (const act of history) {
          const had = world.state().context.delivery;
          const done = world.act(act);
          const opened = done.filter(({ decision }) =>
            effectNames(decision).includes('openDelivery'),
          );
          const ended = done.filter(
            ({ input, decision }) =>
              input.type === 'DeliveryEnded' && decision.outcome === 'accepted',
          );
          // T-29: one at a time.
          expect(opened.length).toBeLessThanOrEqual(had === null ? 1 : ended.length);
          if (opened.length > 0) {
            expect([world.offlineDelivery(), world.waiting() > 0]).toEqual([true, true]);
          }
        }
      }),
      numRuns,
    );
  });

  it('answers every registration with a delivery begun after it, if there is one to make [T-06]', () => {
    holds(
      fc.property(histories, (history) => {
        const world = mailboxWorld();
        let owed = false;
        for (const act of history) {
          for (const { input, decision } of world.act(act)) {
            if (input.type === 'SubscriberRegistered') owed = true;
            if (effectNames(decision).includes('openDelivery')) owed = false;
          }
          const idle = world.waiting() === 0 || !world.offlineDelivery() || !world.registered();
          const expiring = (world.timers.get('expiry')?.dueAt ?? Infinity) <= world.now();
          if (world.state().value !== 'delivering' && idle) owed = false;
          expect([owed, world.state().value, expiring]).not.toEqual([true, 'registered', false]);
        }
      }),
      numRuns,
    );
  });

  it('knows whether its subscriber is registered, and watches until when', () => {
    holds(
      fc.property(histories, (history) => {
        along(history, (world) => {
          const { value, context } = world.state();
          expect(context.registered).toBe(world.registered());
          expect(world.timers.has('registration')).toBe(world.registered());
          if (value !== 'delivering') expect(value === 'registered').toBe(world.registered());
        });
      }),
      numRuns,
    );
  });

  it('watches every expiry, except while it is delivering [C-06]', () => {
    holds(
      fc.property(histories, (history) => {
        along(history, (world) => {
          if (world.state().value === 'delivering') return;
          const due = world.messages.flatMap(({ fate, expiresAt }) =>
            fate === 'gone' || expiresAt === null ? [] : [expiresAt],
          );
          const armed = world.timers.get('expiry')?.dueAt ?? Number.POSITIVE_INFINITY;
          expect(armed).toBeLessThanOrEqual(Math.min(...due));
        });
      }),
      numRuns,
    );
  });

  it('delivers everything once the subscriber registers and takes what it gets [T-30]', () => {
    holds(
      fc.property(histories, (history) => {
        const world = along(history, () => {});
        if (!world.offlineDelivery()) world.act({ do: 'switch' });
        const all = { do: 'end', cause: 'completed', status: 0, parks: false } as const;
        world.act({ ...all, acknowledged: 0 });
        world.act({ do: 'register' });
        for (let turn = 0; turn < 3; turn += 1) {
          world.act({ ...all, acknowledged: world.messages.length });
        }
        expect([world.state().value, world.waiting()]).toEqual(['registered', 0]);
      }),
      numRuns,
    );
  });

  it('meets every kind of state on the way', () => {
    const met = new Set<string>();
    for (const history of fc.sample(histories, { numRuns: 300, seed: 20261122 })) {
      along(history, (world) => {
        const { value, context } = world.state();
        met.add(value);
        if (context.untilRegistration) met.add('untilRegistration');
        if (context.pushIncapable) met.add('pushIncapable');
        if (context.triggered) met.add('triggered');
        if (world.timers.has('retry')) met.add('backing off');
      });
    }
    expect([...met].sort()).toEqual([
      'backing off',
      'delivering',
      'idle',
      'pushIncapable',
      'registered',
      'triggered',
      'untilRegistration',
    ]);
  });
});
