import fc from 'fast-check';
import type { Recorded } from '../../src/engine/recorded.ts';
import { messageView } from '../../src/projections/waiting-messages.ts';
import { type DeferralStage, deferralStage } from '../controls/deferral-stage.ts';
import type { Manners } from '../controls/scripted-client.ts';
import { settled } from '../controls/turns.ts';

export const ACCOUNTS = ['sip:romeo@example.net', 'sip:nurse@example.net'] as const;

export type Command =
  | { readonly do: 'deposit'; readonly livesSeconds: number | null; readonly held: boolean }
  | { readonly do: 'register'; readonly seconds: number }
  | { readonly do: 'invite'; readonly manner: Manners['invite'] }
  | { readonly do: 'push'; readonly manner: Manners['push'] }
  | { readonly do: 'MessageDeleted' | 'MessageHeld' | 'MessageReleased'; readonly pick: number }
  | { readonly do: 'acknowledge' | 'takeBack'; readonly pick: number }
  | { readonly do: 'wait'; readonly ms: number };

const commands: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('deposit' as const),
      livesSeconds: fc.constantFrom(null, null, 45, 7_200),
      held: fc.constantFrom(false, false, true),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('register' as const),
      seconds: fc.constantFrom(3_600, 3_600, 60, 0),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('invite' as const),
      manner: fc.constantFrom<Manners['invite']>('accept', 'accept', 480, 488),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('push' as const),
      manner: fc.constantFrom<Manners['push']>('acknowledge', 'silent', 'cut', 413, 413),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'MessageDeleted' as const,
        'MessageHeld' as const,
        'MessageReleased' as const,
      ),
      pick: fc.nat({ max: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('acknowledge' as const, 'takeBack' as const),
      pick: fc.nat({ max: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(2_000, 61_000, 4_000_000),
    }),
  },
);

/** What is done, and to which account. */
export const commandLists = fc.array(fc.tuple(fc.constantFrom(...ACCOUNTS), commands), {
  minLength: 5,
  maxLength: 50,
  size: 'max',
});

/** Submits what an operator or owner would, with what the views say; refusals are part of it. */
async function move(
  stage: DeferralStage,
  account: string,
  type: 'MessageDeleted' | 'MessageHeld' | 'MessageReleased',
  pick: number,
): Promise<void> {
  const from = {
    MessageDeleted: ['waiting', 'held', 'parked'],
    MessageHeld: ['waiting', 'parked'],
  };
  const states: readonly string[] = type === 'MessageReleased' ? ['held', 'parked'] : from[type];
  const rows = (await stage.store.range(messageView)).filter(
    ([, row]) => row.account === account && states.includes(row.state),
  );
  const [id, row] = rows[pick] ?? [];
  if (!id || !row) return;
  const { revision, bytes, expiresAt, state } = row;
  const expiry = expiresAt === undefined ? {} : { expiresAt };
  const removal = { id, revision, from: state, bytes, ...expiry, by: 'owner' };
  const data = type === 'MessageReleased' ? { id, from: state, by: 'owner' } : removal;
  const cause = `${type} ${id} ${stage.clock.now()} ${revision}`;
  await stage.submit({ type, data, cause }, account);
}

/** Lets the real engine live through the commands. */
export async function live(list: readonly (readonly [string, Command])[]): Promise<DeferralStage> {
  const stage = await deferralStage();
  const { client } = stage;
  let serial = 0;
  for (const [account, command] of list) {
    switch (command.do) {
      case 'deposit': {
        serial += 1;
        const expires = command.livesSeconds === null ? [] : [`Expires: ${command.livesSeconds}`];
        const name = `m${String(serial).padStart(4, '0')}`;
        if (command.held) await stage.depositHeld(name, account);
        else await stage.deposit(name, expires, account);
        break;
      }
      case 'register':
        await stage.register(command.seconds, 'contact', account);
        break;
      case 'invite':
        client.manners.invite = command.manner;
        break;
      case 'push':
        client.manners.push = command.manner;
        break;
      case 'acknowledge':
      case 'takeBack': {
        const key = client.pushed.at(-1 - command.pick)?.message.key;
        if (key === undefined) break;
        if (command.do === 'acknowledge') client.acknowledge(key);
        else client.takeBack(key, 413);
        break;
      }
      case 'wait':
        await stage.pass(command.ms);
        break;
      default:
        await move(stage, account, command.do, command.pick);
    }
    await settled();
  }
  return stage;
}

export async function logOf(stage: DeferralStage): Promise<readonly Recorded[]> {
  const log: Recorded[] = [];
  for await (const event of stage.store.readAll()) log.push(event);
  return log;
}
