import { beforeAll, describe, expect, it } from 'vitest';
import {
  BIG,
  BIG_ID,
  BIG_SHA256,
  DAVE,
  exampleLarge,
  OPEN,
  OPEN_ID,
  REFUSED,
  SMALL,
  SMALL_ID,
} from '../../controls/example-large.ts';
import { type ExampleLog, exampleLog } from '../../controls/example-log.ts';
import { run } from './command-line-stage.ts';

let example: ExampleLog;
beforeAll(async () => {
  example = await exampleLarge();
});

const restante = (...words: readonly string[]) => run({ store: example.store }, ...words);

describe('mailbox show with Large messages', () => {
  it('tells from whom and about what they are, and which are held', async () => {
    const { out } = await restante('mailbox', 'show', DAVE);
    const row = (id: string) =>
      out
        .split('\n')
        .find((line) => line.includes(id))
        ?.split(/ {2,}/);
    const bob = '"Bob" <sip:bob@example.com>;tag=7711';
    expect(row(SMALL_ID)?.slice(2, 6)).toEqual(['large', bob, 'minutes of small', '35']);
    expect(row(BIG_ID)?.slice(2, 6)).toEqual(['large', bob, 'minutes of big', '600000']);
    expect(row(OPEN_ID)?.slice(0, 2)).toEqual(['held', OPEN_ID]);
    expect(row(OPEN_ID)?.at(-1)).toBe(OPEN);
    expect(out.indexOf(OPEN_ID)).toBeGreaterThan(out.indexOf('held or parked:'));
  });

  it('--json has them apart', async () => {
    const { out } = await restante('mailbox', 'show', DAVE, '--json');
    const { waiting, aside } = JSON.parse(out);
    expect(waiting).toMatchObject([
      { id: SMALL_ID, state: 'waiting', kind: 'large', subject: 'minutes of small' },
      { id: BIG_ID, session: BIG },
    ]);
    expect(aside).toMatchObject([{ id: OPEN_ID, state: 'held', session: OPEN }]);
  });
});

describe('log and replay with sessions of senders', () => {
  it('has what matters of each in its line', async () => {
    const { out } = await restante('log', '--stream', 'deposit');
    const lines = out.trimEnd().split('\n');
    const line = (stream: string, type: string) =>
      lines.find((one) => one.includes(stream) && one.split(' ')[3] === type);
    expect(line(SMALL, 'DepositOffered')).toContain(
      `account=${DAVE} rule=2 callId=call-small@ua.example.com sender=sip:bob@example.com` +
        ' setup=active path=msrp://192.0.2.7:8493/thei...;tcp ⇐ INVITE',
    );
    expect(line(BIG, 'MessageCompleted')).toContain(
      `id=${BIG_ID} messageId=msrp-big contentType=application/pdf body=file chunks=3` +
        ` bytes=600000 sha256=${BIG_SHA256.slice(0, 16)}…`,
    );
    expect(line(SMALL, 'DepositAborted')).toContain('bytes=2048 reason=given up by the sender');
    expect(line(REFUSED, 'DepositRefused')).toContain(
      'idle→ended account=sip:dave@example.org status=480 reason=the sender also wants to receive',
    );
    expect(out).not.toContain('{…}');
  });

  it('a mailbox names the session that a message came by, and its content', async () => {
    const { out } = await restante('log', '--stream', `mailbox-${DAVE}`);
    expect(out).toContain(` source=${SMALL}#3\n`);
    expect(out).toContain(` source=${BIG}#3 blob=${BIG_SHA256.slice(0, 16)}…\n`);
  });

  it('replay of an account: its sessions that are open, and how many have ended', async () => {
    const { exitCode, out } = await restante('replay', DAVE);
    expect(exitCode).toBe(0);
    expect(out).toContain('\nsessions of senders:\n');
    expect(out).toMatch(new RegExp(`^${OPEN} +receiving +2026-11-22T09:15:23.000Z .* 1 +0$`, 'm'));
    expect(out).toContain('(2 that left messages have ended)\n');
    expect(out).toContain('recorded and folded states agree');
  });

  it('replay when none is open: says so', async () => {
    const { store, happen } = await exampleLarge();
    await happen(OPEN, 'ByeReceived', {});
    const { out } = await run({ store }, 'replay', DAVE);
    expect(out).toContain('\nsessions of senders: none open, 3 that left messages have ended\n');
  });

  it('replay of an account to which a session is open and nothing has come', async () => {
    const { store, happen } = await exampleLog();
    await happen(OPEN, 'DepositOffered', { account: DAVE, rule: 3, dialog: null });
    const { exitCode, out } = await run({ store }, 'replay', DAVE);
    expect(exitCode).toBe(0);
    expect(out).toMatch(new RegExp(`^${OPEN} +answering `, 'm'));
  });

  it('replay --at: as they stood then', async () => {
    const { out } = await restante('replay', DAVE, '--at', '14', '--json');
    expect(JSON.parse(out).sessions).toMatchObject({
      open: [{ session: SMALL, state: 'receiving', callId: 'call-small@ua.example.com' }],
      ended: 0,
    });
  });

  it('replay of one session by its stream', async () => {
    const { exitCode, out } = await restante('replay', BIG, '--json');
    expect(exitCode).toBe(0);
    const { state, path, context } = JSON.parse(out);
    expect([state, context.completed]).toEqual(['ended', 1]);
    expect(path.map(({ state, by }: Record<string, string>) => [state, by])).toEqual([
      ['answering', 'DepositOffered'],
      ['receiving', 'AckReceived'],
      ['bye', 'IdleElapsed'],
      ['ended', 'ByeAnswered'],
    ]);
    const text = await restante('replay', BIG, '--at', '21');
    expect(text.out).toMatch(/^state +receiving$/m);
  });

  it.each([['deposit-nobody'], ['deposit-b2b2b2b2b2b2b2b2b2b2b2b2', '--at', '3']])(
    'replay %s %s %s is a finding',
    async (...words) => {
      const { exitCode, err } = await restante('replay', ...words.filter((word) => word));
      expect(exitCode).toBe(1);
      expect(err).toContain('to do: ');
    },
  );
});
