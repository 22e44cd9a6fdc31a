/**
 * The whole engine on the memory store against a plain client: whatever happens in whatever order,
 * no message is lost, none is pushed again once its acknowledgement stands, and order is kept.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deliveringView, openDeliveryView } from '../../src/projections/in-flight.ts';
import { holdsAsync } from '../controls/async-properties.ts';
import { type DeferralStage, deferralStage } from '../controls/deferral-stage.ts';
import type { Fate } from '../controls/faulty-store.ts';
import { type Manners, scriptedClient } from '../controls/scripted-client.ts';
import { settled } from '../controls/turns.ts';

type Step =
  | { readonly do: 'deposit'; readonly livesSeconds: number | null }
  | { readonly do: 'register'; readonly seconds: number }
  | { readonly do: 'invite'; readonly manner: Manners['invite'] }
  | { readonly do: 'push'; readonly manner: Manners['push'] }
  | { readonly do: 'bye'; readonly manner: Manners['bye'] }
  | { readonly do: 'acknowledge' | 'takeBack'; readonly pick: number }
  | { readonly do: 'cut' | 'crash' }
  | { readonly do: 'wait'; readonly ms: number }
  /** The engine dies within the next appends; the last one is written, or not. */
  | { readonly do: 'die'; readonly after: number; readonly fate: 'never' | 'noAnswer' };

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('deposit' as const),
      livesSeconds: fc.constantFrom(null, null, null, 45, 7_200),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('register' as const),
      seconds: fc.constantFrom(3_600, 3_600, 3_600, 60, 0),
    }),
  },
  fc.record({
    do: fc.constant('invite' as const),
    manner: fc.constantFrom<Manners['invite']>('accept', 'accept', 'silent', 480, 486, 488, 503),
  }),
  fc.record({
    do: fc.constant('push' as const),
    manner: fc.constantFrom<Manners['push']>('acknowledge', 'acknowledge', 'silent', 'cut', 413),
  }),
  fc.record({
    do: fc.constant('bye' as const),
    manner: fc.constantFrom<Manners['bye']>('answer', 'answer', 'silent'),
  }),
  fc.record({
    do: fc.constantFrom('acknowledge' as const, 'takeBack' as const),
    pick: fc.nat({ max: 3 }),
  }),
  fc.record({ do: fc.constantFrom('cut' as const, 'crash' as const) }),
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(1, 2_000, 32_000, 61_000, 130_000, 1_000_000),
    }),
  },
  fc.record({
    do: fc.constant('die' as const),
    after: fc.nat({ max: 6 }),
    fate: fc.constantFrom('never' as const, 'noAnswer' as const),
  }),
);

/** What the client, the sender and the network know, beside the engine that must agree with it. */
function model(stage: DeferralStage) {
  /** Call-ID and Message-ID of every deposit that was answered as stored, in order. */
  const stored: string[] = [];
  /** Acknowledgements that stood in the log at the moment when the client looked. */
  const settledIds = new Set<string>();
  const wireIds = new Map<string, string>();
  let checked = 0;

  return {
    stored,
    /** The client took an acknowledgement back; it no longer stands if the log has heard of it. */
    async takenBack(key: string): Promise<void> {
      let recorded = false;
      for await (const { type, data } of stage.store.readAll()) {
        const { id, takesBack } = data as { readonly id?: string; readonly takesBack?: boolean };
        if (type === 'PushAcknowledged' && id === key) recorded = false;
        if (type === 'PushFailed' && id === key && takesBack) recorded = true;
      }
      if (recorded) settledIds.delete(key);
      else stage.client.acknowledged.add(key);
    },
    async check(): Promise<void> {
      const { pushed } = stage.client;
      for (const { message } of pushed.slice(checked)) {
        expect(settledIds, `${message.key} was delivered before`).not.toContain(message.key);
        const known = wireIds.get(message.key) ?? message.messageId;
        expect(message.messageId, `${message.key} has one Message-ID`).toBe(known);
        wireIds.set(message.key, known);
      }
      checked = pushed.length;
      for (const delivery of new Set(pushed.map((one) => one.delivery))) {
        const keys = pushed
          .filter((one) => one.delivery === delivery)
          .map((one) => one.message.key);
        expect(keys, 'in order, none twice').toEqual([...new Set(keys)].sort());
      }
      settledIds.clear();
      for (const name of stored) {
        const row = await stage.message(name);
        expect(row, `${name} was answered as stored`).toBeDefined();
        if (row?.state !== 'delivered') continue;
        const id = `${name}@store.example`;
        expect(stage.client.acknowledged, `${name} counts as delivered`).toContain(id);
        settledIds.add(id);
      }
      expect(await stage.store.count(openDeliveryView)).toBeLessThanOrEqual(1);
      expect(stage.faults).toEqual([]);
    },
  };
}

