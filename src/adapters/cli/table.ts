import { visible } from '../../wire/visible.ts';

export type Cell = string | number | undefined;

const GAP = '  ';

function text(cell: Cell): string {
  return typeof cell === 'number' ? String(cell) : visible(cell ?? '-');
}

/** Columns under their heads, numbers to the right. Text may come off the wire. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const cells = rows.map((row) => row.map(text));
  const width = (column: number) =>
    Math.max(...[head, ...cells].map((row) => [...(row[column] ?? '')].length));
  const widths = head.map((_, column) => width(column));
  const isNumber = head.map((_, column) => rows.some((row) => typeof row[column] === 'number'));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => {
        const space = ' '.repeat(Math.max(0, (widths[column] ?? 0) - [...cell].length));
        return isNumber[column] ? space + cell : cell + space;
      })
      .join(GAP)
      .trimEnd();
  return [head, ...cells].map((row) => `${line(row)}\n`).join('');
}

/** One name and its value a line. Text may come off the wire. */
export function listing(entries: readonly (readonly [name: string, value: Cell])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, value]) => `${name.padEnd(width)}${GAP}${text(value)}\n`).join('');
}

/** A heading over a table, or one line that says that there is nothing. */
export function section(title: string, body: string, isEmpty: boolean): string {
  return isEmpty ? `\n${title}: none\n` : `\n${title}:\n${body}`;
}

/** `2026-11-22T09:15:00.123Z`. */
export function utc(epochMs: number): string {
  const date = new Date(epochMs);
  return Number.isNaN(date.getTime()) ? String(epochMs) : date.toISOString();
}

/**
 * One line of JSON in ASCII: exact for a program, and harmless for a terminal whatever the wire put
 * into it.
 */
export function jsonLine(value: unknown): string {
  const ascii = JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `${ascii}\n`;
}
