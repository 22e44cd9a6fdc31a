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
    .option('--signals', 'show every SIP message and MSRP frame', false)
    .addHelpText('after', '\nExamples:\n  restante demo\n  restante demo --messages 10 --signals')
    .action(async (options: DemoOptions) => session.finish(await session.demo(options)));
}
