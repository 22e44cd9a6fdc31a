import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openContents } from '../../../src/main/contents.ts';
import {
  answerOctets,
  BIG_BODY,
  BIG_ID,
  BIG_SHA256,
  byeOctets,
  DAVE,
  exampleLarge,
  headOctets,
  inviteOctets,
  keepContent,
  OPEN,
  OPEN_ID,
  SMALL,
  SMALL_BODY,
  SMALL_ID,
} from '../../controls/example-large.ts';
import { type ExampleLog, FIRST_ID, FIRST_OCTETS } from '../../controls/example-log.ts';
import { run } from './command-line-stage.ts';

let example: ExampleLog;
let data: string;
let file: string;
beforeAll(async () => {
  example = await exampleLarge();
  data = await mkdtemp(join(tmpdir(), 'restante-large-'));
  file = openContents(data).pathOf(BIG_SHA256);
  await keepContent(data);
});
afterAll(() => rm(data, { recursive: true }));

const restante = (...words: readonly string[]) =>
  run({ store: example.store }, ...words, '--data', data);
const typesIn = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' ')[3]);
/** What must never reach a terminal: escape, C1 and bidi controls. */
const DANGEROUS = /(?!\n)[\p{Cc}\p{Cf}]/u;

describe('message show of a Large message', () => {
  it('lists what is known of it, and the headers of the BYE that ended its session (A-12)', async () => {
    const { exitCode, out } = await restante('message', 'show', SMALL_ID);
    expect(exitCode).toBe(0);
    expect(out).toMatch(/^kind +large$/m);
    expect(out).toMatch(/^content type +text\/plain;charset=UTF-8$/m);
    expect(out).toMatch(/^MSRP message-id +msrp-small$/m);
    expect(out).toMatch(/^sha-256 +[0-9a-f]{64}$/m);
    expect(out).toMatch(/^chunks +3$/m);
    expect(out).toMatch(/^body +in the log$/m);
    expect(out).toMatch(new RegExp(`^session +${SMALL}, ended$`, 'm'));
    expect(out).toMatch(/^bye +received 2026-11-22T09:15:16.000Z$/m);
    expect(out).toContain(
      '\nbye:\n  BYE sip:im-store@127.0.0.1 SIP/2.0\n  From: "Bob" <sip:bob@example.com>;tag=7711\n' +
        `  To: <${DAVE}>;tag=im-small\n  Call-ID: call-small@ua.example.com\n  CSeq: 12 BYE\n` +
        '  Reason: SIP ;cause=200 ;text="all said"\n\n',
    );
  });

  it('shows what the INVITE, our 200 and the SEND say of it, and the text, harmless', async () => {
    const { out } = await restante('message', 'show', SMALL_ID);
    expect(out).toContain(
      `  INVITE ${DAVE} SIP/2.0\n  From: "Bob" <sip:bob@example.com>;tag=7711\n`,
    );
    expect(out).toContain('  Subject: minutes of small\n\n  SIP/2.0 200 OK\n');
    expect(out).toContain('  Date: Sun, 22 Nov 2026 09:15:20 GMT\n\n  MSRP tsmall SEND\n');
    expect(out).toContain('\n\n  Dear Dave,\n  clear \\x1b[2J the table.\n');
    expect(out).not.toContain('Via:');
    // RFC 4975 §14.1: the ids of its session are nobody's business.
    expect(out).toContain('  From-Path: msrp://192.0.2.7:8493/thei...;tcp\n');
    expect(out).not.toContain('secret');
    expect(out).not.toMatch(DANGEROUS);
  });

  it('tells its history: its session, its mailbox, and of no other message', async () => {
    const { out } = await restante('message', 'show', SMALL_ID);
    expect(typesIn(out.slice(out.indexOf('history:\n') + 9))).toEqual([
      'DepositOffered',
      'MessageCompleted',
      'MessageDeferred',
      'ByeReceived',
      'MessageReleased',
    ]);
  });

  it('in a file: says where, and why there was no BYE (A-10)', async () => {
    const { out } = await restante('message', 'show', BIG_ID);
    expect(out).toContain(`${file}\n`);
    expect(out).toMatch(/^bye +none: nothing came for 60 s$/m);
    expect(out).toContain('  (600000 octets of application/pdf: --raw writes them)\n');
    expect(typesIn(out.slice(out.indexOf('history:\n') + 9))).toEqual([
      'DepositOffered',
      'MessageCompleted',
      'MessageDeferred',
      'IdleElapsed',
      'MessageReleased',
      'ByeAnswered',
    ]);
  });

  it('held: says that its session is still open', async () => {
    const { out } = await restante('message', 'show', OPEN_ID);
    expect(out).toMatch(/^state +held$/m);
    expect(out).toMatch(new RegExp(`^session +${OPEN}, receiving$`, 'm'));
    expect(out).toMatch(/^bye +none: the session is still open$/m);
    expect(out).toContain('  {"held":true}\n');
  });

  it.each([
    ['IdleElapsed', { idleMs: 90_000 }, 'nothing came for 90 s'],
    ['SessionExpired', {}, 'the sender did not refresh the session'],
    ['DepositInterrupted', { cause: 'restart' }, 'the server was stopped meanwhile'],
    ['GraceElapsed', {}, 'the MSRP session was over: connection closed'],
  ])('%s %j → bye: none: %s', async (type, told, why) => {
    const { store, happen } = await exampleLarge();
    if (type === 'GraceElapsed') await happen(OPEN, 'ChannelLost', { reason: 'connection closed' });
    if (type === 'SessionExpired') {
      const timer = { sessionExpiresSeconds: 1_800, refresher: 'uac' };
      await happen(OPEN, 'SessionRefreshed', { timer });
    }
    const due = Object.values((await store.last(OPEN))?.meta.timers ?? {})[0]?.dueAt;
    await happen(OPEN, type, { dueAt: due, ...told });
    const { out } = await run({ store }, 'message', 'show', OPEN_ID);
    expect(out).toContain(`none: ${why}\n`);
    expect(out).toMatch(/^state +waiting$/m);
  });

  it('--record writes INVITE, our 200, head of the SEND and BYE as they were', async () => {
    const { octets } = await restante('message', 'show', SMALL_ID, '--record');
    const head = headOctets('small', 'text/plain;charset=UTF-8');
    const parts = [inviteOctets('small'), answerOctets('small'), head, byeOctets('small')];
    expect(Buffer.from(octets).equals(Buffer.concat(parts))).toBe(true);
  });

  it('--record of a MESSAGE is the MESSAGE', async () => {
    const { octets } = await restante('message', 'show', FIRST_ID, '--record');
    expect(Buffer.from(octets).equals(FIRST_OCTETS)).toBe(true);
  });

  it.each([
    [SMALL_ID, SMALL_BODY],
    [BIG_ID, BIG_BODY],
  ])('%s --raw writes the octets of the body and nothing else', async (id, body) => {
    const { exitCode, octets, err } = await restante('message', 'show', id, '--raw');
    expect([exitCode, err]).toEqual([0, '']);
    expect(Buffer.from(octets).equals(body)).toBe(true);
  });

  it('--json has all of it: a small body in base64, of a large one the file', async () => {
    const small = JSON.parse((await restante('message', 'show', SMALL_ID, '--json')).out);
    const octetsOf = (text: string) => Buffer.from(text, 'base64');
    expect(octetsOf(small.large.body).equals(SMALL_BODY)).toBe(true);
    expect(octetsOf(small.large.invite).equals(inviteOctets('small'))).toBe(true);
    expect(octetsOf(small.large.bye.octets).equals(byeOctets('small'))).toBe(true);
    expect(small.large.bye.headers).toContainEqual(['cseq', '12 BYE']);
    expect(small).toMatchObject({ kind: 'large', large: { messageId: 'msrp-small', chunks: 3 } });
    const big = JSON.parse((await restante('message', 'show', BIG_ID, '--json')).out);
    expect(big.large).toMatchObject({
      ...{ file, sha256: BIG_SHA256, bye: null },
      session: { state: 'ended', withoutBye: 'nothing came for 60 s' },
    });
    expect(big.large).not.toHaveProperty('body');
  });
});

