import { beforeAll, describe, expect, it } from 'vitest';
import { memoryStore } from '../../../src/adapters/store/memory.ts';
import { projections } from '../../../src/projections/all.ts';
import { messageView } from '../../../src/projections/waiting-messages.ts';
import { ALICE, type ExampleLog, exampleLog, SECOND_ID } from '../../controls/example-log.ts';
import { run } from './command-line-stage.ts';

let example: ExampleLog;
beforeAll(async () => {
  example = await exampleLog();
});

const restante = (...words: readonly string[]) => run({ store: example.store }, ...words);

async function replayed(...words: readonly string[]) {
  const { exitCode, out } = await restante('replay', 'alice@example.org', '--json', ...words);
  return { exitCode, ...JSON.parse(out) };
}

describe('replay', () => {
  it('says where the mailbox and its delivery stand, and how they got there', async () => {
    const result = await replayed();
    expect(result).toMatchObject({
      exitCode: 0,
      account: ALICE,
      at: '000000000000010',
      phase: 'pushing',
      mailbox: { value: 'delivering', context: { pushable: 2, registered: true } },
      delivery: { id: example.delivery, value: 'pushing', context: { acknowledged: 1, count: 2 } },
      disagreements: [],
    });
    const path = result.path.map((step: { phase: string; position: string; by: string }) => [
      Number(step.position),
      step.phase,
      step.by,
    ]);
    expect(path).toEqual([
      [1, 'idle', 'MessageDeferred'],
      [5, 'inviting', 'SubscriberRegistered'],
      [7, 'pushing', 'InviteAnswered'],
    ]);
  });

  it.each([
    ['1', 'idle', 'idle', undefined],
    ['4', 'idle', 'idle', undefined],
    ['5', 'inviting', 'delivering', undefined],
    ['6', 'inviting', 'delivering', 'inviting'],
    ['000000000000007', 'pushing', 'delivering', 'pushing'],
  ])('--at %s: %s', async (at, phase, mailbox, delivery) => {
    const result = await replayed('--at', at);
    expect(result).toMatchObject({ phase, mailbox: { value: mailbox } });
    expect(result.delivery?.value).toBe(delivery);
  });

  it('goes on through the end of the delivery', async () => {
    const { store, happen, delivery } = await exampleLog();
    const push = `delivery-${delivery}`;
    const row = await store.get(messageView, SECOND_ID);
    const { revision, bytes, expiresAt } = row ?? {};
    const pushed = { account: ALICE, id: SECOND_ID, revision, bytes, expiresAt, messageId: 'm2' };
    await happen(push, 'PushAcknowledged', pushed);
    await happen(push, 'ByeAnswered', { status: 200 });
    const ended = { delivery, cause: 'completed', acknowledged: 2, failed: 0 };
    await happen(`mailbox-${ALICE}`, 'DeliveryEnded', ended);
    const { out } = await run({ store }, 'replay', ALICE, '--json');
    const { phase, path } = JSON.parse(out);
    expect(phase).toBe('registered');
    expect(path.map((step: { phase: string }) => step.phase)).toEqual([
      'idle',
      'inviting',
      'pushing',
      'bye',
      'registered',
    ]);
  });

  it('prints all of it for a person', async () => {
    const { exitCode, out } = await restante('replay', ALICE);
    expect(exitCode).toBe(0);
    expect(out).toContain('mailbox: delivering\n');
    expect(out).toContain(`delivery ${example.delivery}: pushing\n`);
    expect(out).toMatch(/^000000000000007 .* pushing +InviteAnswered$/m);
    expect(out).toContain('recorded and folded states agree');
  });

  it('finds a log whose states are not those of the charts', async () => {
    const store = memoryStore({ projections });
    const copied = new Map<string, number>();
    for await (const event of example.store.readAll()) {
      const { stream, revision, meta } = event;
      const lied = event.type === 'InviteAnswered' ? { ...meta, to: 'bye' } : meta;
      await store.append(stream, copied.get(stream) ?? 'none', [{ ...event, meta: lied }]);
      copied.set(stream, revision);
    }
    const { exitCode, out } = await run({ store }, 'replay', ALICE);
    expect(exitCode).toBe(1);
    expect(out).toContain('DISAGREE');
    expect(out).toContain('InviteAnswered recorded inviting→bye, the fold says inviting→pushing');
  });

  it.each([['nobody@example.org'], ['alice@example.org', '--at', '0'], ['no account']])(
    '%s %s %s is a finding',
    async (...words) => {
      const { exitCode, err } = await restante('replay', ...words.filter((word) => word));
      expect(exitCode).toBe(1);
      expect(err).toContain('to do: ');
    },
  );
});
