/**
 * One inbound session of a sender in Large Message mode: idle → answering → receiving → bye → ended.
 *
 * Laws:
 * - A message is this machine's from its completion on: wherever the session stands, `deferMessage`
 *   is asked for, also behind a BYE that overtook it. What was not complete is never stored.
 * - What a session brought is held until the session has ended, since pushing it would show the
 *   session's ids. Every way out of the session asks for `annotateMessage`, which releases it.
 * - No BYE of ours before the ACK (RFC 3261 §15): in `answering` the loss of the channel only waits.
 * - The end never waits for the sender: idle time, the grace and the session timer see to it.
 */
import { assign, setup } from 'xstate';
import type { DepositEffect, DepositTimer } from './effects.ts';
import type { DepositDialog, DepositEvent, GrantedTimer } from './events.ts';
import { EXPIRY_MARGIN_MAX_MS, GRACE_MS, LOST_CHANNEL_MS } from './limits.ts';

/** What a deposit knows: plain data, O(1). */
export interface DepositContext {
  readonly account: string;
  readonly dialog: DepositDialog | null;
  /** CSeq number of our last request in the dialog; 0: none was sent. */
  readonly cseq: number;
  /** The MSRP session is over: nothing more comes. */
  readonly channelLost: boolean;
  readonly sessionExpiresSeconds: number | null;
  readonly bound: boolean;
  /** Messages that came whole, and those that never will. */
  readonly completed: number;
  readonly aborted: number;
  /** When each running timer is due; what fires with another `dueAt` is stale. */
  readonly graceDueAt: number | null;
  readonly durationDueAt: number | null;
}

type Stamped = DepositEvent & { readonly id: string; readonly at: number };
type Of<Type extends DepositEvent['type']> = Extract<Stamped, { type: Type }>;
interface Scope {
  readonly context: DepositContext;
  readonly event: Stamped;
}
type Params<Name extends DepositEffect['name']> = Extract<DepositEffect, { name: Name }>['params'];
type Change = Partial<DepositContext>;

const initialContext: DepositContext = {
  account: '',
  dialog: null,
  cseq: 0,
  channelLost: false,
  sessionExpiresSeconds: null,
  bound: false,
  completed: 0,
  aborted: 0,
  graceDueAt: null,
  durationDueAt: null,
};

const DUE = { grace: 'graceDueAt', duration: 'durationDueAt' } as const;
const TIMER_EVENTS = { grace: 'GraceElapsed', duration: 'SessionExpired' } as const;

function arm(name: DepositTimer) {
  return {
    type: 'startTimer',
    params: ({ context }: Scope): Params<'startTimer'> | null => {
      const dueAt = context[DUE[name]];
      return dueAt === null ? null : { name, dueAt, event: TIMER_EVENTS[name] };
    },
  } as const;
}

/** Stops a timer that runs: placed before the assign that forgets it. */
function stop(name: DepositTimer) {
  return {
    type: 'stopTimer',
    params: ({ context }: Scope): Params<'stopTimer'> | null =>
      context[DUE[name]] === null ? null : { name },
  } as const;
}

function refuse(reason: string) {
  return { type: 'refuse', params: { reason } } as const;
}

/**
 * RFC 4028 §10: who does not refresh says BYE a little before the session expires. A 2xx that grants
 * no timer ends the one that was (§7.2).
 */
function durationOf(at: number, timer: GrantedTimer | undefined): Change {
  if (timer === undefined) return { sessionExpiresSeconds: null, durationDueAt: null };
  const intervalMs = timer.sessionExpiresSeconds * 1000;
  const marginMs = Math.ceil(Math.min(EXPIRY_MARGIN_MAX_MS, intervalMs / 3));
  return {
    sessionExpiresSeconds: timer.sessionExpiresSeconds,
    durationDueAt: at + intervalMs - marginMs,
  };
}

const NO_DIALOG: DepositDialog = {
  callId: '',
  local: '',
  remote: '',
  localTag: '',
  remoteTag: '',
  remoteTarget: '',
  routeSet: [],
  inviteCseq: 0,
};

