/** NOTIFYs of our subscriptions to registrations (RFC 6665 §4.1.3, RFC 3680 §4.8, §5.2). */
import { memberAccount } from '../../../deferral/account.ts';
import { type ReginfoNews, registrationOfReginfo } from '../../../deferral/reginfo-registration.ts';
import { currentBindings, recordedIdentities, viaOf } from '../../../deferral/registration.ts';
import type { Evidence } from '../../../engine/recorded.ts';
import { registrationView } from '../../../projections/registrations.ts';
import { parseCSeq, parseMediaType } from '../../../wire/sip/headers.ts';
import type { SipMessage } from '../../../wire/sip/message.ts';
import { parseNameAddr } from '../../../wire/sip/name-addr.ts';
import {
  dialogFromNotify,
  eventPackage,
  parseSubscriptionState,
  type SubscriptionState,
  targetOf,
} from '../../../wire/sip/notify.ts';
import {
  parseReginfo,
  REGINFO_TYPE,
  type Reginfo,
  type ReginfoRegistration,
} from '../../../wire/sip/reginfo.ts';
import type { Requester } from '../access/requester.ts';
import { unknownVerdict, type Verdict } from '../answer.ts';
import type { ObserveOptions } from '../observe-options.ts';
import { IDENTITIES_MAX } from './judge-register.ts';
import type { RegSubscription, RegSubscriptions } from './reg-subscriptions.ts';
import { type HoldAccounts, type Witness, witness } from './submit-registration.ts';

export interface NotifyContext
  extends Pick<ObserveOptions, 'domain' | 'signals' | 'views' | 'clock'> {
  readonly hold: HoldAccounts;
  readonly subscriptions: Pick<RegSubscriptions, 'find' | 'notified'>;
}

/** How a NOTIFY came, and from whom. */
interface Arrived {
  readonly evidence: Evidence;
  readonly requester: Requester;
}

/** Answers it once all that it decided is flushed; NOTIFYs of one subscription go in turn. */
export async function observeNotify(
  context: NotifyContext,
  request: SipMessage,
  { evidence, requester }: Arrived,
  respond: (verdict: Verdict) => void,
): Promise<void> {
  const { signals, subscriptions } = context;
  const refuse = (verdict: Verdict): void => {
    signals.received(request.octets, evidence);
    respond(verdict);
  };
  // Who is registered is for the core to tell.
  if (requester.kind !== 'core') return refuse({ status: 403 });
  if (eventPackage(request.first('event') ?? '') !== 'reg') {
    return refuse({ status: 489, headers: [['Allow-Events', 'reg']] });
  }
  const state = parseSubscriptionState(request.first('subscription-state') ?? '');
  if (!state) return refuse({ status: 400 });
  const tag = parseNameAddr(request.first('to') ?? '')?.tag;
  const subscription = subscriptions.find(request.first('call-id') ?? '', tag);
  if (!subscription) return refuse({ status: 481 });
  const taken = subscription.work.then(() =>
    take(context, subscription, { request, evidence, state }),
  );
  // Who comes next is not concerned by a defect here.
  subscription.work = taken.then(
    () => {},
    () => {},
  );
  respond(await taken);
}

interface Notify {
  readonly request: SipMessage;
  readonly evidence: Evidence;
  readonly state: SubscriptionState;
}

async function take(
  context: NotifyContext,
  subscription: RegSubscription,
  { request, evidence, state }: Notify,
): Promise<Verdict> {
  const told = witness(context.signals, request, evidence);
  const refused = within(subscription, request, state);
  const document = refused ?? read(request, state);
  if ('status' in document) {
    told.done();
    return document;
  }
  const { reginfo } = document;
  const { version } = subscription;
  // RFC 3680 §5.2: what is not newer is discarded.
  const isNews = reginfo !== undefined && (version === undefined || reginfo.version > version);
  if (isNews && !(await apply(context, subscription, reginfo, told))) return unknownVerdict();
  told.done();
  const isMissed = isNews && reginfo.state === 'partial' && reginfo.version !== (version ?? -2) + 1;
  if (isNews) subscription.version = reginfo.version;
  context.subscriptions.notified(subscription, state, { needsFull: isMissed });
  return { status: 200 };
}

