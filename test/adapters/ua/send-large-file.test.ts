import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type LargeMessage, sendLarge } from '../../../src/adapters/ua/send-large.ts';
import { type LargeServer, largeServer } from './large-server.ts';

const LINES = 'Item: the store keeps every octet that was received.\r\n'.repeat(60);
const folder = mkdtempSync(join(tmpdir(), 'restante-large-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Sends a file and, in the same session, a text after it. */
function sendFile(server: LargeServer, file: string) {
  const after = { content: new TextEncoder().encode('after it'), contentType: 'text/plain' };
  const messages: LargeMessage[] = [{ content: { file }, contentType: 'text/plain' }, after];
  const people = { from: 'bob', to: 'sip:alice@example.org', domain: 'example.com' };
  return sendLarge({ server: server.address, ...people, sessions: [messages] });
}

describe('sendLarge: a file', () => {
  const file = join(folder, 'minutes.txt');

  it('is read while it is sent', async () => {
    const body = LINES.repeat(100);
    writeFileSync(file, body);
    const server = await largeServer('tcp');
    const sending = sendFile(server, file);
    const { msrp } = await server.established();
    let received = '';
    for (let flag = '+'; flag === '+'; ) {
      const frame = await msrp.send();
      msrp.answer(frame, 200);
      received += frame.body;
      flag = frame.flag;
    }
    expect(received).toBe(body);
    msrp.answer(await msrp.send(), 200);
    await server.hangUp();
    expect((await sending).sessions).toMatchObject([
      { messages: [{ outcome: 'acknowledged' }, { outcome: 'acknowledged' }] },
    ]);
    server.close();
  });

  it('is given up when it gets shorter meanwhile, and the next message is sent', async () => {
    writeFileSync(file, LINES);
    const server = await largeServer('tcp');
    const sending = sendFile(server, file);
    const invite = await server.request('INVITE');
    truncateSync(file, 2500);
    server.answer(invite, { status: 200, sdp: server.sdp() });
    await server.request('ACK');
    const msrp = await server.connection();
    const frames = [await msrp.send(), await msrp.send(), await msrp.send()];
    for (const frame of frames) msrp.answer(frame, 200);
    expect(frames.map(({ flag, body }) => [flag, body.length])).toEqual([
      ['+', 2500],
      ['#', 0],
      ['$', 8],
    ]);
    await server.hangUp();
    expect((await sending).sessions).toMatchObject([
      { messages: [{ outcome: 'unreadable', sent: true }, { outcome: 'acknowledged' }] },
    ]);
    server.close();
  });

  it('that is not there is found before anybody is called', async () => {
    const server = await largeServer('tcp');
    await expect(sendFile(server, join(folder, 'nowhere'))).rejects.toThrow('ENOENT');
    server.close();
  });
});
