/** The command line's entry: the composition root. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { CommandLine } from './adapters/cli/command-line.ts';
import { runCommandLine } from './adapters/cli/program.ts';
import { tellStory } from './adapters/demo/story.ts';
import { sipDigestHash } from './adapters/host/digest.ts';
import { readPassword } from './adapters/host/password.ts';
import { writeSecretFile } from './adapters/host/secret-file.ts';
import { freePort } from './adapters/ua/free-port.ts';
import { receiver } from './adapters/ua/receiver.ts';
import { sendMessages } from './adapters/ua/send-messages.ts';
import { ladder } from './audit/ladder.ts';
import { renderLadder } from './audit/ladder-text.ts';
import { charts } from './deferral/deferral.ts';
import { openContents } from './main/contents.ts';
import { openStore } from './main/open-store.ts';
import { serve } from './main/serve.ts';
import { userAgent } from './main/user-agent.ts';

const manifest = new URL('../package.json', import.meta.url);
const { version } = JSON.parse(await readFile(manifest, 'utf8')) as { version: string };

/** Of a ladder that goes into a file. */
const LADDER_COLUMNS = 120;

const stop = new AbortController();
/** Commands that end in order when they are interrupted; all others end at once. */
const ENDS_IN_ORDER = ['serve', 'demo', 'log'];
const words = process.argv.slice(2);
const INTERRUPTED = 130;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    const again = stop.signal.aborted;
    stop.abort();
    if (again || !ENDS_IN_ORDER.includes(words[0] ?? '')) process.exit(INTERRUPTED);
  });
}
// A reader that has seen enough, as in `restante log | head`, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 3);
});

const output: CommandLine['output'] = {
  write: (text) =>
    new Promise((resolve) => {
      process.stdout.write(text, () => resolve());
    }),
  error: (text) => void process.stderr.write(text),
  isTerminal: process.stderr.isTTY === true,
};

process.exitCode = await runCommandLine(
  {
    version,
    openStore,
    openContents,
    charts,
    serve: (config, to) => serve(config, to, { version, stop: stop.signal }),
    demo: (options) =>
      tellStory(options, {
        launcher: fileURLToPath(new URL('../bin/restante', import.meta.url)),
        send: (request) => sendMessages({ ...request, version }),
        receive: (request) => receiver({ ...request, version }),
        freePort,
        openStore,
        drawLadder: (records, account) =>
          renderLadder(ladder(records, { account }), {
            width: process.stdout.columns ?? LADDER_COLUMNS,
            color: process.stdout.isTTY === true,
          }),
        write: output.write,
        interrupted: stop.signal,
      }),
    ua: userAgent(output, version),
    output,
    environment: process.env,
    readFile: (path) => readFile(path, 'utf8'),
    secrets: { hash: sipDigestHash, password: readPassword, writeFile: writeSecretFile },
    now: Date.now,
    interrupted: stop.signal,
  },
  words,
);

// A client's transaction in flight would keep an interrupted command alive for half a minute.
if (stop.signal.aborted) process.exit();
