import { visible } from '../../wire/visible.ts';

/** One step of the story, told when it has happened. */
export interface Chapter {
  readonly name: string;
  readonly headline: string;
  /** Short lines of text for a person. */
  readonly lines: readonly string[];
  /** The same for a program. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** A message as the subscriber's client understood it. */
export interface ShownMessage {
  readonly from?: string;
  readonly date?: string;
  readonly subject?: string;
  /** When the server received it, seconds since 1970 with milliseconds. */
  readonly timestamp?: string;
  readonly text: string;
}

/** For a terminal: a numbered headline and the lines below it. */
export function chapterText(chapter: Chapter, number: number): string {
  const lines = chapter.lines.map((line) => `   ${line}`.trimEnd());
  return `${[`${number}. ${chapter.headline}`, ...lines].join('\n')}\n\n`;
}

/** For a program: one line of JSON. */
export function chapterJson({ name, headline, facts }: Chapter, number: number): string {
  return `${JSON.stringify({ chapter: number, name, headline, ...facts })}\n`;
}

/** The text of a message and, below it, where it came from and when. */
export function messageLines(message: ShownMessage): readonly string[] {
  const { from, subject, date, timestamp, text } = message;
  const fields = [
    ['From', from],
    ['Subject', subject],
    ['Date', date],
    ['Timestamp', timestamp],
  ].flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${visible(value)}`]));
  return [`“${visible(text)}”`, ...fields.map((field) => `    ${field}`)];
}

/** Why the story ended early, and what the server said last. */
export function failureChapter(reason: string, serverLines: readonly string[]): Chapter {
  const said = serverLines.map(visible);
  const last =
    said.length === 0 ? [] : ['the server said last:', ...said.map((line) => `  ${line}`)];
  return {
    name: 'failed',
    headline: `The story ends here: ${reason}`,
    lines: last,
    facts: { failed: reason, serverLines },
  };
}
