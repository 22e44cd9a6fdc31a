import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../../src/adapters/cli/command-line.ts';
import { openContents } from '../../../src/main/contents.ts';
import { messageView } from '../../../src/projections/waiting-messages.ts';
import {
  BIG,
  BIG_BODY,
  BIG_ID,
  BIG_SHA256,
  DAVE,
  exampleLarge,
  keepContent,
  OPEN,
  SMALL,
  SMALL_ID,
} from '../../controls/example-large.ts';
import { exampleLog } from '../../controls/example-log.ts';
import { run } from './command-line-stage.ts';

let data: string;
let file: string;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'restante-doctor-large-'));
  file = openContents(data).pathOf(BIG_SHA256);
});
afterEach(() => rm(data, { recursive: true }));

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly note?: true;
  readonly found: string;
  readonly todo?: string;
}

async function examined(store: Store, ...words: readonly string[]) {
  const where = ['--store', 'memory:', '--data', data];
  const { exitCode, out } = await run({ store }, 'doctor', ...where, '--json', ...words);
  const findings: Finding[] = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const of = (check: string) => findings.filter((one) => one.check === check);
  return { exitCode, contents: of('contents'), sessions: of('sessions') };
}

/** The same store with another body in the octets of an event. */
function withOctets(store: Store, stream: string, change: (octets: Uint8Array) => Uint8Array) {
  return {
    ...store,
    async *read(name: string, options?: Parameters<Store['read']>[1]) {
      for await (const event of store.read(name, options)) {
        const isIt = name === stream && event.type === 'MessageCompleted' && event.octets;
        yield isIt ? { ...event, octets: change(isIt) } : event;
      }
    },
  };
}

describe('doctor: contents', () => {
  it('that are as the log says → ok, and how much there is', async () => {
    await keepContent(data);
    const { exitCode, contents } = await examined((await exampleLarge()).store);
    expect(exitCode).toBe(0);
    expect(contents).toEqual([
      {
        check: 'contents',
        ok: true,
        found: '3 Large messages, 1 content of 600000 octets in files, all as the log says',
      },
    ]);
  });

  it('none needed → ok, also where there is no folder for them', async () => {
    const { contents } = await examined((await exampleLog()).store);
    expect(contents).toMatchObject([{ ok: true, found: 'no Large message is kept' }]);
  });

  it('missing → a finding that says which message, where, and what to do', async () => {
    const { exitCode, contents } = await examined((await exampleLarge()).store);
    expect(exitCode).toBe(1);
    expect(contents).toMatchObject([{ ok: false, found: `${BIG_ID}: ${file} is missing` }]);
    expect(contents[0]?.todo).toContain('restore the files from a backup');
  });

  it('of another length → a finding', async () => {
    await keepContent(data);
    await truncate(file, 599_999);
    const { contents } = await examined((await exampleLarge()).store, '--fast');
    expect(contents[0]?.found).toBe(`${BIG_ID}: ${file} has 599999 octets, not 600000`);
  });

  it('changed → a finding, but for --fast', async () => {
    await keepContent(data);
    await writeFile(file, BIG_BODY.toReversed());
    const { store } = await exampleLarge();
    const { exitCode, contents } = await examined(store);
    expect(exitCode).toBe(1);
    expect(contents[0]?.found).toContain('the digest of its 600000 octets is another');
    const fast = await examined(store, '--fast');
    expect(fast.exitCode).toBe(0);
    expect(fast.contents[0]?.found).toContain('all there and as long as the log says');
  });

  it('that no message needs → a note', async () => {
    await keepContent(data);
    await keepContent(data, Uint8Array.of(1, 2, 3));
    const { exitCode, contents } = await examined((await exampleLarge()).store);
    expect(exitCode).toBe(0);
    expect(contents[1]).toMatchObject({ ok: true, note: true });
    expect(contents[1]?.found).toMatch(/^1 content of 3 octets that no message needs/);
  });

  it('a body in the log that is not what came → a finding', async () => {
    await keepContent(data);
    const { store } = await exampleLarge();
    const wrong = withOctets(store, SMALL, (octets) => octets.with(octets.length - 1, 0));
    const { contents } = await examined(wrong);
    expect(contents[0]?.found).toBe(`${SMALL_ID}: its body at ${SMALL}#3 is not what came`);
  });

  it('no record where the message says it is → a finding', async () => {
    const { store } = await exampleLarge();
    const lossy: Store = {
      ...store,
      async *read(name, options) {
        if (name !== BIG) yield* store.read(name, options);
      },
    };
    const { contents } = await examined(lossy);
    expect(contents[0]?.found).toBe(`${BIG_ID}: its record is not at ${BIG}#3`);
  });

  it('gone with a message that was delivered meanwhile → no finding', async () => {
    const { store } = await exampleLarge();
    const moved: Store = {
      ...store,
      async get(view, key) {
        const row = await store.get(view, key);
        if (view.name !== messageView.name || key !== BIG_ID) return row;
        return { ...(row as object), state: 'delivered' } as typeof row;
      },
    };
    expect((await examined(moved)).contents[0]?.ok).toBe(true);
  });

  it('of a message that came whole and is not in its mailbox yet → needed, too', async () => {
    const { store } = await exampleLarge();
    const crashed: Store = {
      ...store,
      async *readAll(options) {
        for await (const event of store.readAll(options)) {
          if (event.stream !== `mailbox-${DAVE}`) yield event;
        }
      },
    };
    const { contents } = await examined(crashed);
    expect(contents[0]?.found).toContain(`${BIG_ID}: ${file} is missing`);
  });

  it('tells a person how far it is', async () => {
    await keepContent(data);
    const { store } = await exampleLarge();
    const where = ['--store', 'memory:', '--data', data];
    const { err } = await run({ store, isTerminal: true }, 'doctor', ...where);
    expect(err).toBe('\rcontents: 3 of 3 messages\r\u001b[K');
  });
});

describe('doctor: sessions of senders', () => {
  it('open → a note of what the next start does', async () => {
    const { sessions } = await examined((await exampleLarge()).store);
    expect(sessions).toEqual([
      {
        check: 'sessions',
        ok: true,
        note: true,
        found:
          `1 open (${OPEN} receiving): if no server runs, the next start ends each, with a BYE` +
          ' where the ACK had come; 1 message held until its session ends: none is lost',
      },
    ]);
  });

  it('none open → nothing', async () => {
    const { store, happen } = await exampleLarge();
    await happen(OPEN, 'ByeReceived', {});
    expect((await examined(store)).sessions).toEqual([]);
  });

  it('prints a note as one', async () => {
    const { store } = await exampleLarge();
    const { out } = await run({ store }, 'doctor', '--store', 'memory:', '--data', data);
    expect(out).toMatch(/^note {5}sessions {2}1 open/m);
    expect(out).toMatch(/^FINDING {2}contents {2}.*\n {9}to do: /m);
  });
});
