/** A page in a real browser as a client over WebSocket: it registers, and what is for it comes to it. */
import { afterEach, describe, expect, it } from 'vitest';
import { sendMessages } from '../../src/adapters/ua/send-messages.ts';
import {
  type BrowserPage,
  type PageOrigin,
  pageOrigin,
  withoutBrowser,
} from '../controls/browser.ts';
import { serverBuild } from '../controls/defects.ts';
import { freePort, type Server, startServer } from '../controls/server.ts';

if (withoutBrowser !== '') console.warn(`a browser as a client${withoutBrowser}`);

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** SIP in a page: REGISTER at once; 488 to an INVITE, since a page has no MSRP; 200 to all else. */
function client(port: number): string {
  return `
    const lines = (...all) => all.join('\\r\\n') + '\\r\\n\\r\\n';
    const socket = new WebSocket('ws://127.0.0.1:${port}/', 'sip');
    socket.onopen = () => socket.send(lines(
      'REGISTER sip:example.org SIP/2.0',
      'Via: SIP/2.0/WS page.invalid;branch=z9hG4bKpage1', 'Max-Forwards: 70',
      'From: <sip:alice@example.org>;tag=page', 'To: <sip:alice@example.org>',
      'Call-ID: page@page.invalid', 'CSeq: 1 REGISTER', 'Expires: 600',
      'Contact: <sip:alice@page.invalid;transport=ws>;+g.oma.sip-im',
    ));
    socket.onclose = ({ code }) => tell('closed ' + code);
    socket.onmessage = async ({ data }) => {
      const text = typeof data === 'string' ? data : await data.text();
      await tell(text);
      if (text.startsWith('SIP/2.0') || text.startsWith('ACK')) return;
      const mirrored = text.split('\\r\\n').filter((line) => /^(Via|From|Call-ID|CSeq):/.test(line));
      const to = text.split('\\r\\n').find((line) => line.startsWith('To:'));
      const status = text.startsWith('INVITE') ? '488 Not Acceptable Here' : '200 OK';
      socket.send(lines('SIP/2.0 ' + status, ...mirrored, to + ';tag=page', 'Content-Length: 0'));
    };
  `;
}

describe.skipIf(withoutBrowser !== '')('a page in a browser', () => {
  async function serve(origin: string): Promise<{ server: Server; port: number }> {
    const port = await freePort();
    const server = await startServer({
      launcher: await serverBuild(),
      sipListen: [`ws://127.0.0.1:${port}`],
      args: ['--ws-origins', origin],
    });
    closing.push(() => server.remove());
    return { server, port };
  }

  async function opened(origin: PageOrigin, script: string): Promise<BrowserPage> {
    const page = await origin.open(script);
    closing.push(() => page.close());
    return page;
  }

  async function send(server: Server, body: string): Promise<number | undefined> {
    const to = { transport: 'udp', host: '127.0.0.1', port: server.sipPort } as const;
    const message = { from: 'bob', to: 'alice', domain: 'example.org', bodies: [body] };
    const [sent] = await sendMessages({ server: to, listen: { host: '127.0.0.1' }, ...message });
    return sent?.status;
  }

  it('registers, is invited to what waits, and gets at once what comes later [RFC 7118 §5]', async () => {
    const origin = await pageOrigin();
    const { server, port } = await serve(origin.origin);
    expect(await send(server, 'before you came')).toBe(202);
    const page = await opened(origin, client(port));
    expect(await page.until(/^SIP\/2\.0 200 /)).toMatch(/^Contact: .*\+g\.oma\.sip-im/m);
    expect(await page.until(/^INVITE /)).toMatch(/^INVITE sip:alice@example\.org SIP\/2\.0/);
    await page.until(/^ACK /);
    // It cannot take the push; what is for it now is passed on.
    await expect.poll(() => send(server, 'are you there?'), { timeout: 10_000 }).toBe(200);
    expect(await page.until(/^MESSAGE /)).toContain('are you there?');
  });

  it('of another origin is not let in [RFC 6455 §10.2]', async () => {
    const { server, port } = await serve('https://chat.example.org');
    const page = await opened(await pageOrigin(), client(port));
    expect(await page.until(/^closed/)).toBe('closed 1006');
    expect(await send(server, 'nobody came')).toBe(202);
    expect(page.told).toHaveLength(1);
  });
});