const openOffered = {
  type: 'openChannel',
  params: ({ event }: Scope) => (event as Of<'DepositOffered'>).data.end ?? null,
} as const;
const openAnswered = {
  type: 'openChannel',
  params: ({ event }: Scope) => (event as Of<'AckReceived'>).data.end ?? null,
} as const;
const answerInvite = {
  type: 'answerInvite',
  params: ({ context, event }: Scope): Params<'answerInvite'> => ({
    account: context.account,
    offers: (event as Of<'DepositOffered'>).data.end === undefined,
  }),
} as const;
const annotateMessage = {
  type: 'annotateMessage',
  params: ({ context }: Scope): Params<'annotateMessage'> | null =>
    context.completed === 0 ? null : { account: context.account },
} as const;
const closeChannel = { type: 'closeChannel', params: {} } as const;

/** `over`: the MSRP session has ended, and so has what kept its messages back. */
function deferMessage(session: 'open' | 'over') {
  return [
    'complete',
    {
      type: 'deferMessage',
      params: ({ context, event }: Scope): Params<'deferMessage'> => ({
        ...(event as Of<'MessageCompleted'>).data,
        held: session === 'open' && !context.channelLost,
      }),
    },
  ] as const;
}
const STORE_CLAUSES = {
  clauses: ['IM-11.3.2.2-3', 'IM-11.3.2.5-3', 'IM-11.3.2.5-4', 'IM-11.3.2.5-6', 'IM-11.3.2.5-9'],
};

const sayBye = [
  closeChannel,
  stop('grace'),
  stop('duration'),
  'startBye',
  {
    type: 'sendBye',
    params: ({ context }: Scope): Params<'sendBye'> => ({
      account: context.account,
      dialog: context.dialog ?? NO_DIALOG,
      cseq: context.cseq,
    }),
  },
  arm('grace'),
  annotateMessage,
] as const;

const settle = [stop('grace'), stop('duration'), 'forgetTimers'] as const;

/** Without a BYE of ours: the sender's came, or there is no dialog that could be ended. */
const end = [...settle, closeChannel, annotateMessage] as const;

