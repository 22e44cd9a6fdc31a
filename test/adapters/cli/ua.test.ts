import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { userAgent } from '../../../src/main/user-agent.ts';
import { type LargeServer, largeServer } from '../ua/large-server.ts';
import { run } from './command-line-stage.ts';

const SEND = ['ua', 'send', '--from', 'bob', '--to', 'alice'];
const folder = mkdtempSync(join(tmpdir(), 'restante-ua-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('ua send --large', () => {
  it('takes texts, files and their type', async () => {
    const files = ['--file', 'a.pdf', '--file', 'b.pdf', '--type', 'application/pdf'];
    expect((await run({}, ...SEND, '--large', ...files)).asked).toMatchObject([
      [
        'send',
        { bodies: [], large: { files: ['a.pdf', 'b.pdf'] }, contentType: 'application/pdf' },
      ],
    ]);
    const text = await run({}, ...SEND, '--large', '--body', 'x', '--file', 'a.pdf');
    expect(text.asked).toMatchObject([['send', { bodies: ['x'], large: { files: ['a.pdf'] } }]]);
    const numbered = await run({}, ...SEND, '--large', '--count', '3');
    expect(numbered.asked).toMatchObject([['send', { bodies: 3, large: { files: [] } }]]);
  });

  it('is what a file needs', async () => {
    const { exitCode, asked, err } = await run({}, ...SEND, '--file', 'a.pdf');
    expect([exitCode, asked]).toEqual([2, []]);
    expect(err).toContain('to do: add --large');
  });

  it('is in the help, with an example', async () => {
    const { out } = await run({}, 'ua', 'send', '--help');
    expect(out).toContain('--large --file minutes.pdf --type application/pdf');
    expect(out).toMatch(/--type, --content-type <TYPE>/);
  });
});

describe('the client of ua send --large', () => {
  function client(server: LargeServer) {
    const lines: string[] = [];
    const ua = userAgent(
      {
        write: (text) => void lines.push(String(text)),
        error: (text) => void lines.push(text),
        isTerminal: false,
      },
      '1.2.3',
    );
    const people = { from: 'bob', to: 'alice', domain: 'example.org', headers: {} };
    return { lines, ua, options: { server: server.address, ...people } };
  }

  it('prints a line for each session', async () => {
    const server = await largeServer('udp');
    const file = join(folder, 'minutes.bin');
    writeFileSync(file, 'minutes');
    const { lines, ua, options } = client(server);
    const large = { files: [file] };
    const sending = ua.send({ ...options, bodies: ['lunch'], large, json: false });
    const frames = [await server.take(200), await server.take(413)];
    expect(frames.map(({ body, headers }) => [body, headers['Content-Type']])).toEqual([
      ['lunch', 'text/plain;charset=UTF-8'],
      ['minutes', 'application/octet-stream'],
    ]);
    expect(await sending).toBe(1);
    expect(lines).toEqual([
      expect.stringMatching(
        /^200 Said the store {2}\w+ {2}acknowledged \([\d.]+ ms\) {2}BYE 200\n$/,
      ),
      expect.stringMatching(/^200 Said the store {2}\w+ {2}failed 413 \([\d.]+ ms\) {2}BYE 200\n$/),
    ]);
    server.close();
  });

  it('prints JSON for programs', async () => {
    const server = await largeServer('tcp');
    const { lines, ua, options } = client(server);
    const sending = ua.send({ ...options, bodies: 1, large: { files: [] }, json: true });
    expect((await server.take(200)).body).toBe('message 1 of 1');
    expect(await sending).toBe(0);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { invite: { status: 200 }, messages: [{ outcome: 'acknowledged' }], bye: { status: 200 } },
    ]);
    server.close();
  });

  it('says which file is not there before it calls', async () => {
    const server = await largeServer('udp');
    const { lines, ua, options } = client(server);
    const large = { files: [join(folder, 'nowhere')] };
    expect(await ua.send({ ...options, bodies: [], large, json: true })).toBe(2);
    expect(lines.join('')).toContain('nowhere is no file that can be read');
    server.close();
  });
});
