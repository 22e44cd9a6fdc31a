/** The one place that joins and splits stream names. A category has no `-`. */

export type Category =
  | 'mailbox'
  | 'delivery'
  | 'deposit'
  | 'subscription'
  | 'node'
  | 'signal'
  | 'refusal'
  | 'finding';

/** The id may hold any character, `-` too. */
export function streamName(category: Category, id: string): string {
  return `${category}-${id}`;
}

/** Splits at the first `-`; a name without one is a category with an empty id. */
export function parseStreamName(stream: string): {
  readonly category: string;
  readonly id: string;
} {
  const dash = stream.indexOf('-');
  return dash < 0
    ? { category: stream, id: '' }
    : { category: stream.slice(0, dash), id: stream.slice(dash + 1) };
}
