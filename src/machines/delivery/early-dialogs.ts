/**
 * What provisional responses said, by the early dialog they belong to: the final word is that
 * of the 2xx, but a fork may say in its 180 alone what it allows. Reliable ones are acknowledged
 * each once and in order (RFC 3262 §4).
 */
import type { PushDialog } from './effects.ts';
import type { InviteProgressedData } from './events.ts';
import { EARLY_DIALOGS_MAX } from './limits.ts';

export interface EarlyDialog extends PushDialog {
  readonly allow: string | null;
  /** RSeq of the last reliable response that was acknowledged; null: there was none. */
  readonly rseq: number | null;
  /** CSeq number of our last request in it. */
  readonly cseq: number;
}

/** The early dialog of that tag; a response without one belongs to that of the empty tag. */
export function earlyDialog(
  early: readonly EarlyDialog[],
  toTag: string | undefined,
): EarlyDialog | undefined {
  return early.find((dialog) => dialog.toTag === (toTag ?? ''));
}

/** Whether the response changes anything, when one came before. */
export function tellsNews(early: readonly EarlyDialog[], data: InviteProgressedData): boolean {
  const known = earlyDialog(early, data.toTag);
  if (!known) return early.length < EARLY_DIALOGS_MAX;
  const { rseq, allow } = data;
  // RFC 3262 §4: what comes again was acknowledged, what comes after a gap must not be.
  if (rseq !== undefined) return known.rseq === null || rseq === known.rseq + 1;
  return allow !== undefined && allow !== known.allow;
}

/** The early dialogs after a response that tells news; a PRACK takes the next CSeq number. */
export function withProgress(
  early: readonly EarlyDialog[],
  data: InviteProgressedData,
  inviteCseq: number,
): readonly EarlyDialog[] {
  const { toTag = '', remoteTarget, routeSet, allow, rseq } = data;
  const known = earlyDialog(early, toTag);
  const others = early.filter((dialog) => dialog !== known);
  if (!known && others.length >= EARLY_DIALOGS_MAX) return early;
  const cseq = known?.cseq ?? inviteCseq;
  return [
    ...others,
    {
      toTag,
      remoteTarget: remoteTarget ?? known?.remoteTarget ?? '',
      // RFC 3261 §12.1.2: the route set is that of the response that made the dialog.
      routeSet: known?.routeSet ?? routeSet ?? [],
      allow: allow ?? known?.allow ?? null,
      rseq: rseq ?? known?.rseq ?? null,
      cseq: rseq === undefined ? cseq : cseq + 1,
    },
  ];
}
