/** What the doctor says of Large messages: their contents, and sessions that were left open. */
import { recover } from '../../deferral/recovery.ts';
import { readOpenWork } from '../../deferral/take-up.ts';
import { openDepositView, unsettledView } from '../../projections/large-messages.ts';
import { visible } from '../../wire/visible.ts';
import type { Contents, Session, Store } from './command-line.ts';
import { type Amount, checkContents } from './content-check.ts';
import { type Finding, faultFinding, finding, note } from './finding.ts';
import type { LogCheck } from './log-check.ts';
import { messageOf } from './store-access.ts';

/** Progress is shown every so many messages. */
const PROGRESS_EVERY = 100;
const SESSIONS_SHOWN_MAX = 3;

export interface LargeFindingsOptions {
  readonly store: Store;
  readonly contents: Contents;
  readonly rows: LogCheck['rows'];
  readonly fast: boolean;
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function amountText({ count, bytes }: Amount): string {
  return `${countOf(count, 'content')} of ${countOf(bytes, 'octet')}`;
}

async function contentFindings(
  { output }: Session,
  options: LargeFindingsOptions,
): Promise<readonly Finding[]> {
  const progress = (done: number, total: number) => {
    if (!output.isTerminal || (done % PROGRESS_EVERY !== 0 && done !== total)) return;
    output.error(`\rcontents: ${done} of ${total} messages`);
  };
  try {
    const check = await checkContents({ ...options, progress });
    if (output.isTerminal && check.messages > 0) output.error('\r\u001b[K');
    const { messages, files, unneeded, faults } = check;
    const how = options.fast ? 'there and as long as the log says' : 'as the log says';
    const good =
      messages === 0
        ? 'no Large message is kept'
        : `${countOf(messages, 'Large message')}, ${amountText(files)} in files, all ${how}`;
    const todo =
      'name the folder of the server with --data; if that is it, restore the files from a backup';
    const found = [faultFinding('contents', good, { faults, todo })];
    if (unneeded.count === 0) return found;
    const rest = `${amountText(unneeded)} that no message needs: the server removes them in time`;
    return [...found, note('contents', rest)];
  } catch (error) {
    const todo = 'run as the user of the server, and check the disk';
    return [finding('contents', `unreadable: ${visible(messageOf(error))}`, todo)];
  }
}

/** What the next start takes up, unless a server is at it. */
async function sessionFindings(store: Store): Promise<readonly Finding[]> {
  const steps = recover(await readOpenWork(store));
  const settled = steps.filter(({ step }) => step === 'settle').length;
  const open = await store.range(openDepositView);
  const waiting = await store.count(unsettledView);
  if (open.length === 0 && settled === 0) return [];
  const shown = open
    .slice(0, SESSIONS_SHOWN_MAX)
    .map(([deposit, { state }]) => `deposit-${deposit} ${state}`);
  const more = open.length > shown.length ? ', …' : '';
  const openText =
    `${open.length} open (${shown.join(', ')}${more}): if no server runs, the next start ends each, ` +
    'with a BYE where the ACK had come';
  const until = open.length === 0 ? 'the next start' : 'its session ends';
  const heldText = `${countOf(waiting, 'message')} held until ${until}: none is lost`;
  const parts = [...(open.length === 0 ? [] : [openText]), ...(waiting === 0 ? [] : [heldText])];
  return [note('sessions', visible(parts.join('; ')))];
}

export async function largeFindings(
  session: Session,
  options: LargeFindingsOptions,
): Promise<readonly Finding[]> {
  return [...(await contentFindings(session, options)), ...(await sessionFindings(options.store))];
}
