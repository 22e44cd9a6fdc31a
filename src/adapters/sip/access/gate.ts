/** Whether a request of a peer that is not trusted comes in, before there is a transaction of it. */
import { accountName } from '../../../deferral/account.ts';
import { normalEscapes } from '../../../wire/sip/escape.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { parseNameAddr } from '../../../wire/sip/name-addr.ts';
import { unknownVerdict, type Verdict } from '../answer.ts';
import type { OwnIdentity } from '../own-identity.ts';
import type { Authentication } from './authenticate.ts';
import type { Requester } from './requester.ts';

export type Admission =
  | { readonly kind: 'admitted'; readonly requester: Requester }
  | {
      readonly kind: 'refused';
      readonly reason: string;
      readonly section: string;
      /** The one that is meant, then shorter ones; empty: nothing is answered. */
      readonly verdicts: readonly Verdict[];
      /** A guess at a password. */
      readonly guessed?: boolean;
    };

/** What the other end of a dialog may ask within it; all else has to be proved anew. */
const WITHIN: ReadonlySet<string> = new Set([
  'ACK',
  'CANCEL',
  'BYE',
  'UPDATE',
  'INVITE',
  'OPTIONS',
]);
/** Calls of clients whose ACK and CANCEL are let in. */
const CALLS_MAX = 10_000;
/** Longer Call-IDs are not remembered; nobody makes such. */
const CALL_ID_MAX = 255;

const DIALOG: Admission = { kind: 'admitted', requester: { kind: 'dialog' } };
const refused = (reason: string, section: string, ...verdicts: readonly Verdict[]): Admission => ({
  ...{ kind: 'refused', reason, section, verdicts },
});

export function gate(options: {
  readonly identity: Pick<OwnIdentity, 'deliveryOf' | 'fromTagOf'>;
  /** Domain of the users, lower case. */
  readonly domain: string;
  /** Absent: there are no clients, and no stranger comes in. */
  readonly authenticate?: (request: SipMessage, source: Hop) => Promise<Authentication>;
  onFault(where: string, fault: unknown): void;
}): (request: SipMessage, source: Hop) => Admission | Promise<Admission> {
  const { identity, domain, authenticate } = options;
  /** Call-IDs of INVITEs that came in. */
  const calls = new Set<string>();

  /** RFC 3261 §12: Call-ID and tag of ours, both keyed, are told to nobody but the other end. */
  function isOwnDialog(method: string, request: SipMessage): boolean {
    if (!WITHIN.has(method)) return false;
    const delivery = identity.deliveryOf(request.first('call-id') ?? '');
    if (delivery === undefined) return false;
    return parseNameAddr(request.first('to') ?? '')?.tag === identity.fromTagOf(delivery);
  }

  /** None when it is but another spelling of some user's: both would have the same account. */
  function accountOfUser(username: string): string | undefined {
    const isSpelling = username.includes('%') && normalEscapes(username) !== username;
    if (isSpelling || username.includes(':')) return undefined;
    return accountName(`sip:${username.includes('@') ? username : `${username}@${domain}`}`);
  }

  /** A client speaks for itself alone; whom a REGISTER is for stands in To (RFC 3261 §10.3). */
  function mayAsk(account: string, method: string, request: SipMessage): boolean {
    const names = method === 'REGISTER' ? ['from', 'to'] : ['from'];
    return names.every((name) => {
      const uri = parseNameAddr(request.first(name) ?? '')?.uri;
      return uri !== undefined && accountName(uri) === account;
    });
  }

  function remember(callId: string): void {
    const [oldest] = calls;
    if (calls.size >= CALLS_MAX && oldest !== undefined) calls.delete(oldest);
    // Joined: a slice would keep the whole head of the message alive.
    if (callId.length <= CALL_ID_MAX) calls.add([...callId].join(''));
  }

  async function client(
    method: string,
    request: SipMessage,
    proof: Promise<Authentication>,
  ): Promise<Admission> {
    const proved = await proof;
    if (proved.kind === 'challenged') {
      const { verdicts, guessed } = proved;
      const reason = guessed ? 'wrong credentials' : 'not authenticated';
      return { kind: 'refused', reason, section: 'RFC 3261 §22.1', verdicts, guessed };
    }
    if (proved.kind === 'misplaced') {
      return refused('credentials for another URI', 'RFC 7616 §3.4.6', { status: 400 });
    }
    const account = accountOfUser(proved.username);
    if (account === undefined || !mayAsk(account, method, request)) {
      return refused('another identity', 'RFC 3261 §22.1', { status: 403 });
    }
    if (method === 'INVITE') remember(request.first('call-id') ?? '');
    return { kind: 'admitted', requester: { kind: 'client', account } };
  }

  return (request, source) => {
    const method = request.start.kind === 'request' ? request.start.method : '';
    if (isOwnDialog(method, request)) return DIALOG;
    const isOfCall = calls.has(request.first('call-id') ?? '');
    if ((method === 'ACK' || method === 'CANCEL') && isOfCall) return DIALOG;
    // Nothing ever answers an ACK (RFC 3261 §17.1.1.3).
    if (method === 'ACK') return refused('ACK of a stranger', 'RFC 3261 §22.1');
    if (!authenticate) return refused('untrusted peer', 'RFC 3325 §5', { status: 403 });
    // RFC 3261 §22.1: it cannot be sent again with credentials; §9.2: what it is for, is unknown.
    if (method === 'CANCEL') return refused('stray CANCEL', 'RFC 3261 §9.2', { status: 481 });
    return client(method, request, authenticate(request, source)).catch((fault: unknown) => {
      options.onFault('look-up of credentials', fault);
      return refused('credentials unknown', 'RFC 3261 §21.5.1', unknownVerdict());
    });
  };
}
