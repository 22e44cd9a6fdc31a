import { Command } from 'commander';
import type { DemoOptions, Session } from './command-line.ts';
import { count } from './store-access.ts';

const MESSAGES_DEFAULT = 3;

export function demoCommand(session: Session): Command {
  return new Command('demo')
    .description('play the story of deferred messages on loopback: stored, pushed, acknowledged')
    .option('--messages <N>', 'how many messages wait', count, MESSAGES_DEFAULT)
    .option(
      '--data <DIR>',
      'keep the store there (default: a temporary folder, removed at the end)',
    )
    .option('--keep', 'leave the temporary folder', false)
    .option('--json', 'for programs: one JSON a chapter', false)
    .addHelpText('after', '\nExamples:\n  restante demo\n  restante demo --messages 10 --keep')
    .action(async (options: DemoOptions) => session.finish(await session.demo(options)));
}
