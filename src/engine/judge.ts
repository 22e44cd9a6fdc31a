/** What waits for one stream, decided as one batch: the events that go into one append. */
import { type Decided, type Decision, type Stamped, type State, timerMarks } from './decide.ts';
import { eventId } from './identity.ts';
import type { Input, Outcome } from './input.ts';
import type { Lane } from './lanes.ts';
import { APPEND_BYTES_MAX, type Digest, type Views } from './ports.ts';
import type { Candidate, Meta } from './recorded.ts';

/** JSON head of an event, estimated for the bound of a batch. */
const HEAD_BYTES_ESTIMATE = 2_048;

type Undecided = Extract<Outcome, { outcome: 'unknown' }>;
/** `accepted`: it is in the log already, from an append that was answered `unknown`. */
type Judgement = Outcome | { readonly outcome: 'candidate' };

export interface Batch {
  /** One for each input at the front of the queue. */
  readonly judgements: readonly Judgement[];
  readonly candidates: readonly Candidate[];
  /** One list for each candidate. */
  readonly effects: readonly (readonly Decided[])[];
  readonly state: State;
}

function envelope(lane: Lane, input: Input, from: State, to: State, effects: readonly Decided[]) {
  const timers = timerMarks(effects);
  const meta: Meta = {
    from: from.value,
    to: to.value,
    ...(effects.length === 0 ? {} : { effects: effects.map(({ name }) => name) }),
    ...(timers === undefined ? {} : { timers }),
    machine: lane.chart.label,
    ...(input.causation === undefined ? {} : { causation: input.causation }),
    ...(input.evidence === undefined ? {} : { evidence: input.evidence }),
  };
  return meta;
}

export interface JudgeOptions {
  readonly views: Views;
  readonly digest: Digest;
  onFault(stream: string, fault: unknown): void;
}

/** A fault as the reason of an outcome: one text, without a stack. */
export function reasonOf(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault);
}

async function isRepeated(
  views: Views,
  input: Input,
  accepted: ReadonlySet<string>,
): Promise<boolean> {
  if (!input.unless) return false;
  const { view, key, says } = input.unless;
  if (accepted.has(`${view.name} ${key}`)) return true;
  const row = await views.get(view, key);
  return row !== undefined && (says?.(row) ?? true);
}

/** The event of an input that was answered `unknown` and is submitted again, if it is in the log. */
function recordedOf(digest: Digest, { doubts, stream }: Lane, { cause }: Input) {
  return doubts.size === 0 ? undefined : doubts.get(eventId(digest, stream, cause))?.event;
}

/** A chart that throws has a defect; the inputs beside this one need not suffer from it. */
function decideOne(
  lane: Lane,
  state: State,
  input: Stamped,
  onFault: JudgeOptions['onFault'],
): Decision | Undecided {
  try {
    return lane.chart.decide(state, input);
  } catch (fault) {
    onFault(lane.stream, fault);
    return { outcome: 'unknown', reason: reasonOf(fault) };
  }
}

/** Decides what waits, one input on top of the other, up to the bound of one append. */
export async function judge(options: JudgeOptions, lane: Lane): Promise<Batch> {
  const { views, digest, onFault } = options;
  const judgements: Judgement[] = [];
  const candidates: Candidate[] = [];
  const effects: (readonly Decided[])[] = [];
  const accepted = new Set<string>();
  let { state } = lane;
  let bytes = 0;
  for (let pending = lane.queue[0]; pending; pending = lane.queue[judgements.length]) {
    const { input } = pending;
    bytes += HEAD_BYTES_ESTIMATE + (input.octets?.length ?? 0);
    if (judgements.length > 0 && bytes > APPEND_BYTES_MAX) break;
    if (candidates.length >= lane.batchMax) break;
    const event = recordedOf(digest, lane, input);
    if (event) {
      judgements.push({ outcome: 'accepted', event });
      continue;
    }
    if (await isRepeated(views, input, accepted)) {
      judgements.push({ outcome: 'ignored' });
      continue;
    }
    const { type, at, data, octets } = input;
    const id = eventId(digest, lane.stream, input.cause);
    const decision = decideOne(lane, state, { type, id, at, data }, onFault);
    if (decision.outcome !== 'accepted') {
      judgements.push(decision);
      continue;
    }
    const meta = envelope(lane, input, state, decision.state, decision.effects);
    candidates.push({ id, type, at, data, ...(octets === undefined ? {} : { octets }), meta });
    effects.push(decision.effects);
    judgements.push({ outcome: 'candidate' });
    if (input.unless) accepted.add(`${input.unless.view.name} ${input.unless.key}`);
    state = decision.state;
  }
  return { judgements, candidates, effects, state };
}
