/** What the process before left open is taken up: timers armed, deliveries closed or reported. */
import type { Chart } from '../engine/decide.ts';
import type { Outcome, Submit } from '../engine/input.ts';
import type { Clock, EventStore, Views } from '../engine/ports.ts';
import type { Recorded } from '../engine/recorded.ts';
import type { Timers } from '../engine/timers.ts';
import { deliveryView } from '../projections/deliveries.ts';
import { deliveringView, openDeliveryView, timerView } from '../projections/in-flight.ts';
import { openDepositView, unsettledView } from '../projections/large-messages.ts';
import { deliveryStream, depositStream } from './account.ts';
import { type OpenWork, type RecoveryStep, recover } from './recovery.ts';
import { reportDelivery } from './report-delivery.ts';

export interface TakeUpOptions {
  /** Answers `unknown` when the log cannot take an input. */
  readonly submit: Submit;
  /** Does not give up. */
  readonly insist: Submit;
  readonly store: EventStore;
  readonly views: Views;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Of deliveries. */
  readonly chart: Chart;
  /** Everything that a session brought finds its place in the mailbox. */
  settleDeposit(deposit: string, causation: string): Promise<void>;
  onFault(where: string, fault: unknown): void;
}

/** Says that this process, or the one before, cuts a delivery short. */
export async function interrupt(
  { submit, views, clock }: Pick<TakeUpOptions, 'submit' | 'views' | 'clock'>,
  delivery: string,
  { since, account }: { readonly since: number; readonly account?: string },
): Promise<Outcome> {
  const of = account ?? (await views.get(deliveryView, delivery))?.account ?? '';
  return submit(deliveryStream(delivery), {
    type: 'DeliveryInterrupted',
    at: clock.now(),
    data: { account: of, cause: 'restart' },
    cause: `interrupted ${since}`,
  });
}

/** Says that the session of a sender is cut short. */
export function interruptDeposit(
  { submit, clock }: Pick<TakeUpOptions, 'submit' | 'clock'>,
  deposit: string,
  since: number,
): Promise<Outcome> {
  return submit(depositStream(deposit), {
    type: 'DepositInterrupted',
    at: clock.now(),
    data: { cause: 'restart' },
    cause: `interrupted ${since}`,
  });
}

/** Reads views alone: cheap, and before any effect of this process. */
export async function readOpenWork(views: Views): Promise<OpenWork> {
  const [timerRows, delivering, open, deposits, unsettledRows] = await Promise.all([
    views.range(timerView),
    views.range(deliveringView),
    views.range(openDeliveryView),
    views.range(openDepositView),
    views.range(unsettledView),
  ]);
  const known = new Set<string>();
  for (const [, { delivery }] of delivering) {
    if (await views.get(deliveryView, delivery)) known.add(delivery);
  }
  const timers = timerRows.map(([, row]) => row);
  return {
    ...{ timers, delivering, known },
    openDeliveries: new Map(open),
    openDeposits: deposits.map(([deposit]) => deposit),
    unsettled: new Set(unsettledRows.map(([key]) => key.split(' ')[0] ?? '')),
  };
}

/** The last event of an ended delivery decided the report: it is performed again. */
async function reportAgain(
  { submit, store, views, clock, chart }: TakeUpOptions,
  delivery: string,
): Promise<Outcome> {
  const stream = deliveryStream(delivery);
  let reported: { event: Recorded; params: unknown; index: number } | undefined;
  let state = chart.initial;
  for await (const event of store.read(stream)) {
    const decision = chart.decide(state, event);
    if (decision.outcome !== 'accepted') continue;
    state = decision.state;
    const index = decision.effects.findIndex(({ name }) => name === 'reportDelivery');
    const effect = decision.effects[index];
    if (effect) reported = { event, params: effect.params, index };
  }
  if (!reported) throw new Error(`${stream} has ended without a report: run restante doctor`);
  const { event, params, index } = reported;
  const id = `${stream}/${event.revision}/${index}`;
  return reportDelivery({ submit, views, clock }, { name: 'reportDelivery', params, id, event });
}

/** Takes all up, oldest decision first. What fails is told, and keeps nothing else from its turn. */
export async function takeUp(options: TakeUpOptions, work: OpenWork, since: number): Promise<void> {
  const { timers, insist, onFault } = options;

  async function close(
    step: Exclude<RecoveryStep, { step: 'timer' }>,
    submit: Submit,
  ): Promise<Outcome | undefined> {
    const how = { ...options, submit };
    switch (step.step) {
      case 'report':
        return reportAgain(how, step.delivery);
      case 'interrupt':
        return interrupt(how, step.delivery, { since, account: step.account });
      case 'interruptDeposit':
        return interruptDeposit(how, step.deposit, since);
      case 'settle':
        // It insists; the start does not wait for that.
        options
          .settleDeposit(step.deposit, `settled ${since}`)
          .catch((fault: unknown) => options.onFault(`settlement of ${step.deposit}`, fault));
        return undefined;
      default:
        return step satisfies never;
    }
  }

  for (const step of recover(work)) {
    if (step.step === 'timer') {
      timers.start(step.timer);
      continue;
    }
    const of = 'delivery' in step ? step.delivery : step.deposit;
    const told = (fault: unknown) => onFault(`${step.step} of ${of}`, fault);
    try {
      const outcome = await close(step, options.submit);
      if (outcome?.outcome !== 'unknown') continue;
      told(outcome.reason);
      // The log may take it later; the start does not wait for that.
      close(step, insist).catch(told);
    } catch (fault) {
      told(fault);
    }
  }
}
