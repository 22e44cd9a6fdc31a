import type { FrameEvent } from '../../wire/msrp/frame.ts';

/** Tells who drips octets into a frame: each stretch of it must come within `frameMs`. */
export interface FrameWatch {
  /** What came at `now`, and how much of a frame is held; `false`: it takes too long. */
  observe(events: readonly FrameEvent[], pending: number, now: number): boolean;
  /** It was not read for a while, which is not the peer's doing. */
  restart(now: number): void;
}

/** `stretchBytes`: how much of a long body starts the time anew. */
export function frameWatch(limits: {
  readonly frameMs: number;
  readonly stretchBytes: number;
}): FrameWatch {
  let since: number | undefined;
  /** Within a body that comes in pieces; how much of the stretch is here. */
  let stretch: number | undefined;

  function progressed(event: FrameEvent): boolean {
    if (event.kind !== 'piece') {
      stretch = event.kind === 'begun' ? 0 : undefined;
      return true;
    }
    stretch = (stretch ?? 0) + event.octets.length;
    if (stretch < limits.stretchBytes) return false;
    stretch = 0;
    return true;
  }

  return {
    observe(events, pending, now) {
      for (const event of events) if (progressed(event)) since = undefined;
      if (pending === 0 && stretch === undefined) since = undefined;
      else since ??= now;
      return since === undefined || now - since <= limits.frameMs;
    },
    restart(now) {
      if (since !== undefined) since = now;
    },
  };
}
