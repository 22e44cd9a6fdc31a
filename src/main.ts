/** The command line's entry: the composition root. */
import { readFile } from 'node:fs/promises';
import type { CommandLine } from './adapters/cli/command-line.ts';
import { runCommandLine } from './adapters/cli/program.ts';
import { charts } from './deferral/deferral.ts';
import { openStore } from './main/open-store.ts';
import { serve } from './main/serve.ts';
import { userAgent } from './main/user-agent.ts';

const manifest = new URL('../package.json', import.meta.url);
const { version } = JSON.parse(await readFile(manifest, 'utf8')) as { version: string };

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());

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
    charts,
    serve: (config, to) => serve(config, to, { version, stop: stop.signal }),
    demo: async () => 1,
    ua: userAgent(output, version),
    output,
    environment: process.env,
    readFile: (path) => readFile(path, 'utf8'),
    now: Date.now,
    interrupted: stop.signal,
  },
  process.argv.slice(2),
);
