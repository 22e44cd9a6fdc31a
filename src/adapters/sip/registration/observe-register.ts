/**
 * REGISTER, from a client (RFC 3261 §10.3) or from an S-CSCF for a third party and its implicit
 * registration set (TS 24.229 §5.4.1.7).
 */
import {
  type RegisterRequest,
  recordedIdentities,
  registrationOf,
} from '../../../deferral/registration.ts';
import type { Evidence } from '../../../engine/recorded.ts';
import type { Binding } from '../../../machines/mailbox/events.ts';
import { registrationView } from '../../../projections/registrations.ts';
import { parseCSeq } from '../../../wire/sip/headers.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import type { Requester } from '../access/requester.ts';
import { type Headers, unknownVerdict, type Verdict } from '../answer.ts';
import type { ObserveContext } from '../observe-options.ts';
import { type Judged, judgeRegister } from './judge-register.ts';
import {
  type HoldAccounts,
  type Settled,
  type SubmitRegistration,
  type Witness,
  witness,
} from './submit-registration.ts';

export interface RegisterContext
  extends Pick<ObserveContext, 'domain' | 'clock' | 'signals' | 'views' | 'onFault'> {
  readonly hold: HoldAccounts;
}

/** How a request came, and from whom. */
interface Arrived {
  readonly source: Hop;
  readonly evidence: Evidence;
  readonly requester: Requester;
}

/** Whom an S-CSCF spoke of: the one that it named, and the accounts that it reached by that. */
export interface SpokenOf {
  readonly account: string;
  readonly set: readonly string[];
}

/** Answers it; `undefined`: it was refused, or is no S-CSCF's. */
export async function observeRegister(
  context: RegisterContext,
  request: SipMessage,
  { source, evidence, requester }: Arrived,
  respond: (verdict: Verdict) => void,
): Promise<SpokenOf | undefined> {
  const { domain, clock, signals, views } = context;
  const judged = judgeRegister(request, source, { domain, requester });
  if ('status' in judged) {
    signals.received(request.octets, evidence);
    respond(judged);
    return undefined;
  }
  const { account } = judged;
  const told = witness(signals, request, evidence);
  const look = async (): Promise<readonly Affected[]> => {
    const row = await views.get(registrationView, account);
    return affected(judged, recordedIdentities(row, clock.now()));
  };
  const set = await holdAffected(context.hold, look, (submit, accounts) =>
    takeEach({ ...context, submit }, accounts, { request, judged, told }, (settled) => {
      told.done();
      respond(verdictOf(judged, settled));
    }),
  );
  return judged.via === 'thirdParty' ? { account, set } : undefined;
}

/**
 * Runs `work` while all accounts are held that it affects. Who held them before may have changed the
 * set: then those of the set that it is now are waited for. Gives their names.
 */
async function holdAffected(
  hold: HoldAccounts,
  look: () => Promise<readonly Affected[]>,
  work: (submit: SubmitRegistration, accounts: readonly Affected[]) => Promise<void>,
): Promise<readonly string[]> {
  for (;;) {
    const names = (await look()).map(({ account }) => account);
    let isDone = false;
    await hold(names, async (submit) => {
      const accounts = await look();
      isDone = accounts.every(({ account }) => names.includes(account));
      if (isDone) await work(submit, accounts);
    });
    if (isDone) return names;
  }
}

interface Affected {
  readonly account: string;
  readonly identities?: readonly string[];
  /** It is no longer one of the set. */
  readonly left?: boolean;
}

/**
 * The accounts that a request reaches, in an order that a crash may cut short anywhere: as long as
 * one is still to be done, the registered one knows of it.
 */