/** Puts the NOTIFY into its dialog, which the first one makes; a verdict: it is of none. */
function within(
  subscription: RegSubscription,
  request: SipMessage,
  { state }: SubscriptionState,
): Verdict | undefined {
  const { dialog, cseq: localCseq, account } = subscription;
  const cseq = parseCSeq(request.first('cseq') ?? '')?.number ?? 0;
  if (!dialog) {
    if (state === 'terminated') return undefined;
    subscription.dialog = dialogFromNotify(request, { localCseq, target: account });
    return undefined;
  }
  // RFC 3680 §4.9: a fork of our SUBSCRIBE that somebody else took; one dialog is enough.
  const tag = parseNameAddr(request.first('from') ?? '')?.tag ?? '';
  if (tag !== dialog.remoteTag) return { status: 481 };
  // RFC 3261 §12.2.2.
  if (dialog.remoteCseq !== null && cseq <= dialog.remoteCseq) return { status: 500 };
  const remoteTarget = targetOf(request) ?? dialog.remoteTarget;
  subscription.dialog = { ...dialog, remoteCseq: cseq, remoteTarget };
  return undefined;
}

/** The document; none when there is no body, or the subscription is not decided upon yet. */
function read(
  request: SipMessage,
  { state }: SubscriptionState,
): Verdict | { readonly reginfo: Reginfo | undefined } {
  if (request.body.length === 0 || state === 'pending') return { reginfo: undefined };
  const type = parseMediaType(request.first('content-type') ?? '')?.name;
  if (type !== REGINFO_TYPE) return { status: 415, headers: [['Accept', REGINFO_TYPE]] };
  const parsed = parseReginfo(request.body);
  return parsed.kind === 'refusal' ? { status: 400 } : { reginfo: parsed.reginfo };
}

/** What the document says of each account of ours; `false`: the log did not take it in time. */
async function apply(
  context: NotifyContext,
  subscription: RegSubscription,
  reginfo: Reginfo,
  told: Witness,
): Promise<boolean> {
  const named = accountsIn(subscription, reginfo, context.domain);
  const known = reginfo.state === 'full' ? [] : subscription.identities;
  const registered = new Set(known);
  let isFlushed = true;
  await context.hold([...named.keys()], async (submit) => {
    const registrations = await withoutApart(context, subscription, named);
    for (const [account, { state }] of registrations) {
      if (state === 'active') registered.add(account);
      else registered.delete(account);
    }
    const identities = [...registered].sort().slice(0, IDENTITIES_MAX);
    const set = identities.length > 1 ? { identities } : {};
    for (const [account, registration] of registrations) {
      const news: Omit<ReginfoNews, 'at'> = { registration, state: reginfo.state, ...set };
      await submit({
        account,
        cause: `reginfo ${subscription.callId} ${reginfo.version}`,
        witness: told,
        decide: (row, at) => registrationOfReginfo(row, { ...news, at }),
        settled(settled) {
          if (settled.kind === 'unknown') isFlushed = false;
        },
      });
      if (!isFlushed) return;
    }
  });
  if (!isFlushed) return false;
  subscription.identities = registered.size > 0 ? registered : new Set([subscription.account]);
  return true;
}

/**
 * Without accounts that the core registered apart from the one that was asked about: a notifier that
 * is none, a client that a proxy sent our SUBSCRIBE to, must not speak of other users.
 */
async function withoutApart(
  { views, clock }: NotifyContext,
  { account }: RegSubscription,
  named: ReadonlyMap<string, ReginfoRegistration>,
): Promise<ReadonlyMap<string, ReginfoRegistration>> {
  const at = clock.now();
  const taken = new Map<string, ReginfoRegistration>();
  for (const [one, registration] of named) {
    const row = await views.get(registrationView, one);
    const isCores = currentBindings(row, at).some((bound) => viaOf(bound, row) === 'thirdParty');
    const isOfSet = one === account || recordedIdentities(row, at).includes(account);
    if (isOfSet || !isCores) taken.set(one, registration);
  }
  return taken;
}

/** By account; a full document says of whom it leaves out that nothing is registered. */
function accountsIn(
  { identities }: RegSubscription,
  { registrations, state }: Reginfo,
  domain: string,
): ReadonlyMap<string, ReginfoRegistration> {
  const found = new Map<string, ReginfoRegistration>();
  for (const registration of registrations) {
    const account = memberAccount(registration.aor, domain);
    if (account !== undefined && found.size < IDENTITIES_MAX) found.set(account, registration);
  }
  if (state === 'partial') return found;
  for (const account of identities) {
    if (!found.has(account))
      found.set(account, { aor: account, state: 'terminated', contacts: [] });
  }
  return found;
}
