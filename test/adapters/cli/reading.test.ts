import { beforeAll, describe, expect, it } from 'vitest';
import {
  ALICE,
  BOB,
  CAROL,
  type ExampleLog,
  exampleLog,
  FIRST_ID,
  FIRST_OCTETS,
  HELD_ID,
  SECOND_ID,
} from '../../controls/example-log.ts';
import { run } from './command-line-stage.ts';

let example: ExampleLog;
beforeAll(async () => {
  example = await exampleLog();
});

const restante = (...words: readonly string[]) => run({ store: example.store }, ...words);
const json = (out: string) =>
  out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
/** What must never reach a terminal: escape, C1 and bidi controls. */
const DANGEROUS = /(?!\n)[\p{Cc}\p{Cf}]/u;

describe('mailbox list', () => {
  it('shows where each account stands, also one that never had a message', async () => {
    const { exitCode, out } = await restante('mailbox', 'list');
    expect(exitCode).toBe(0);
    expect(out.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['account', 'phase', 'waiting', 'held', 'parked', 'bytes', 'registered until'],
      [ALICE, 'pushing', '1', '0', '0', '459', '2026-11-22T10:15:00.000Z'],
      [BOB, 'idle', '0', '1', '0', '444', '-'],
      [CAROL, 'registered', '0', '0', '0', '0', '2026-11-22T10:15:00.000Z'],
      [''],
    ]);
  });

  it('pages, and says how to go on', async () => {
    const first = await restante('mailbox', 'list', '--limit', '1');
    expect(first.out).toContain(`more: restante mailbox list --after '${ALICE}'`);
    const rest = await restante('mailbox', 'list', '--after', 'alice@example.org', '--json');
    expect(json(rest.out).map(({ account, phase }) => [account, phase])).toEqual([
      [BOB, 'idle'],
      [CAROL, 'registered'],
    ]);
  });
});

describe('mailbox show', () => {
  it.each(['alice@example.org', 'sip:alice@EXAMPLE.org:5060;transport=tcp'])(
    '%s: registration, open delivery, what waits, with octets made visible',
    async (account) => {
      const { exitCode, out } = await restante('mailbox', 'show', account);
      expect(exitCode).toBe(0);
      expect(out).toContain(`delivery    ${example.delivery}, pushing, 1 of 2 acknowledged`);
      expect(out).toContain('sip:alice@192.0.2.17  contact');
      expect(out).toContain(SECOND_ID);
      expect(out).not.toContain(FIRST_ID);
      expect(out).toContain('hello \\x1b[2J\\u{202e}gpj.exe');
      expect(out).not.toMatch(DANGEROUS);
    },
  );

  it('--json is exact, and ASCII', async () => {
    const { out } = await restante('mailbox', 'show', ALICE, '--json');
    expect(out).toMatch(/^[\n -~]*$/);
    const [shown] = json(out);
    expect(shown.waiting).toMatchObject([
      { id: SECOND_ID, subject: 'hello \u001b[2J\u202egpj.exe', bytes: 459 },
    ]);
    expect(shown.open).toMatchObject({ delivery: example.delivery, state: 'pushing' });
    expect(shown.bindings).toHaveLength(1);
  });

  it.each(['nobody@example.org', 'no account'])('%s is a finding', async (account) => {
    const { exitCode, out, err } = await restante('mailbox', 'show', account);
    expect([exitCode, out]).toEqual([1, '']);
    expect(err).toMatch(/^restante: .*\n {2}where: .*\n {2}to do: .*\n$/);
  });
});

