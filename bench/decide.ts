/**
 * What deciding costs: events of one subscriber through `decide`, through XState's own pure
 * `transition()`, and through a switch written by hand that does no more than these events need.
 */
import { transition } from 'xstate';
import { type Chart, chart, replay, type Stamped } from '../src/engine/decide.ts';
import { deliveryMachine } from '../src/machines/delivery/machine.ts';
import { mailboxMachine } from '../src/machines/mailbox/machine.ts';

interface Result {
  readonly what: string;
  readonly figure: number;
  readonly unit: string;
  readonly ratio?: number;
  readonly floor?: string;
}

const EVENTS = 20_000;
/** `transition()` builds an actor system each time: fewer events give the same figure. */
const EVENTS_BY_TRANSITION = 2_000;
const ROUNDS = 5;
const at = 1_795_348_800_000;

function deposits(count: number): readonly Stamped[] {
  return Array.from({ length: count }, (_, index) => ({
    type: 'MessageDeferred',
    id: `e${index}`,
    at: at + index,
    data: { id: `m${index}`, kind: 'message', bytes: 420, deposit: `d${index}` },
  }));
}

function pushes(count: number): readonly Stamped[] {
  const account = 'sip:romeo@example.net';
  const answer = { acceptable: true, path: [], setup: 'passive' };
  const dialog = { toTag: 'x', remoteTarget: 'sip:x', routeSet: [] };
  const way = [
    ['DeliveryOpened', { account, through: 1 }],
    ['InviteAnswered', { status: 200, ...dialog, answer }],
    ['ChannelBound', { remote: '' }],
    ['SnapshotTaken', { through: 1, count: count + 1, digest: '' }],
  ] as const;
  return [
    ...way.map(([type, data], index) => ({ type, id: `w${index}`, at, data })),
    ...Array.from({ length: count }, (_, index) => ({
      type: 'PushAcknowledged',
      id: `e${index}`,
      at,
      data: { account, id: `m${index}`, revision: index, bytes: 420, messageId: 'x' },
    })),
  ];
}

interface Counts {
  readonly value: string;
  readonly context: {
    readonly deferred: number;
    readonly pushable: number;
    readonly acknowledged: number;
  };
}

/** The floor: the same two events, decided by hand into a new plain state. */
function byHand(state: Counts, { type }: Stamped): Counts {
  const { value, context } = state;
  switch (type) {
    case 'MessageDeferred':
      return {
        value,
        context: { ...context, deferred: context.deferred + 1, pushable: context.pushable + 1 },
      };
    case 'PushAcknowledged':
      return { value, context: { ...context, acknowledged: context.acknowledged + 1 } };
    default:
      return { value, context };
  }
}

/** Events per second, the median of interleaved rounds. */
function rates(runs: readonly { readonly events: number; readonly run: () => void }[]): number[] {
  const rounds: number[][] = runs.map(() => []);
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [index, { events, run }] of runs.entries()) {
      const from = performance.now();
      run();
      const seconds = (performance.now() - from) / 1000;
      // The first round warms up.
      if (round > 0) rounds[index]?.push(events / seconds);
    }
  }
  return rounds.map((figures) => figures.sort((a, b) => a - b)[ROUNDS >> 1] ?? 0);
}

function compare(
  label: string,
  machine: typeof mailboxMachine | typeof deliveryMachine,
  events: readonly Stamped[],
): readonly Result[] {
  const driven: Chart = chart(machine, 1);
  const few = events.slice(0, EVENTS_BY_TRANSITION);
  const [hand = 0, decide = 0, byTransition = 0] = rates([
    {
      events: events.length,
      run() {
        let state: Counts = {
          value: 'idle',
          context: { deferred: 0, pushable: 0, acknowledged: 0 },
        };
        for (const event of events) state = byHand(state, event);
        if (state.context.deferred + state.context.acknowledged === 0) throw new Error('no events');
      },
    },
    { events: events.length, run: () => void replay(driven, events) },
    {
      events: few.length,
      run() {
        let state = machine.resolveState(driven.initial as never);
        for (const event of few) {
          [state] = transition(machine, state as never, event as never) as never as [typeof state];
        }
      },
    },
  ]);
  const floor = 'a switch written by hand';
  const row = (what: string, figure: number): Result => ({
    what: `${label}: ${what}`,
    figure,
    unit: 'events/s',
    ratio: figure / hand,
    floor,
  });
  return [
    row('switch', hand),
    row('decide', decide),
    row('XState transition()', byTransition),
    {
      what: `${label}: decide over transition()`,
      figure: decide / byTransition,
      unit: '×',
    },
  ];
}

export const benches: readonly { name: string; run(): Promise<readonly Result[]> }[] = [
  {
    name: 'replay',
    async run() {
      return [
        ...compare('MessageDeferred', mailboxMachine, deposits(EVENTS)),
        ...compare('PushAcknowledged', deliveryMachine, pushes(EVENTS)),
      ];
    },
  },
];