export const depositMachine = setup({
  types: { context: {} as DepositContext, events: {} as Stamped },
  guards: {
    isUnacceptable: ({ event }: Scope) =>
      (event as Of<'AckReceived'>).data.unacceptable !== undefined,
    isBound: ({ context }: Scope) => context.bound,
    hasLostChannel: ({ context }: Scope) => context.channelLost,
    isDue: ({ context, event }: Scope) => {
      const { dueAt } = event.data as { readonly dueAt?: number };
      const name = event.type === 'GraceElapsed' ? 'grace' : 'duration';
      return dueAt !== undefined && dueAt === context[DUE[name]];
    },
  },
  actions: {
    offer: assign(({ event }): Change => {
      const { account, dialog, timer } = (event as Of<'DepositOffered'>).data;
      return { account, dialog, ...durationOf(event.at, timer) };
    }),
    nameAccount: assign(
      ({ event }): Change => ({
        account: (event as Of<'DepositRefused'>).data.account,
      }),
    ),
    complete: assign(({ context }): Change => ({ completed: context.completed + 1 })),
    bind: assign({ bound: true }),
    countAborted: assign(({ context }): Change => ({ aborted: context.aborted + 1 })),
    loseChannel: assign({ channelLost: true }),
    awaitBye: assign(({ event }): Change => ({ graceDueAt: event.at + LOST_CHANNEL_MS })),
    refresh: assign(({ context, event }): Change => {
      const { timer, remoteTarget } = (event as Of<'SessionRefreshed'>).data;
      const { dialog } = context;
      return {
        ...durationOf(event.at, timer),
        ...(dialog && remoteTarget ? { dialog: { ...dialog, remoteTarget } } : {}),
      };
    }),
    startBye: assign(
      ({ context, event }): Change => ({
        cseq: context.cseq + 1,
        channelLost: true,
        durationDueAt: null,
        graceDueAt: event.at + GRACE_MS,
      }),
    ),
    forgetTimers: assign({ graceDueAt: null, durationDueAt: null }),
    openChannel: (_, _params: Params<'openChannel'> | null) => {},
    answerInvite: (_, _params: Params<'answerInvite'>) => {},
    deferMessage: (_, _params: Params<'deferMessage'>) => {},
    annotateMessage: (_, _params: Params<'annotateMessage'> | null) => {},
    closeChannel: (_, _params: Params<'closeChannel'>) => {},
    sendBye: (_, _params: Params<'sendBye'>) => {},
    startTimer: (_, _params: Params<'startTimer'> | null) => {},
    stopTimer: (_, _params: Params<'stopTimer'> | null) => {},
    refuse: (_, _params: { reason: string }) => {},
  },
}).createMachine({
  id: 'deposit',
  context: initialContext,
  initial: 'idle',
  on: {
    // Timers that were stopped, and what comes after the end that it was waited for.
    AckReceived: {},
    AckMissed: {},
    ChannelBound: {},
    ChannelLost: {},
    IdleElapsed: {},
    SessionExpired: {},
    ByeAnswered: {},
    GraceElapsed: {},
    '*': { actions: refuse('unexpected') },
  },
  states: {
    idle: {
      on: {
        DepositOffered: {
          target: 'answering',
          actions: ['offer', openOffered, answerInvite, arm('duration')],
          meta: {
            clauses: [
              'IM-11.3.2.2-1',
              'IM-11.3.2.2-2',
              'IM-11.3.2.2-4',
              'IM-11.3.2.2-5',
              'IM-11.3.2.2-6',
              'IM-11.3.2.2-7',
              'IM-11.3.2.2-8',
              'IM-11.3.2.2-9',
            ],
          },
        },
        DepositRefused: {
          target: 'ended',
          actions: 'nameAccount',
          meta: { clauses: ['IM-11.3.2.2-1'] },
        },
      },
    },
    answering: {
      on: {
        AckReceived: [
          { guard: 'isUnacceptable', target: 'bye', actions: sayBye },
          {
            guard: 'hasLostChannel',
            target: 'receiving',
            actions: ['awaitBye', arm('grace')],
          },
          { target: 'receiving', actions: openAnswered },
        ],
        AckMissed: { target: 'bye', actions: sayBye },
        ChannelBound: [{ guard: 'isBound' }, { actions: 'bind' }],
        MessageCompleted: { actions: deferMessage('open'), meta: STORE_CLAUSES },
        DepositAborted: { actions: 'countAborted' },
        ChannelLost: [{ guard: 'hasLostChannel' }, { actions: ['loseChannel', annotateMessage] }],
        ByeReceived: { target: 'ended', actions: end, meta: { clauses: ['IM-11.3.2.5-5'] } },
        // Whether the sender has our 2xx is not known: without an ACK there is no BYE.
        DepositInterrupted: { target: 'ended', actions: end },
      },
    },
    receiving: {
      on: {
        ChannelBound: [{ guard: 'isBound' }, { actions: 'bind' }],
        MessageCompleted: { actions: deferMessage('open'), meta: STORE_CLAUSES },
        DepositAborted: { actions: 'countAborted' },
        ChannelLost: [
          { guard: 'hasLostChannel' },
          { actions: ['loseChannel', 'awaitBye', arm('grace'), annotateMessage] },
        ],
        IdleElapsed: { target: 'bye', actions: sayBye },
        SessionRefreshed: { actions: [stop('duration'), 'refresh', arm('duration')] },
        SessionExpired: [{ guard: 'isDue', target: 'bye', actions: sayBye }, {}],
        GraceElapsed: [{ guard: 'isDue', target: 'bye', actions: sayBye }, {}],
        ByeReceived: { target: 'ended', actions: end, meta: { clauses: ['IM-11.3.2.5-5'] } },
        DepositInterrupted: { target: 'bye', actions: sayBye },
      },
    },
    bye: {
      on: {
        MessageCompleted: { actions: deferMessage('over'), meta: STORE_CLAUSES },
        DepositAborted: { actions: 'countAborted' },
        ByeAnswered: { target: 'ended', actions: settle },
        ByeReceived: { target: 'ended', actions: settle, meta: { clauses: ['IM-11.3.2.5-5'] } },
        GraceElapsed: [{ guard: 'isDue', target: 'ended', actions: settle }, {}],
        DepositInterrupted: { actions: sayBye },
      },
    },
    ended: {
      on: {
        MessageCompleted: { actions: deferMessage('over'), meta: STORE_CLAUSES },
        // It came whole and could not be kept; or it was given up when the session ended.
        DepositAborted: { actions: 'countAborted' },
        ByeReceived: {},
      },
    },
  },
});
