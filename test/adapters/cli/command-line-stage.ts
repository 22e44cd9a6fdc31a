import type { CommandLine, Store } from '../../../src/adapters/cli/command-line.ts';
import { runCommandLine } from '../../../src/adapters/cli/program.ts';
import { sipDigestHash } from '../../../src/adapters/host/digest.ts';
import { openContents } from '../../../src/main/contents.ts';
import { BEGIN_MS, charts } from '../../controls/example-log.ts';

export interface Ran {
  readonly exitCode: number;
  readonly out: string;
  readonly octets: Uint8Array;
  readonly err: string;
  /** What `main.ts` would have been asked to do, as [command, argument]. */
  readonly asked: readonly (readonly [string, unknown])[];
}

export interface Stage {
  readonly store?: Store;
  readonly environment?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  /** What is typed when a password is asked for. */
  readonly password?: string;
  /** Told of each file that is written. */
  onWriteFile?(path: string, text: string): void;
  readonly isTerminal?: boolean;
  readonly interrupted?: AbortSignal;
  /** Told of each write to standard output. */
  onWrite?(text: string): void;
  /** How opening fails, when it does. */
  readonly failure?: { readonly what: string; readonly todo: string };
  /** Told which store was asked for. */
  onOpen?(target: { readonly url: string; readonly readOnly: boolean }): void;
}

/** Runs one command line in this process. The store stays open for the next one. */
export async function run(stage: Stage, ...words: readonly string[]): Promise<Ran> {
  const chunks: Uint8Array[] = [];
  const errors: string[] = [];
  const asked: (readonly [string, unknown])[] = [];
  const ask = (name: string) => async (argument: unknown) => {
    asked.push([name, argument]);
    return 0;
  };
  const cli: CommandLine = {
    version: '9.9.9',
    charts,
    async openStore(target) {
      stage.onOpen?.(target);
      if (stage.failure) return { kind: 'failure', ...stage.failure };
      if (!stage.store) throw new Error('this test has no store');
      return { kind: 'open', store: { ...stage.store, close: async () => {} } };
    },
    openContents,
    serve: ask('serve'),
    demo: ask('demo'),
    ua: { send: ask('send'), receive: ask('receive') },
    output: {
      write(text) {
        const octets = typeof text === 'string' ? new TextEncoder().encode(text) : text;
        chunks.push(octets);
        stage.onWrite?.(new TextDecoder().decode(octets));
      },
      error: (text) => errors.push(text),
      isTerminal: stage.isTerminal ?? false,
    },
    environment: stage.environment ?? {},
    async readFile(path) {
      const text = stage.files?.[path];
      const missing = new Error(`ENOENT: no such file, open '${path}'`);
      if (text === undefined) throw Object.assign(missing, { code: 'ENOENT' });
      return text;
    },
    secrets: {
      hash: sipDigestHash,
      password: async () => stage.password ?? '',
      writeFile: async (path, text) => stage.onWriteFile?.(path, text),
    },
    now: () => BEGIN_MS + 60_000,
    interrupted: stage.interrupted ?? new AbortController().signal,
  };
  const exitCode = await runCommandLine(cli, words);
  const octets = Buffer.concat(chunks);
  return { exitCode, out: octets.toString('utf8'), octets, err: errors.join(''), asked };
}
