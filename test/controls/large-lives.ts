/** Random lives of a store that takes Large messages, pushes them, and dies at any append. */
import fc from 'fast-check';
import { messageView } from '../../src/projections/waiting-messages.ts';
import type { Fate } from './faulty-store.ts';
import { type LargeStage, largeStage } from './large-stage.ts';
import type { Manners } from './scripted-client.ts';
import { settled } from './turns.ts';

export const ACCOUNTS = ['sip:romeo@example.net', 'sip:nurse@example.net'] as const;
const DEPOSITS = 4;

/** `deposit`: one of a few; those with odd numbers are for the second account. */
export type Move =
  | { readonly do: 'invite'; readonly deposit: number; readonly late: boolean }
  | { readonly do: 'establish' | 'acknowledge'; readonly deposit: number }
  | {
      readonly do: 'leave';
      readonly deposit: number;
      readonly message: number;
      readonly content: number;
      readonly blob: boolean;
    }
  | {
      readonly do: 'ByeReceived' | 'AckMissed' | 'lost' | 'idle' | 'abort';
      readonly deposit: number;
    }
  | { readonly do: 'register'; readonly account: number; readonly seconds: number }
  | { readonly do: 'push'; readonly manner: Manners['push'] }
  | { readonly do: 'takeBack' | 'delete'; readonly pick: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'crash'; readonly appends: number; readonly fate: 'never' | 'noAnswer' };

const deposit = fc.nat({ max: DEPOSITS - 1 });
const moves: readonly fc.WeightedArbitrary<Move>[] = [
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('invite' as const), deposit, late: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('establish' as const, 'acknowledge'), deposit }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('leave' as const),
      deposit,
      message: fc.nat({ max: 2 }),
      content: fc.nat({ max: 2 }),
      blob: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('ByeReceived' as const, 'AckMissed', 'lost', 'idle', 'abort'),
      deposit,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('register' as const),
      account: fc.nat({ max: 1 }),
      seconds: fc.constantFrom(3_600, 3_600, 0),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('push' as const),
      manner: fc.constantFrom<Manners['push']>('acknowledge', 'silent', 'cut', 413),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('takeBack' as const, 'delete'),
      pick: fc.nat({ max: 2 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(2_500, 61_000, 1_300_000, 2_600_000_000),
    }),
  },
];
const crash: fc.Arbitrary<Move> = fc.record({
  do: fc.constant('crash' as const),
  appends: fc.nat({ max: 6 }),
  fate: fc.constantFrom('never' as const, 'noAnswer'),
});

const bounds = { minLength: 5, maxLength: 40, size: 'max' } as const;
export const calmLives = fc.array(fc.oneof(...moves), bounds);
export const mortalLives = fc.array(fc.oneof(...moves, { weight: 3, arbitrary: crash }), bounds);

export const accountOf = (index: number): string => ACCOUNTS[index % 2] ?? ACCOUNTS[0];
const CONTENTS = ['', 'x'.repeat(300), 'y'.repeat(9_000)];

/** What the owner deletes, with what the views say of it. */
async function remove(stage: LargeStage, pick: number): Promise<void> {
  const rows = (await stage.store.range(messageView)).filter(([, { state }]) =>
    ['waiting', 'held', 'parked'].includes(state),
  );
  const [id, row] = rows[pick] ?? [];
  if (!id || !row) return;
  const { account, revision, bytes, expiresAt, state, source } = row;
  const data = { id, revision, from: state, bytes, expiresAt, source, by: 'owner' };
  void stage.submit({ type: 'MessageDeleted', data, cause: `deleted ${id}` }, account);
}

/** Nobody waits for an answer: a dead engine gives none. */
async function move(stage: LargeStage, one: Exclude<Move, { do: 'crash' }>): Promise<void> {
  const { senders, client } = stage;
  const name = 'deposit' in one ? `d${one.deposit}` : '';
  const account = 'deposit' in one ? accountOf(one.deposit) : ACCOUNTS[0];
  switch (one.do) {
    case 'invite':
      void senders.invite(name, { account, ...(one.late ? { offer: 'late' } : {}) });
      return;
    case 'establish':
      void senders.invite(name, { account });
      await settled();
      void senders.acknowledge(name);
      return;
    case 'acknowledge':
      void senders.acknowledge(name);
      return;
    case 'leave': {
      const content = CONTENTS[one.content] ?? '';
      const kept = one.blob && content.length > 0 ? ({ body: 'blob' } as const) : {};
      void senders.leave(name, { messageId: `${name}.${one.message}`, content, ...kept });
      return;
    }
    case 'lost':
      return senders.session(name)?.lost('closed');
    case 'idle':
      return senders.session(name)?.idle(60_000);
    case 'abort':
      return senders.session(name)?.aborted({ messageId: 'm', bytes: 7, reason: 'given up' });
    case 'ByeReceived':
    case 'AckMissed':
      void senders.say(name, one.do);
      return;
    case 'register':
      void stage.register(one.seconds, 'contact', accountOf(one.account));
      return;
    case 'push':
      client.manners.push = one.manner;
      return;
    case 'takeBack': {
      const key = client.pushed.at(-1 - one.pick)?.message.key;
      if (key !== undefined) client.takeBack(key, 413);
      return;
    }
    case 'delete':
      return remove(stage, one.pick);
    case 'wait':
      return stage.pass(one.ms);
    default:
      one satisfies never;
  }
}

/** Lets the real engine live through the moves, and die where they say so. */
export async function liveLarge(list: readonly Move[]): Promise<LargeStage> {
  const stage = await largeStage();
  let left = Number.POSITIVE_INFINITY;
  let fate: Fate = 'never';
  let dead = false;
  const fateOf = ({ stream }: { readonly stream: string }): Fate => {
    if (dead) return 'never';
    if (!/^(deposit|mailbox|delivery)-/.test(stream)) return 'pass';
    left -= 1;
    dead = left < 0;
    return dead ? fate : 'pass';
  };
  async function live(): Promise<void> {
    [left, dead] = [Number.POSITIVE_INFINITY, false];
    stage.crash();
    void stage.start(fateOf);
    await settled();
  }
  await live();
  for (const one of list) {
    if (one.do === 'crash') [left, fate] = [one.appends, one.fate];
    else await move(stage, one);
    await settled();
    if (dead) await live();
  }
  // A death that did not come in time does not come any more.
  left = Number.POSITIVE_INFINITY;
  return stage;
}

/** Every session ends, every delivery has its outcome, and everybody has had his time. */
export async function ended(stage: LargeStage, how: 'bye' | 'crash'): Promise<void> {
  if (how === 'crash') {
    stage.crash();
    await stage.start();
  }
  for (let one = 0; one < DEPOSITS; one += 1) void stage.senders.say(`d${one}`, 'AckMissed');
  await settled();
  for (let one = 0; one < DEPOSITS; one += 1) void stage.senders.say(`d${one}`, 'ByeReceived');
  await stage.pass(200_000);
}
