import type { FrameEvent } from '../../wire/msrp/frame.ts';

/** Tells who drips octets into a frame: each stretch of it must come within `frameMs`. */
export interface FrameWatch {
  /** What came at `now`, and whether more of a frame is due; `false`: it takes too long. */
  observe(events: readonly FrameEvent[], within: boolean, now: number): boolean;
  /** It was not read for a while, which is not the peer's doing. */
  restart(now: number): void;
}

/** `stretchBytes`: how much of a long body starts the time anew. */
export function frameWatch(limits: {
  readonly frameMs: number;
  readonly stretchBytes: number;
}): FrameWatch {
  let since: number | undefined;
  /** How much of a stretch of a body that comes in pieces is here. */
  let stretch = 0;

  function progressed(event: FrameEvent): boolean {
    if (event.kind === 'piece') {
      stretch += event.octets.length;
      if (stretch < limits.stretchBytes) return false;
    }
    stretch = 0;
    return true;
  }

  return {
    observe(events, within, now) {
      for (const event of events) if (progressed(event)) since = undefined;
      if (!within) since = undefined;
      else since ??= now;
      return since === undefined || now - since <= limits.frameMs;
    },
    restart(now) {
      if (since !== undefined) since = now;
    },
  };
}
