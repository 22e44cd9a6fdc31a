/** SIPp plays a client that rings, or says nothing at all. */
import { afterEach, describe, expect, it } from 'vitest';
import { serverBuild } from '../controls/defects.ts';
import { startServer } from '../controls/server.ts';
import { sippAvailable } from '../controls/sipp-scenarios.ts';
import { type SippStage, sippStage } from './sipp-stage.ts';

const available = sippAvailable();
const patient = process.env.RESTANTE_VERIFY === '1';
if (available && !patient) {
  console.warn('SKIPPED: who never answers a push, two minutes and a half: script/verify runs it');
}
const RINGING = { scenario: 'ring-until-cancelled', transport: 'udp', calls: 1 } as const;
/** The guard of a push is two minutes. */
const GUARD_MS = 120_000;

describe.skipIf(!available)('a client that does not answer a push', () => {
  let stage: SippStage | undefined;
  afterEach(() => stage?.close());

  it('rings while the server crashes: the next start says CANCEL; 487, ACK [REF-3261-3]', async () => {
    stage = await sippStage();
    const ringing = await stage.client(RINGING);
    await stage.pushTo('rings', ringing);
    await stage.logged('InviteProgressed');
    const { server } = stage;
    await server.kill('SIGKILL');
    const again = await startServer({ ...server, launcher: await serverBuild() });
    try {
      expect(await ringing.ended()).toBe('');
    } finally {
      await again.remove();
    }
  });

  it.skipIf(!patient)(
    'rings for two minutes: CANCEL, 487, and the message stays [A-35]',
    async () => {
      stage = await sippStage();
      const ringing = await stage.client({ ...RINGING, withinSeconds: 150 });
      await stage.pushTo('rings', ringing);
      expect(await ringing.ended()).toBe('');
      const { data } = await stage.logged('DeliveryEnded');
      expect(data).toMatchObject({ cause: 'noAnswer', acknowledged: 0 });
    },
    GUARD_MS + 30_000,
  );

  it.skipIf(!patient)(
    'says nothing: after 64*T1 the INVITE is given up [RFC 3261 §17.1.1.2]',
    async () => {
      stage = await sippStage();
      const silent = await stage.client({ ...RINGING, scenario: 'say-nothing', withinSeconds: 60 });
      await stage.pushTo('sleeps', silent);
      expect(await silent.ended()).toBe('');
      const { data } = await stage.logged('DeliveryEnded');
      expect(data).toMatchObject({ cause: 'noAnswer', acknowledged: 0 });
    },
    60_000,
  );
});
