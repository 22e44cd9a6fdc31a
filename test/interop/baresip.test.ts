/** baresip as a client: it takes part in MESSAGE and digest; it knows no MSRP. */
import { createHash } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Baresip, baresipAvailable, startBaresip } from '../controls/baresip.ts';
import { serverBuild } from '../controls/defects.ts';
import { kamailioAvailable } from '../controls/kamailio.ts';
import { readLog, typesOf } from '../controls/read-log.ts';
import { type Server, startServer } from '../controls/server.ts';
import { type CoreStage, coreStage } from './core-stage.ts';

const available = baresipAvailable();
const FEATURES = '+g.oma.sip-im';
const REGISTERED = /200 OK \(.*\) \[1 binding\]/;

describe.skipIf(!available || !kamailioAvailable())('baresip behind Kamailio', () => {
  let stage: CoreStage;
  let alice: Baresip | undefined;
  beforeAll(async () => {
    stage = await coreStage({ coreLink: 'tcp', access: 'udp' });
  });
  afterAll(async () => {
    await alice?.close();
    await stage?.close();
  });

  it('registers, and refuses a push for want of MSRP: the message stays', async () => {
    expect((await stage.send(['before you came']))[0]?.status).toBe(202);
    alice = await startBaresip({
      aor: 'sip:alice@example.org',
      outbound: `sip:127.0.0.1:${stage.core.clientPort};transport=udp`,
      peer: 'sip:carol@example.org',
      features: FEATURES,
    });
    await alice.printed(REGISTERED);
    const log = await stage.logged((seen) => typesOf(seen, 'mailbox').includes('DeliveryEnded'));
    const ended = log.find(({ type }) => type === 'DeliveryEnded');
    expect(ended?.data).toMatchObject({ cause: 'refused', status: 488, acknowledged: 0 });
  });

  it('takes a MESSAGE that was passed on to it, and its sender hears 200', async () => {
    expect((await stage.send(['hello baresip']))[0]?.status).toBe(200);
    // It acts as one that got it; on a terminal it would print it.
    await alice?.printed('hello baresip');
  });

  it('writes to who is away: 202, and it waits', async () => {
    await alice?.message('from baresip');
    await alice?.printed('SIP/2.0 202 Accepted');
    const log = await stage.log();
    const kept = log.filter(({ type }) => type === 'MessageDeferred').at(-1);
    expect(kept?.stream).toBe('mailbox-sip:carol@example.org');
    expect(Buffer.from(kept?.octets ?? []).toString()).toMatch(/\r\n\r\nfrom baresip$/);
  });
});

describe.skipIf(!available)('baresip as a user of its own', () => {
  let server: Server;
  let folder: string;
  let alice: Baresip | undefined;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'restante-baresip-'));
    const users = join(folder, 'users.txt');
    const ha1 = createHash('md5').update('alice:example.org:secret').digest('hex');
    await writeFile(users, `alice:example.org:MD5:${ha1}\n`);
    await chmod(users, 0o600);
    // libre of 2020 gives up at a challenge by any other algorithm, though MD5 is offered too.
    const proving = ['--credentials', users, '--digest-algorithms', 'MD5'];
    const args = ['--trust', '127.0.0.2', ...proving];
    server = await startServer({ launcher: await serverBuild(), args });
  });
  afterEach(() => alice?.close());
  afterAll(async () => {
    await server?.remove();
    await rm(folder, { recursive: true, force: true });
  });
  const start = (transport: string, password: string) =>
    startBaresip({
      aor: `sip:alice@example.org`,
      outbound: `sip:127.0.0.1:${server.sipPort};transport=${transport}`,
      peer: 'sip:carol@example.org',
      features: FEATURES,
      password,
    });

  it.each(['udp', 'tcp'])(
    'over %s: proves itself by digest, and writes [RFC 3261 §22.4]',
    async (transport) => {
      alice = await start(transport, 'secret');
      await alice.printed(REGISTERED);
      await alice.message(`over ${transport}`);
      await alice.printed('SIP/2.0 202 Accepted');
      const kept = (await readLog(server.data))
        .filter(({ type }) => type === 'MessageDeferred')
        .at(-1);
      expect(Buffer.from(kept?.octets ?? []).toString()).toContain(`\r\n\r\nover ${transport}`);
      expect(Buffer.from(kept?.octets ?? []).toString()).toContain('From: <sip:alice@example.org>');
    },
  );

  it('with a wrong password it stays outside', async () => {
    alice = await start('udp', 'guess');
    expect(await alice.printed(/reg: .*401 Unauthorized/)).not.toMatch(REGISTERED);
  });
});
