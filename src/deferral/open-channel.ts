/** Opens the MSRP session of a delivery; what happens to it comes back as inputs. */
import type { Submit } from '../engine/input.ts';
import type { Clock, Effect, Views } from '../engine/ports.ts';
import { parseStreamName } from '../engine/stream-name.ts';
import type { ChannelEnd } from '../machines/delivery/effects.ts';
import type { PushFailedData } from '../machines/delivery/events.ts';
import { messageView } from '../projections/waiting-messages.ts';
import type { Channels } from './channel.ts';

export interface OpenChannelOptions {
  readonly submit: Submit;
  readonly views: Views;
  readonly clock: Clock;
  readonly channels: Channels;
  onFault(where: string, fault: unknown): void;
}

export function openChannel(options: OpenChannelOptions, effect: Effect): void {
  const { submit, views, clock, channels, onFault } = options;
  const { stream } = effect.event;

  function fact(type: string, data: unknown, cause: string): void {
    submit(stream, { type, at: clock.now(), data, cause, causation: effect.id }).catch(
      (fault: unknown) => onFault(effect.id, fault),
    );
  }

  async function takenBack(id: string, status: number): Promise<void> {
    const row = await views.get(messageView, id);
    if (!row) return onFault(effect.id, `a REPORT took back ${id}, which has no row`);
    const { account, revision, bytes, expiresAt, source } = row;
    const data: PushFailedData = {
      account,
      id,
      revision,
      bytes,
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(source === undefined ? {} : { source }),
      outcome: 'failed',
      reason: `REPORT ${status}`,
      status,
      attempt: true,
      takesBack: true,
    };
    fact('PushFailed', data, `taken back ${id}`);
  }

  channels.open(parseStreamName(stream).id, effect.params as ChannelEnd, {
    bound: (remote) => fact('ChannelBound', { remote }, `bound ${effect.id}`),
    lost: (reason) => fact('ChannelLost', { reason }, `lost ${effect.id}`),
    takenBack(id, status) {
      takenBack(id, status).catch((fault: unknown) => onFault(effect.id, fault));
    },
  });
}
