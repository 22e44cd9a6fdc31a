import { Command, CommanderError } from 'commander';
import { visible } from '../../wire/visible.ts';
import type { CommandLine, Session } from './command-line.ts';
import { credentialsCommand } from './credentials.ts';
import { demoCommand } from './demo.ts';
import { doctorCommand } from './doctor.ts';
import { logCommand } from './log.ts';
import { mailboxCommand } from './mailbox.ts';
import { messageCommand } from './message.ts';
import { EXIT, problemText } from './problem.ts';
import { rebuildCommand } from './rebuild.ts';
import { replayCommand } from './replay.ts';
import { serveCommand } from './serve.ts';
import { messageOf } from './store-access.ts';
import { uaCommand } from './ua.ts';

/** Makes a command and those below it throw in place of exiting, and complain in our form. */
function adapt(command: Command, name: string, { output }: Pick<CommandLine, 'output'>): void {
  command.exitOverride();
  command.configureOutput({
    writeOut: (text) => void output.write(text),
    writeErr: (text) => output.error(text),
    outputError: (text) => {
      const [first = '', ...hints] = text.trim().split('\n');
      const what = [first.replace(/^error: /, ''), ...hints].join(' ');
      output.error(problemText({ what: visible(what), where: name, todo: `see ${name} --help` }));
    },
  });
  for (const below of command.commands) adapt(below, `${name} ${below.name()}`, { output });
}

/** The whole command line. `session.finish` is told the exit code of the command that ran. */
export function restanteProgram(session: Session): Command {
  const program = new Command('restante')
    .description('keeps SIP messages for subscribers who are away and pushes them over MSRP')
    .version(session.version)
    .addHelpText(
      'after',
      '\nExit codes: 0 ok, 1 finding, 2 usage, 3 environment.\n\nExamples:\n' +
        '  restante demo\n  restante serve --domain example.org --data ./data\n' +
        '  restante mailbox show alice@example.org',
    );
  for (const command of [
    serveCommand,
    demoCommand,
    uaCommand,
    mailboxCommand,
    messageCommand,
    logCommand,
    replayCommand,
    rebuildCommand,
    doctorCommand,
    credentialsCommand,
  ]) {
    program.addCommand(command(session));
  }
  adapt(program, 'restante', session);
  return program;
}

/**
 * Runs one command line, without `node` and the script's name, and resolves to its exit code:
 * 0 ok, 1 finding, 2 usage, 3 environment. Never rejects, and prints no stack trace.
 */
export async function runCommandLine(cli: CommandLine, words: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.ok;
  const finish = (code: number) => {
    exitCode = code;
  };
  try {
    await restanteProgram({ ...cli, finish }).parseAsync(words, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const what = visible(messageOf(error));
    const where = ['restante', ...words].map(visible).join(' ');
    const todo = 'run restante doctor on the same store; if that finds nothing, report this';
    cli.output.error(problemText({ what, where, todo }));
    return EXIT.environment;
  }
}