async function run(history: readonly Step[]): Promise<void> {
  const stage = await deferralStage();
  const { client } = stage;
  const { stored, check, takenBack } = model(stage);
  let serial = 0;
  let dyingIn: number | undefined;
  let dying: 'never' | 'noAnswer' = 'never';

  /** The process is gone with the append that it dies in: it sends nothing any more either. */
  function fateOf(): Fate {
    if (dyingIn === undefined) return 'pass';
    dyingIn -= 1;
    if (dyingIn > 0) return 'pass';
    stage.crash();
    return dyingIn === 0 ? dying : 'never';
  }

  const hasDied = () => dyingIn !== undefined && dyingIn <= 0;

  async function restart(): Promise<void> {
    stage.crash();
    dyingIn = undefined;
    await stage.start(fateOf);
  }

  async function deposit(livesSeconds: number | null): Promise<void> {
    serial += 1;
    const name = `m${String(serial).padStart(4, '0')}`;
    const headers = livesSeconds === null ? [] : [`Expires: ${livesSeconds}`];
    void stage.deposit(name, headers).then(({ outcome }) => {
      if (outcome === 'accepted') stored.push(name);
    });
    await settled();
  }

  async function act(step: Step): Promise<void> {
    switch (step.do) {
      case 'deposit':
        return deposit(step.livesSeconds);
      case 'register':
        void stage.register(step.seconds);
        return settled();
      case 'invite':
        client.manners.invite = step.manner;
        return;
      case 'push':
        client.manners.push = step.manner;
        return;
      case 'bye':
        client.manners.bye = step.manner;
        return;
      case 'acknowledge':
      case 'takeBack': {
        const keys = [...new Set(client.pushed.map(({ message }) => message.key))];
        const key = keys.at(-1 - step.pick);
        if (key === undefined) return;
        if (step.do === 'acknowledge') client.acknowledge(key);
        else client.takeBack(key, 413);
        await settled();
        // A REPORT that nobody lived to record is as if it never came.
        if (step.do === 'takeBack' && hasDied()) await takenBack(key);
        return;
      }
      case 'cut':
        client.cut();
        return settled();
      case 'crash':
        return restart();
      case 'wait':
        return stage.pass(step.ms);
      case 'die':
        dyingIn = step.after + 1;
        dying = step.fate;
    }
  }

  await restart();
  for (const step of history) {
    await act(step);
    if (hasDied()) await restart();
    await check();
  }
  // At last everybody behaves: nothing may be stranded.
  Object.assign(client.manners, scriptedClient().manners);
  await restart();
  for (let times = 0; times < 2; times += 1) {
    await stage.register();
    await stage.pass(130_000);
    await check();
  }
  for (const name of stored) {
    const { state = 'lost' } = (await stage.message(name)) ?? {};
    expect(['delivered', 'expired', 'parked'], `${name} is ${state}`).toContain(state);
  }
  expect(await stage.store.count(deliveringView)).toBe(0);
}

describe('the delivery protocol', () => {
  const numRuns = process.env.RESTANTE_VERIFY === '1' ? 5_000 : 120;

  it('loses nothing, repeats nothing that stands, keeps order, strands nobody', async () => {
    const histories = fc.array(steps, { minLength: 4, maxLength: 40, size: 'max' });
    await holdsAsync(fc.asyncProperty(histories, run), numRuns);
  }, 3_600_000);
});
