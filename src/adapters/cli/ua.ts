import { Command, InvalidArgumentError, Option } from 'commander';
import { parseTransportAddress } from '../../wire/sip/transport-address.ts';
import type { Session } from './command-line.ts';
import type { SipAddress } from './listen-address.ts';
import { EXIT, problemText } from './problem.ts';
import { count } from './store-access.ts';

const SERVER_DEFAULT: SipAddress = { transport: 'udp', host: '127.0.0.1', port: 5060 };
const REGISTRATION_SECONDS_DEFAULT = 3_600;

function server(text: string): SipAddress {
  const { transport, ...at } = parseTransportAddress(text) ?? {};
  if ('host' in at && (transport === 'udp' || transport === 'tcp')) return { transport, ...at };
  throw new InvalidArgumentError('Write udp://HOST:PORT or tcp://HOST:PORT.');
}

function collected(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

function headers(text: string, before: Readonly<Record<string, string>>) {
  const [, name, value] = /^([\w.!%*+`'~-]+):\s*(.*)$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError('Write it as "Name: value".');
  return { ...before, [name.toLowerCase()]: value ?? '' };
}

interface SendFlags {
  readonly server: SipAddress;
  readonly from: string;
  readonly to: string;
  readonly domain: string;
  readonly body: readonly string[];
  readonly file: readonly string[];
  readonly large: boolean;
  readonly count?: number;
  readonly contentType?: string;
  readonly subject?: string;
  readonly expires?: number;
  readonly header: Readonly<Record<string, string>>;
  readonly json: boolean;
}

interface ReceiveFlags {
  readonly server: SipAddress;
  readonly host: string;
  readonly sipPort: number;
  readonly msrpPort: number;
  readonly expires: number;
  readonly setup: 'active' | 'passive';
  readonly deliveries: number;
  readonly json: boolean;
}

async function send(session: Session, flags: SendFlags): Promise<number> {
  const {
    contentType,
    subject,
    expires,
    header,
    body,
    file,
    large,
    count: numbered,
    ...rest
  } = flags;
  const refused = (what: string, todo: string) => {
    session.output.error(problemText({ what, where: 'restante ua send', todo }));
    return EXIT.usage;
  };
  if (numbered !== undefined && body.length > 0) {
    const todo = 'give the texts with --body, or a number of them with --count';
    return refused('--body and --count are both given', todo);
  }
  if (file.length > 0 && !large) {
    const todo = 'add --large to send files, or give a text with --body';
    return refused('--file is given without --large', todo);
  }
  return session.ua.send({
    ...rest,
    bodies: body.length > 0 ? body : (numbered ?? (file.length > 0 ? [] : 1)),
    headers: header,
    ...(large ? { large: { files: file } } : {}),
    ...(contentType === undefined ? {} : { contentType }),
    ...(subject === undefined ? {} : { subject }),
    ...(expires === undefined ? {} : { expiresSeconds: expires }),
  });
}

export function uaCommand(session: Session): Command {
  const ua = new Command('ua').description('a client to try a server with');
  const serverOption = () =>
    new Option('--server <ADDRESS>', 'udp://HOST:PORT or tcp://HOST:PORT')
      .default(SERVER_DEFAULT, 'udp://127.0.0.1:5060')
      .argParser(server);
  ua.command('send')
    .description('send SIP MESSAGEs, or Large messages over MSRP')
    .addOption(serverOption())
    .requiredOption('--from <WHO>', 'user or SIP URI of the sender')
    .requiredOption('--to <WHO>', 'user or SIP URI of the recipient')
    .option('--domain <NAME>', 'of users that are no URI', 'example.org')
    .option('--body <TEXT>', 'a text to send; may be repeated', collected, [])
    .option('--count <N>', 'in place of --body: so many numbered texts', count)
    .option('--large', 'Large Message mode, a session for each: INVITE, MSRP, BYE', false)
    .option('--file <PATH>', 'with --large: a file to send; may be repeated', collected, [])
    .option(
      '--type, --content-type <TYPE>',
      'of what is sent (default: text/plain;charset=UTF-8, of files application/octet-stream)',
    )
    .option('--subject <TEXT>', 'Subject header')
    .option('--expires <SECONDS>', 'Expires header', count)
    .option('--header <HEADER>', 'a further "Name: value"; may be repeated', headers, {})
    .option('--json', 'for programs: one JSON a line', false)
    .addHelpText(
      'after',
      "\nExamples:\n  restante ua send --from bob --to alice --body 'Lunch at noon?'\n" +
        '  restante ua send --from bob --to alice --count 100 --server tcp://127.0.0.1:5060\n' +
        '  restante ua send --from bob --to alice --large --file minutes.pdf --type application/pdf',
    )
    .action(async (flags: SendFlags) => session.finish(await send(session, flags)));
  ua.command('receive <ADDRESS>')
    .description('register and take what is pushed')
    .addOption(serverOption())
    .option('--host <IP>', 'our own address', '127.0.0.1')
    .option('--sip-port <PORT>', 'our SIP port, 0 for any', count, 0)
    .option('--msrp-port <PORT>', 'our MSRP port, 0 for any', count, 0)
    .option('--expires <SECONDS>', 'of the registration', count, REGISTRATION_SECONDS_DEFAULT)
    .addOption(
      new Option('--setup <ROLE>', 'who connects: active means we do (RFC 6135)')
        .choices(['active', 'passive'])
        .default('passive'),
    )
    .option('--deliveries <N>', 'end after so many deliveries', count, 1)
    .option('--json', 'for programs: one JSON a line', false)
    .addHelpText(
      'after',
      '\nExamples:\n  restante ua receive sip:alice@example.org\n' +
        '  restante ua receive sip:alice@example.org --deliveries 3 --json',
    )
    .action(async (address: string, { expires, ...flags }: ReceiveFlags) => {
      const aor = /^[a-z]+:/i.test(address) ? address : `sip:${address}`;
      session.finish(await session.ua.receive({ ...flags, aor, expiresSeconds: expires }));
    });
  return ua;
}
