import { type Change, type Projection, VIEW_KEY_BYTES_MAX } from '../../engine/ports.ts';
import type { Recorded } from '../../engine/recorded.ts';

/** ASCII without NUL, so that the order of strings is the order of octets in every store. */
const KEY = new RegExp(`^[\\x01-\\x7f]{1,${VIEW_KEY_BYTES_MAX}}$`);

/**
 * The changes that `event` makes to the views of `projections`.
 *
 * @throws RangeError when a projection names a view that is not its own, or an impossible key
 */
export function changesOf(projections: readonly Projection[], event: Recorded): readonly Change[] {
  const changes: Change[] = [];
  for (const projection of projections) {
    for (const change of projection.project(event)) {
      if (!projection.views.includes(change.view)) {
        throw new RangeError(
          `the projection ${projection.name} changes the view ${change.view}, which is not in its` +
            ` \`views\` (at ${event.type}): add it there`,
        );
      }
      if (!KEY.test(change.key)) {
        throw new RangeError(
          `the projection ${projection.name} makes the key ${JSON.stringify(change.key)} of` +
            ` ${change.view}: keys are 1 to ${VIEW_KEY_BYTES_MAX} octets of ASCII; hash it or escape it`,
        );
      }
      changes.push(change);
    }
  }
  return changes;
}

/**
 * @throws RangeError when two projections have one name or one view
 */
export function checkProjections(projections: readonly Projection[]): void {
  const owners = new Map<string, string>();
  for (const { name, views } of projections) {
    for (const taken of [`projection ${name}`, ...views.map((view) => `view ${view}`)]) {
      const owner = owners.get(taken);
      if (owner) throw new RangeError(`${name} and ${owner} both have the ${taken}: rename one`);
      owners.set(taken, name);
    }
  }
}

/**
 * The row after a change; `undefined`: it goes. A fold that returns `undefined` removes its row.
 *
 * @param row the row before, `undefined` when there is none
 */
export function changed(change: Change, row: () => unknown): unknown {
  if ('put' in change) return change.put;
  return 'fold' in change ? change.fold(row()) : undefined;
}
