import { Command } from 'commander';
import type { Session } from './command-line.ts';
import { EXIT } from './problem.ts';
import { onStore, type StoreOptions, withStoreOptions } from './store-access.ts';

export function rebuildCommand(session: Session): Command {
  const { output } = session;
  return withStoreOptions(new Command('rebuild'))
    .description('drop the views and build them again from the log; the server must be stopped')
    .addHelpText('after', '\nExamples:\n  restante rebuild --data /var/lib/restante')
    .action((options: StoreOptions) =>
      onStore(session, { ...options, access: 'write' }, async (store) => {
        const { events } = await store.rebuild((soFar) => {
          if (output.isTerminal) output.error(`\rrebuilding: ${soFar} events`);
        });
        if (output.isTerminal) output.error('\r\u001b[K');
        await output.write(`rebuilt the views from ${events} events\n`);
        return EXIT.ok;
      }),
    );
}