describe('message show of a Large message whose content is not what came', () => {
  const shown = async (...words: readonly string[]) => {
    const broken = await mkdtemp(join(tmpdir(), 'restante-broken-'));
    const path = openContents(broken).pathOf(BIG_SHA256);
    return {
      path,
      keep: () => keepContent(broken),
      show: () =>
        run({ store: example.store }, 'message', 'show', BIG_ID, ...words, '--data', broken),
      remove: () => rm(broken, { recursive: true }),
    };
  };

  it('missing → says so, where, and what to do', async () => {
    const { path, show, remove } = await shown('--raw');
    const { exitCode, octets, err } = await show();
    await remove();
    expect([exitCode, octets.length]).toEqual([1, 0]);
    expect(err).toContain(`restante: the body of ${BIG_ID} is missing\n  where: ${path}\n`);
    expect(err).toContain(
      'to do: name the folder of the server with --data; if that is it, restore',
    );
  });

  it('cut short → writes nothing', async () => {
    const { path, keep, show, remove } = await shown('--raw');
    await keep();
    await truncate(path, 1_000);
    const { exitCode, octets, err } = await show();
    await remove();
    expect([exitCode, octets.length]).toEqual([1, 0]);
    expect(err).toContain('has 1000 octets, not 600000\n');
  });

  it('changed → ends with an error, and never with the last octets', async () => {
    const { path, keep, show, remove } = await shown('--raw');
    await keep();
    const changed = BIG_BODY.slice();
    changed[599_999] = 1;
    await writeFile(path, changed);
    const { exitCode, octets, err } = await show();
    await remove();
    expect(exitCode).toBe(1);
    expect(octets.length).toBeLessThan(BIG_BODY.length);
    expect(err).toContain(`the ${octets.length} octets that were written are not all of it`);
    expect(err).toMatch(/to do: the content 854b\w+ is damaged: .* Restore .* from a backup/);
  });

  it('the listing says it, too', async () => {
    const { path, keep, show, remove } = await shown();
    expect((await show()).out).toContain(`${path}: MISSING\n`);
    await keep();
    await truncate(path, 7);
    expect((await show()).out).toContain(`${path}: DAMAGED, 7 octets\n`);
    await remove();
  });

  it('delivered or gone → no loss', async () => {
    const { store, happen } = await exampleLarge();
    const row = JSON.parse((await run({ store }, 'message', 'show', BIG_ID, '--json')).out);
    const { revision, bytes, expiresAt, source } = row;
    const removal = { id: BIG_ID, revision, from: 'waiting', bytes, expiresAt, source };
    await happen(`mailbox-${DAVE}`, 'MessageDeleted', { ...removal, by: 'operator' });
    const { out } = await run({ store }, 'message', 'show', BIG_ID);
    expect(out).toMatch(/^body +no longer kept: no message needs it$/m);
    const { exitCode, err } = await run({ store }, 'message', 'show', BIG_ID, '--raw');
    expect(exitCode).toBe(1);
    expect(err).toContain('is no longer kept\n');
    expect(err).toContain('to do: the message is deleted');
  });
});
