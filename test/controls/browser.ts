/** A real browser on a page of the test's: the page tells what it sees by POST, the browser is headless. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PROGRAM = 'chromium-headless-shell';
const TOLD_WITHIN_MS = 20_000;

/** Empty when the browser is there; else for the title of what is skipped without it. */
export const withoutBrowser =
  spawnSync(PROGRAM, ['--version']).error === undefined
    ? ''
    : ` (SKIPPED: there is no ${PROGRAM} here)`;

export interface BrowserPage {
  /** What the page told so far. */
  readonly told: readonly string[];
  /** The first that matches, as soon as it was told. */
  until(pattern: RegExp): Promise<string>;
  close(): Promise<void>;
}

/** Where a page will come from, before it is opened: `http://127.0.0.1:PORT`. */
export interface PageOrigin {
  readonly origin: string;
  /** Opens the script as a page; it has `tell(text)`. */
  open(script: string): Promise<BrowserPage>;
}

export async function pageOrigin(): Promise<PageOrigin> {
  const told: string[] = [];
  let script = '';
  const server = createServer(async (request, response) => {
    if (request.method !== 'POST') {
      const tell = "const tell = (text) => fetch('/told', { method: 'POST', body: text });";
      response.setHeader('Content-Type', 'text/html');
      response.end(`<!doctype html><script>${tell}\n${script}</script>`);
      return;
    }
    let text = '';
    for await (const chunk of request) text += chunk;
    told.push(text);
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    origin,
    async open(given) {
      script = given;
      const profile = await mkdtemp(join(tmpdir(), 'restante-browser-'));
      const browser = spawn(
        PROGRAM,
        // A sandbox within a container needs rights that tests do not have. The debugging port keeps
        // the browser from ending when the page is loaded.
        [`--user-data-dir=${profile}`, '--no-sandbox', '--remote-debugging-port=0', `${origin}/`],
        // The program is a script that starts the browser: they are ended together.
        { stdio: 'ignore', detached: true },
      );
      const exited = once(browser, 'exit');
      return {
        told,
        async until(pattern) {
          const end = Date.now() + TOLD_WITHIN_MS;
          for (;;) {
            const found = told.find((text) => pattern.test(text));
            if (found !== undefined) return found;
            if (Date.now() > end)
              throw new Error(`nothing like ${pattern} in ${told.join('\n--\n')}`);
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        },
        async close() {
          if (browser.pid !== undefined) process.kill(-browser.pid, 'SIGKILL');
          await exited;
          server.closeAllConnections();
          server.close();
          await rm(profile, { recursive: true, force: true, maxRetries: 5 });
        },
      };
    },
  };
}
