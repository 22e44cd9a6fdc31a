/** Plays the steps of a case on the endpoint under test. */
import {
  type EndpointSetup,
  type Expectation,
  type SessionCase,
  type Step,
  textOf,
} from './cases.ts';
import { differences, type Names } from './expectations.ts';
import { sessionLaws } from './laws.ts';
import { type Asked, type Endpoint, endpointUnderTest } from './play.ts';
import { frameReader, type WrittenFrame } from './written-frames.ts';

/** How the octets that arrive together are cut. */
export type Cut = (octets: Uint8Array) => Iterable<Uint8Array>;

export interface Manner {
  readonly cut: Cut;
  readonly wholeBytesMax: number;
}

interface Stage {
  readonly setup: EndpointSetup;
  readonly endpoint: Endpoint;
  readonly laws: ReturnType<typeof sessionLaws>;
  readonly reader: ReturnType<typeof frameReader>;
  /** Requests of the endpoint that nobody answered. */
  readonly unanswered: WrittenFrame[];
  /** What came out since the last expectation. */
  seen: { frames: WrittenFrame[]; delivered: Out['delivered']; outcomes: Out['outcomes'] };
  session: string;
}

type Out = ReturnType<Endpoint['take']>;

/** What is not as the case says; each with the step where it was noticed. */
export function play(the: SessionCase, manner: Manner): readonly string[] {
  const names: Names = new Map();
  const rehearsed = run(the.rehearsal ?? [], { setup: the.endpoint, names, manner });
  // The rehearsal was another session: what it learnt is kept, but not how much was sent in it.
  for (const name of [...names.keys()]) if (name.startsWith('sent:')) names.delete(name);
  return [...rehearsed, ...run(the.steps, { setup: the.endpoint, names, manner })];
}

interface Context {
  readonly setup: EndpointSetup;
  readonly names: Names;
  readonly manner: Manner;
}

function run(steps: readonly Step[], context: Context): readonly string[] {
  const sends = steps.filter((step) => 'send' in step);
  const asked: Asked = {
    successReport: sends.some((step) => step.successReport === 'yes'),
    failureReport: sends.some((step) => step.failureReport === 'partial') ? 'partial' : 'yes',
    wholeBytesMax: context.manner.wholeBytesMax,
  };
  const open = (setup: EndpointSetup): Stage => ({
    setup,
    endpoint: endpointUnderTest(setup, asked),
    ...{ laws: sessionLaws(setup), reader: frameReader(), unanswered: [] },
    ...{ seen: { frames: [], delivered: [], outcomes: [] }, session: 'open' },
  });
  let stage = open(context.setup);
  const found: string[] = [];
  for (const [index, step] of steps.entries()) {
    if ('session' in step) {
      stage = open(step.session);
      for (const name of [...context.names.keys()]) {
        if (name.startsWith('sent:')) context.names.delete(name);
      }
    } else if ('expect' in step) found.push(...judge(step.expect, stage, context.names, index));
    else take(step, stage, context);
    found.push(...listen(stage).map((broken) => `step ${index}: ${broken}`));
  }
  return found;
}

function judge(
  expect: Expectation | readonly Expectation[],
  stage: Stage,
  names: Names,
  index: number,
): readonly string[] {
  const { seen, session, setup } = stage;
  stage.seen = { frames: [], delivered: [], outcomes: [] };
  const alternatives: readonly Expectation[] = Array.isArray(expect) ? expect : [expect];
  const verdicts = alternatives.map((each) =>
    differences(each, { ...seen, session, localUri: setup.localUri }, names),
  );
  if (verdicts.some((verdict) => verdict.length === 0)) return [];
  return [`step ${index}: ${verdicts.map((verdict) => verdict.join('; ')).join(' — or — ')}`];
}

/** Reads what the endpoint wrote and holds it to the laws. */
function listen(stage: Stage): readonly string[] {
  const { written, delivered, outcomes, session } = stage.endpoint.take();
  const frames = stage.reader.read(written);
  stage.unanswered.push(...frames.filter((frame) => frame.is === 'SEND'));
  stage.seen = {
    frames: [...stage.seen.frames, ...frames],
    delivered: [...stage.seen.delivered, ...delivered],
    outcomes: [...stage.seen.outcomes, ...outcomes],
  };
  stage.session = session;
  return frames.flatMap((frame) => stage.laws.broken(frame));
}

function take(
  step: Exclude<Step, { expect: unknown } | { session: unknown }>,
  stage: Stage,
  { names, manner }: Context,
): void {
  const { endpoint } = stage;
  const arrive = (text: string) => {
    for (const octets of manner.cut(Buffer.from(text, 'latin1'))) endpoint.arrive(octets);
  };
  if ('arrive' in step) arrive(textOf(step.arrive, names));
  else if ('respond' in step) arrive(responses(step, stage));
  else if ('wait' in step) endpoint.wait(step.wait);
  else if ('peerReads' in step) endpoint.peerReads(step.peerReads);
  else if ('connect' in step) endpoint.connect();
  else if ('disconnect' in step) endpoint.disconnect();
  else if ('fail' in step) endpoint.fail(step.fail, step.status);
  else if ('end' in step) endpoint.end();
  else if ('send' in step) {
    const body = Buffer.from(textOf(step.body, names), 'latin1');
    endpoint.send({ name: step.send, contentType: step.contentType, body });
  } else throw new Error(`this endpoint cannot play ${Object.keys(step).join()}`);
}

/** The peer's responses to what it has not answered yet. */
function responses(
  { respond, status }: Extract<Step, { respond: unknown }>,
  { unanswered, setup }: Stage,
): string {
  const count = { all: unanswered.length, first: 1, 'but-last': unanswered.length - 1 }[respond];
  return unanswered
    .splice(0, count)
    .map(({ tid, to }) =>
      [
        `MSRP ${tid} ${status}`,
        `To-Path: ${setup.localUri}`,
        `From-Path: ${to[0]}`,
        `-------${tid}$`,
        '',
      ].join('\r\n'),
    )
    .join('');
}
