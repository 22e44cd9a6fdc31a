/** Deposits by an independent client: what it was told is kept is kept, once each. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openStore } from '../../src/main/open-store.ts';
import { mailboxView } from '../../src/projections/waiting-messages.ts';
import { serverBuild } from '../controls/defects.ts';
import { sipp, sippMissing } from '../controls/load-sipp.ts';
import { type Server, startServer } from '../controls/server.ts';

const COUNT = 5_000;
const IN_FLIGHT = 32;
const WITHIN_MS = 50_000;

const missing = await sippMissing();
if (missing) console.warn(`SKIPPED: deposits by SIPp: ${missing}`);

async function stored(data: string) {
  const opened = await openStore({ url: `lmdb:${data}/store`, readOnly: true });
  if (opened.kind === 'failure') throw new Error(opened.what);
  const { store } = opened;
  const keys: string[] = [];
  const bodies = new Set<string>();
  try {
    for await (const { type, data: fact, octets } of store.readAll()) {
      if (type !== 'MessageDeferred') continue;
      keys.push((fact as { readonly deposit: string }).deposit);
      const text = Buffer.from(octets ?? []).toString();
      bodies.add(text.slice(text.indexOf('\r\n\r\n') + 4));
    }
    const rows = await store.range(mailboxView);
    const waiting = rows.reduce((sum, [, row]) => sum + row.waiting, 0);
    return { waiting, messages: keys.length, keys: new Set(keys).size, bodies: bodies.size };
  } finally {
    await store.close();
  }
}

describe.skipIf(missing !== undefined)('5,000 deposits by SIPp, 32 at a time', () => {
  let server: Server;

  beforeAll(async () => {
    server = await startServer({ launcher: await serverBuild() });
  });
  afterAll(() => server?.remove());

  test.each([
    { transport: 'udp', before: 0 },
    { transport: 'tcp', before: COUNT },
  ] as const)(
    'over $transport: each is answered 202 and waits, none twice [RFC 3428 §7] [IM-11.3.2.5-1]',
    async ({ transport, before }) => {
      const { sipPort: port } = server;
      const load = { transport, port, count: COUNT, inFlight: IN_FLIGHT, withinMs: WITHIN_MS };
      const report = await sipp(load);
      expect(report).toMatchObject({ successful: COUNT, failed: 0 });
      // The server answered all of them: what it said is kept is in the log by now.
      const all = before + COUNT;
      const there = { waiting: all, messages: all, keys: all, bodies: all };
      expect(await stored(server.data)).toEqual(there);
    },
  );
});
