import { Command } from 'commander';
import { ha1Of } from '../../wire/sip/digest.ts';
import { DIGEST_ALGORITHMS } from '../../wire/sip/digest-fields.ts';
import type { Session } from './command-line.ts';
import { CONFIG_VARIABLE } from './configuration.ts';
import { type CredentialLine, credentialsText, parseCredentialsFile } from './credentials-file.ts';
import { EXIT, type Problem, problemText } from './problem.ts';
import { configured, messageOf } from './store-access.ts';
import { jsonLine, table } from './table.ts';

interface Options {
  readonly file?: string;
  readonly realm?: string;
  readonly config?: string;
  readonly json?: boolean;
}

interface Target {
  readonly path: string;
  readonly realm: string;
  readonly lines: readonly CredentialLine[];
}

function complain(session: Session, problems: readonly Problem[]): undefined {
  for (const problem of problems) session.output.error(problemText(problem));
  session.finish(EXIT.usage);
  return undefined;
}

/** The file that the options mean, with its lines; none when it is not there and may be made. */
async function targetOf(
  session: Session,
  options: Options,
  { mayBeMissing }: { readonly mayBeMissing: boolean },
): Promise<Target | undefined> {
  const { realm: asked, file } = options;
  const flags = { ...(asked && { realm: asked }), ...(file && { credentials: file }) };
  const read = await configured(session, flags, options.config);
  if (read.kind === 'failure') return complain(session, read.problems);
  const { credentials: path, realm } = read.config.access;
  if (path === undefined) {
    const todo = 'say which with --file, or with the setting credentials';
    return complain(session, [{ what: 'no file is named', where: 'restante credentials', todo }]);
  }
  const text = await session.readFile(path).catch((error: NodeJS.ErrnoException) => error);
  if (typeof text !== 'string') {
    if (mayBeMissing && text.code === 'ENOENT') return { path, realm, lines: [] };
    const todo = 'name a file that can be read with --file';
    const what = `the credentials cannot be read: ${messageOf(text)}`;
    return complain(session, [{ what, where: path, todo }]);
  }
  const parsed = parseCredentialsFile(text, path);
  if (parsed.kind === 'failure') return complain(session, parsed.problems);
  return { path, realm, lines: parsed.lines };
}

async function write(
  session: Session,
  path: string,
  lines: readonly CredentialLine[],
): Promise<void> {
  await session.secrets.writeFile(path, credentialsText(lines));
  session.finish(EXIT.ok);
}

async function set(session: Session, user: string, options: Options): Promise<void> {
  const target = await targetOf(session, options, { mayBeMissing: true });
  if (!target) return;
  const { path, realm, lines } = target;
  // RFC 7616 §3.4.2: a colon ends the name in what is hashed.
  if (!/^[^:\s]+$/.test(user)) {
    const what = `${JSON.stringify(user)} cannot be the name of a user`;
    complain(session, [{ what, where: 'USER', todo: 'write a name without colons and spaces' }]);
    return;
  }
  const password = await session.secrets.password(`password of ${user} in ${realm}: `);
  if (password === '') {
    const todo = 'type it, or write it to standard input';
    complain(session, [{ what: 'no password was given', where: 'standard input', todo }]);
    return;
  }
  const made = DIGEST_ALGORITHMS.flatMap((algorithm) => {
    const ha1 = ha1Of(session.secrets.hash, algorithm, { username: user, realm, password });
    return ha1 === undefined ? [] : [{ user, realm, algorithm, ha1 }];
  });
  const others = lines.filter((line) => line.user !== user || line.realm !== realm);
  await write(session, path, [...others, ...made]);
}

async function remove(session: Session, user: string, options: Options): Promise<void> {
  const target = await targetOf(session, options, { mayBeMissing: false });
  if (!target) return;
  const { path, realm, lines } = target;
  const others = lines.filter((line) => line.user !== user || line.realm !== realm);
  if (others.length < lines.length) return write(session, path, others);
  const what = `${user} is not there in ${realm}`;
  session.output.error(problemText({ what, where: path, todo: 'see restante credentials list' }));
  session.finish(EXIT.finding);
}

async function list(session: Session, options: Options): Promise<void> {
  const target = await targetOf(session, options, { mayBeMissing: false });
  if (!target) return;
  const users = new Map<string, { user: string; realm: string; algorithms: string[] }>();
  for (const { user, realm, algorithm } of target.lines) {
    const known = users.get(`${user}:${realm}`) ?? { user, realm, algorithms: [] };
    known.algorithms.push(algorithm);
    users.set(`${user}:${realm}`, known);
  }
  const rows = [...users.values()];
  const text = rows.map(({ user, realm, algorithms }) => [user, realm, algorithms.join(' ')]);
  await session.output.write(
    options.json ? jsonLine(rows) : table(['user', 'realm', 'algorithms'], text),
  );
  session.finish(EXIT.ok);
}

function fileCommand(name: string, about: string, example: string): Command {
  return new Command(name)
    .description(about)
    .option('--file <FILE>', 'the file (else the setting credentials)')
    .option('--realm <NAME>', 'the realm (else the setting realm)')
    .option('--config <FILE>', `the settings of the server, also ${CONFIG_VARIABLE}`)
    .addHelpText('after', `\nExamples:\n  ${example}`);
}

export function credentialsCommand(session: Session): Command {
  const make = 'restante credentials set alice --file users.txt';
  return new Command('credentials')
    .description('who may prove by a password who they are; the server reads it again at SIGHUP')
    .addCommand(
      fileCommand('set', 'ask for the password of a user, and keep what proves it', make)
        .argument('<USER>', 'alice, or alice@example.org')
        .action((user: string, options: Options) => set(session, user, options)),
    )
    .addCommand(
      fileCommand('remove', 'forget a user', 'restante credentials remove alice --file users.txt')
        .argument('<USER>', 'alice, or alice@example.org')
        .action((user: string, options: Options) => remove(session, user, options)),
    )
    .addCommand(
      fileCommand('list', 'who is there', 'restante credentials list --file users.txt')
        .option('--json', 'for programs: JSON in place of text')
        .action((options: Options) => list(session, options)),
    );
}
