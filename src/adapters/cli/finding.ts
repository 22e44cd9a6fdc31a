import { visible } from '../../wire/visible.ts';
import type { Faults } from './log-check.ts';

/** What one check of the doctor says. */
export interface Finding {
  readonly check: string;
  readonly ok: boolean;
  /** Present: nothing is wrong, but somebody may wonder. */
  readonly note?: true;
  readonly found: string;
  /** What to do about it; absent: nothing. */
  readonly todo?: string;
}

export function ok(check: string, found: string): Finding {
  return { check, ok: true, found };
}

export function note(check: string, found: string): Finding {
  return { check, ok: true, note: true, found };
}

export function finding(check: string, found: string, todo: string): Finding {
  return { check, ok: false, found, todo };
}

/** A finding when there is any fault: the first of them, and how many there are. */
export function faultFinding(
  check: string,
  good: string,
  { faults, todo }: { readonly faults: Faults; readonly todo: string },
): Finding {
  if (faults.count === 0) return ok(check, good);
  const more = faults.count > faults.first.length ? `; … (${faults.count} in all)` : '';
  return finding(check, faults.first.map(visible).join('; ') + more, todo);
}
