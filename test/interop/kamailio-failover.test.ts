/** Several stores behind one core: who takes a deposit when one of them is gone. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Receiver } from '../../src/adapters/ua/receiver.ts';
import { kamailioAvailable } from '../controls/kamailio.ts';
import { typesOf } from '../controls/read-log.ts';
import { type CoreStage, coreStage } from './core-stage.ts';

describe.skipIf(!kamailioAvailable())('the core asks the next store', () => {
  let stage: CoreStage | undefined;
  let alice: Receiver | undefined;
  afterEach(async () => {
    alice?.close();
    await stage?.close();
  });

  // Which of the two comes first depends on the recipient, so each of them is away once.
  it.each([
    { coreLink: 'tcp', present: [false, true] },
    { coreLink: 'tcp', present: [true, false] },
    { coreLink: 'udp', present: [false, true] },
    { coreLink: 'udp', present: [true, false] },
  ] as const)('over $coreLink, stores there: $present: kept once, and pushed', async (given) => {
    stage = await coreStage({ ...given, access: 'udp', define: ['STORE_MS=700'] });
    expect((await stage.send(['a text']))[0]?.status).toBe(202);
    expect(typesOf(await stage.log(), 'mailbox')).toEqual(['MessageDeferred']);
    alice = await stage.alice();
    expect((await alice.delivery()).messages.map(({ text }) => text)).toEqual(['a text']);
  });

  it('killed between two deposits: the other takes the second; the first comes when it is back', async () => {
    const define = ['STORE_MS=700'];
    stage = await coreStage({ coreLink: 'tcp', access: 'udp', present: [true, true], define });
    const { core, servers } = stage;
    expect((await stage.send(['first']))[0]?.status).toBe(202);
    const counts = await Promise.all([0, 1].map(async (n) => (await stage?.log(n))?.length ?? 0));
    const chosen = (counts[0] ?? 0) > (counts[1] ?? 0) ? 0 : 1;
    const killed = servers[chosen];
    if (!killed) throw new Error('no store was chosen');
    await killed.kill('SIGKILL');
    expect((await stage.send(['second']))[0]?.status).toBe(202);
    expect(typesOf(await stage.log(1 - chosen), 'mailbox')).toEqual(['MessageDeferred']);
    alice = await stage.alice();
    expect((await alice.delivery()).messages.map(({ text }) => text)).toEqual(['second']);

    const again = await stage.restart(chosen);
    // What OPTIONS would find out within some seconds, an operator can say at once.
    const uri = `sip:127.0.0.1:${again.sipPort};transport=tcp`;
    await core.command('dispatcher.set_state', 'ap', '1', uri);
    expect((await alice.register()).status).toBe(200);
    expect((await alice.delivery()).messages.map(({ text }) => text)).toEqual(['first']);
  });

  it('none is there: the sender is told so', async () => {
    const define = ['STORE_MS=700'];
    stage = await coreStage({ coreLink: 'tcp', access: 'udp', present: [false], define });
    expect((await stage.send(['a text']))[0]?.status).toBe(480);
  });
});