describe('message show', () => {
  it.each([FIRST_ID, `sip:${FIRST_ID}`, `<sip:${FIRST_ID}>`])(
    '%s: its row, its content, every event that names it',
    async (id) => {
      const { exitCode, out } = await restante('message', 'show', id);
      expect(exitCode).toBe(0);
      expect(out).toMatch(/^state +delivered$/m);
      expect(out).toContain('  Subject: carpool tomorrow?\n');
      expect(out).toContain('  Can you drive tomorrow?\n  I have the dentist at 8.\n');
      const history = out.slice(out.indexOf('history:')).trimEnd().split('\n').slice(1);
      expect(history.map((line) => line.split(' ')[3])).toEqual([
        'MessageDeferred',
        'PushAcknowledged',
      ]);
      expect(history[0]).toContain(`⇐ MESSAGE ${ALICE} SIP/2.0 (tcp 192.0.2.7:40112)`);
    },
  );

  it('shows hostile content without letting it act', async () => {
    const { out } = await restante('message', 'show', SECOND_ID);
    expect(out).toContain('Subject: hello \\x1b[2J\\u{202e}gpj.exe');
    expect(out).toContain('second \\u{9b}31m');
    expect(out).not.toMatch(DANGEROUS);
  });

  it('--raw writes the stored octets and nothing else', async () => {
    const { octets } = await restante('message', 'show', FIRST_ID, '--raw');
    expect(Buffer.from(octets).equals(FIRST_OCTETS)).toBe(true);
  });

  it('--json carries the octets in base64', async () => {
    const { out } = await restante('message', 'show', FIRST_ID, '--json');
    const [shown] = json(out);
    expect(Buffer.from(shown.octets, 'base64').equals(FIRST_OCTETS)).toBe(true);
    expect(shown).toMatchObject({ id: FIRST_ID, state: 'delivered', history: [{}, {}] });
  });

  it('an id that nobody has is a finding', async () => {
    const { exitCode, err } = await restante('message', 'show', '1\u001b@nowhere');
    expect(exitCode).toBe(1);
    expect(err).toContain('there is no message 1\\x1b@nowhere');
  });
});

describe('log', () => {
  const positions = (out: string) =>
    out
      .trimEnd()
      .split('\n')
      .map((line) => Number(line.slice(0, 15)));

  it('prints one line an event, with signals, and nothing dangerous', async () => {
    const { exitCode, out } = await restante('log');
    expect(exitCode).toBe(0);
    const lines = out.trimEnd().split('\n');
    expect(positions(out)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(lines[4]).toContain(
      `2026-11-22T09:15:05.000Z mailbox-${ALICE}#2 SubscriberRegistered` +
        ' idle→delivering [startTimer openDelivery] via=direct bindings=[1]',
    );
    expect(lines[10]).toContain('SignalSent ⇒ BYE sip:\\x1b[31m SIP/2.0 (tcp 192.0.2.7:40112)');
    expect(out).not.toMatch(DANGEROUS);
  });

  it.each([
    [
      ['--from', '10'],
      [10, 11],
    ],
    [['--from', '000000000000011'], [11]],
    [['--from', '99'], []],
    [
      ['--from', '0', '--limit', '2'],
      [1, 2],
    ],
    [['--limit', '0'], []],
    [
      ['--stream', `mailbox-${ALICE}`],
      [1, 2, 5],
    ],
    [['--stream', `mailbox-${ALICE}`, '--from', '2', '--limit', '1'], [2]],
    [
      ['--stream', 'delivery', '--limit', '2'],
      [6, 7],
    ],
    [['--stream', 'mailbox-nobody'], []],
  ])('%j → events at %j', async (words, expected) => {
    const { exitCode, out } = await restante('log', ...words);
    expect(exitCode).toBe(0);
    expect(out === '' ? [] : positions(out)).toEqual(expected);
  });

  it('--json gives each event whole, one a line', async () => {
    const { out } = await restante('log', '--json', '--limit', '1');
    const [event] = json(out);
    expect(event).toMatchObject({
      position: '000000000000001',
      stream: `mailbox-${ALICE}`,
      type: 'MessageDeferred',
      meta: { from: 'idle', to: 'idle', machine: 'mailbox@1' },
    });
    expect(Buffer.from(event.octets, 'base64').equals(FIRST_OCTETS)).toBe(true);
  });

  it('--follow goes on with what happens, until it is interrupted', async () => {
    const { store, happen } = await exampleLog();
    const stop = new AbortController();
    let written = '';
    const stage = {
      store,
      interrupted: stop.signal,
      onWrite(text: string) {
        written += text;
        if (text.includes('SignalSent')) {
          void happen(`mailbox-${BOB}`, 'MessageReleased', {
            id: HELD_ID,
            from: 'held',
            by: 'operator',
          });
        }
        if (text.includes('MessageReleased')) {
          stop.abort();
          void happen(`mailbox-${BOB}`, 'OfflineDeliverySet', { active: false, by: 'operator' });
        }
      },
    };
    const { exitCode } = await run(stage, 'log', '--follow', '--from', '11');
    expect(exitCode).toBe(0);
    expect(positions(written)).toEqual([11, 12]);
  });
});