function affected(judged: Judged, recorded: readonly string[]): readonly Affected[] {
  const { account, via, contacts } = judged;
  const isQuery = contacts !== '*' && contacts.length === 0;
  if (via === 'direct' || isQuery) return [{ account }];
  const before = recorded.includes(account) ? recorded : [account];
  const now = judged.identities ?? before;
  const set = now.length > 1 ? { identities: [...now].sort() } : {};
  const left = before
    .filter((one) => !now.includes(one))
    .map((one) => ({ account: one, left: true }));
  const others = now.filter((one) => one !== account).map((one) => ({ account: one, ...set }));
  const own = { account, ...set };
  const isOver = contacts === '*' || contacts.every(({ expiresMs }) => expiresMs === 0);
  return isOver ? [...left, ...others, own] : [...left, own, ...others];
}

interface Taken {
  readonly request: SipMessage;
  readonly judged: Judged;
  readonly told: Witness;
}

/**
 * One account after the other, each within the reply to the one before: so the answer leaves when all
 * are flushed, and before any delivery that they open (T-32). Each is idempotent by itself: what a
 * crash cuts short the S-CSCF's repetition or its next refresh completes.
 */
async function takeEach(
  context: Pick<RegisterContext, 'onFault'> & { readonly submit: SubmitRegistration },
  accounts: readonly Affected[],
  taken: Taken,
  answer: (settled: Settled) => void,
): Promise<void> {
  const { request, judged, told } = taken;
  const callId = request.first('call-id') ?? '';
  const cseq = parseCSeq(request.first('cseq') ?? '')?.number ?? 0;
  let isAnswered = false;
  let own: Settled = { kind: 'unknown' };

  function finish(settled: Settled): void {
    if (isAnswered) return;
    isAnswered = true;
    answer(settled);
  }

  async function take(index: number): Promise<void> {
    const affected = accounts[index];
    if (!affected) return finish(own);
    const { account, identities, left = false } = affected;
    const contacts = left ? withdrawn(judged.contacts) : judged.contacts;
    const { identities: _, ...asked } = judged;
    const set = identities === undefined ? {} : { identities };
    await context.submit({
      account,
      cause: `register ${callId} ${cseq}`,
      witness: told,
      decide: (row, at) => registrationOf(row, { ...asked, ...set, contacts, callId, cseq, at }),
      async settled(settled) {
        if (account === judged.account) own = settled;
        if (settled.kind === 'unknown') return finish(settled);
        // A defect must not keep the answer back: whoever replies to the runner is not heard of.
        await take(index + 1).catch((fault: unknown) => {
          context.onFault(`registration of ${account}`, fault);
          finish({ kind: 'unknown' });
        });
      },
    });
  }

  await take(0);
}

function withdrawn(contacts: RegisterRequest['contacts']): RegisterRequest['contacts'] {
  return contacts === '*' ? '*' : contacts.map((one) => ({ ...one, expiresMs: 0 }));
}

function verdictOf(judged: Judged, settled: Settled): Verdict {
  if (settled.kind === 'unknown') return unknownVerdict();
  const isDirect = judged.via === 'direct';
  // RFC 3261 §10.3 step 7 names no status for a CSeq that goes back; 500 is §12.2.2's. An S-CSCF
  // must not hear of an error, it might deregister the client.
  if (settled.kind === 'refused' && isDirect) {
    return { status: settled.reason === 'outOfOrder' ? 500 : 403 };
  }
  const path = (judged.path ?? []).map((value) => ['Path', value] as const);
  return { status: 200, headers: [...contactHeaders(settled.bindings, settled.at), ...path] };
}

/** RFC 3261 §10.3 step 8, RFC 3840 §6: all current contacts with all their feature parameters. */
function contactHeaders(bindings: readonly Binding[], at: number): Headers {
  // What a notifier told of is registered elsewhere.
  const registered = bindings.filter(({ via }) => via !== 'regEvent');
  return registered.map(({ contact, expiresAt, features }) => {
    const seconds = Math.max(Math.round((expiresAt - at) / 1000), 0);
    return ['Contact', `<${contact}>;expires=${seconds}${features ? `;${features}` : ''}`] as const;
  });
}
