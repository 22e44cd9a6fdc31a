import { Command } from 'commander';
import type { Session } from './command-line.ts';
import { CONFIG_VARIABLE, type Effective } from './configuration.ts';
import { EXIT, problemText } from './problem.ts';
import { SETTING_NAMES, SETTINGS } from './settings.ts';
import { configured } from './store-access.ts';
import { jsonLine, table } from './table.ts';

interface ServeOptions {
  readonly config?: string;
  readonly printConfig?: boolean;
  readonly json?: boolean;
  /** The settings, by their names in camel case. */
  readonly [name: string]: string | boolean | undefined;
}

function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

function flagsOf(options: ServeOptions): Record<string, string | undefined> {
  const flags: Record<string, string | undefined> = {};
  for (const name of SETTING_NAMES) {
    const text = options[camelCase(name)];
    if (typeof text === 'string') flags[name] = text;
  }
  return flags;
}

function effectiveText(effective: readonly Effective[], options: ServeOptions): string {
  if (options.json) return jsonLine(effective.map((one) => ({ ...one, text: one.text ?? null })));
  const rows = effective.map(({ name, text, source }) => [name, text, source]);
  return table(['setting', 'value', 'from'], rows);
}

async function serve(session: Session, options: ServeOptions): Promise<number> {
  const read = await configured(session, flagsOf(options), options.config);
  if (read.kind === 'failure') {
    for (const problem of read.problems) session.output.error(problemText(problem));
    return EXIT.usage;
  }
  if (!options.printConfig) return session.serve(read.config, session.output);
  await session.output.write(effectiveText(read.effective, options));
  return EXIT.ok;
}

export function serveCommand(session: Session): Command {
  const command = new Command('serve').description('run the server until SIGTERM or SIGINT');
  for (const name of SETTING_NAMES) {
    const { placeholder, about, ...rest } = SETTINGS[name];
    const defaults = 'defaults' in rest ? ` (default ${rest.defaults})` : '';
    command.option(`--${name} <${placeholder}>`, about + defaults);
  }
  return command
    .option(
      '--config <FILE>',
      `YAML file of settings, keyed like the flags; also ${CONFIG_VARIABLE}`,
    )
    .option('--print-config', 'print every setting with its source, and exit')
    .option('--json', 'for programs: JSON in place of the table of --print-config')
    .addHelpText(
      'after',
      '\nEach flag is also an environment variable: --sip-listen is RESTANTE_SIP_LISTEN.\n' +
        'A flag wins over the environment, that over the file, that over the default.\n\n' +
        'Examples:\n  restante serve --domain example.org --data /var/lib/restante\n' +
        '  restante serve --sip-listen udp://192.0.2.1:5060 --trust 192.0.2.0/24\n' +
        '  RESTANTE_CONFIG=/etc/restante.yaml restante serve --print-config',
    )
    .action(async (options: ServeOptions) => session.finish(await serve(session, options)));
}
