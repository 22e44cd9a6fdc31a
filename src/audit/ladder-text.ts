/** Draws a ladder as text, with box-drawing characters. */
import type { Ladder, LadderArrow, LadderLane, LadderNote, LadderRow } from './ladder.ts';

export interface LadderTextOptions {
  /** Columns of the terminal; lanes are never closer than they can be read. Default: 100. */
  readonly width?: number;
  /** With ANSI colours. */
  readonly color?: boolean;
}

const WIDTH_DEFAULT = 100;
/** Room for `── SEND 1-1138/1138 $ ─▶` between two lifelines. */
const LANE_WIDTH_MIN = 20;
/** Wider, an arrow is only longer. */
const LANE_WIDTH_MAX = 30;

const paints = { dim: 2, bold: 1, red: 31, green: 32, cyan: 36, magenta: 35 } as const;
type Paint = keyof typeof paints;
type Painter = (paint: Paint, text: string) => string;

interface Layout {
  readonly laneWidth: number;
  /** Column of each lifeline, counted from behind the margin. */
  readonly lines: readonly number[];
  readonly bodyWidth: number;
  readonly positionWidth: number;
  readonly timeWidth: number;
  readonly paint: Painter;
}

/** One line for each row; at the left its position in the log and milliseconds since the first. */
export function renderLadder(ladder: Ladder, options: LadderTextOptions = {}): string {
  const { lanes, rows } = ladder;
  if (rows.length === 0) return 'nothing recorded\n';
  const layout = layoutOf(ladder, options);
  const lines = [...headOf(lanes, layout), ...rows.map((row) => lineOf(row, layout))];
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

function layoutOf({ lanes, rows }: Ladder, options: LadderTextOptions): Layout {
  const { width = WIDTH_DEFAULT, color = false } = options;
  const widest = (texts: readonly string[]) =>
    texts.reduce((most, text) => Math.max(most, text.length), 0);
  const positionWidth = widest(rows.map(({ position }) => shortPosition(position)));
  const timeWidth = widest(rows.map(({ ms }) => timeText(ms)));
  const bodyWidth = Math.max(width - positionWidth - timeWidth - 3, lanes.length * LANE_WIDTH_MIN);
  const laneWidth = Math.min(Math.floor(bodyWidth / lanes.length), LANE_WIDTH_MAX);
  return {
    laneWidth,
    lines: lanes.map((_, index) => index * laneWidth + Math.floor(laneWidth / 2)),
    bodyWidth,
    positionWidth,
    timeWidth,
    paint: (paint, text) => (color ? `\u001b[${paints[paint]}m${text}\u001b[0m` : text),
  };
}

/** The embedded store pads positions with zeros, which say nothing to a person. */
function shortPosition(position: string): string {
  return position.replace(/^0+(?=.)/, '');
}

function timeText(ms: number): string {
  return `${ms} ms`;
}

function headOf(lanes: readonly LadderLane[], layout: Layout): readonly string[] {
  const { laneWidth, positionWidth, timeWidth, paint } = layout;
  const margin = ' '.repeat(positionWidth + timeWidth + 3);
  const line = (paintOf: Paint, texts: readonly string[]) =>
    margin +
    paint(
      paintOf,
      texts
        .map((text) => centred(text, laneWidth))
        .join('')
        .trimEnd(),
    );
  return [
    line(
      'bold',
      lanes.map(({ name }) => name),
    ),
    line('dim', lanes.map(addressText)),
    margin + paint('dim', lifelines(layout, '│').join('').trimEnd()),
  ];
}

function addressText({ addresses }: LadderLane): string {
  const [first = ''] = addresses;
  return addresses.length > 1 ? `${addresses.length} addresses` : first;
}

function centred(text: string, width: number): string {
  const shown = shortened(text, width - 1);
  const left = Math.ceil((width - shown.length) / 2);
  return `${' '.repeat(left)}${shown}`.padEnd(width);
}

function shortened(text: string, width: number): string {
  if (text.length <= width) return text;
  // Never half of a surrogate pair.
  return `${text.slice(0, Math.max(0, width - 1)).replace(/[\ud800-\udbff]$/, '')}…`;
}

function lifelines({ lines, bodyWidth }: Layout, mark: string): string[] {
  const cells = Array.from({ length: bodyWidth }, () => ' ');
  for (const line of lines) cells[line] = mark;
  return cells;
}

function lineOf(row: LadderRow, layout: Layout): string {
  const { positionWidth, timeWidth, paint } = layout;
  const position = shortPosition(row.position).padStart(positionWidth);
  const margin = paint('dim', `${position}  ${timeText(row.ms).padStart(timeWidth)} `);
  return margin + (row.kind === 'arrow' ? arrowText(row, layout) : noteText(row, layout));
}

function arrowText(arrow: LadderArrow, layout: Layout): string {
  const { lines, paint } = layout;
  const cells = lifelines(layout, '│');
  const [from, to] = [lines[arrow.from] ?? 0, lines[arrow.to] ?? 0];
  const [left, right] = [Math.min(from, to) + 1, Math.max(from, to)];
  const label = ` ${shortened(arrow.label, Math.max(1, right - left - 6))} `;
  const shaft = cells.slice(left, right).map((cell): string => (cell === '│' ? '┼' : '─'));
  shaft[to > from ? shaft.length - 1 : 0] = to > from ? '▶' : '◀';
  const start = Math.floor((shaft.length - label.length) / 2);
  const drawn = shaft.slice(0, start).join('') + label + shaft.slice(start + label.length).join('');
  const paintOf = arrow.failure ? 'red' : arrow.protocol === 'sip' ? 'cyan' : 'magenta';
  const before = cells.slice(0, left).join('');
  return before + paint(paintOf, drawn) + cells.slice(right).join('').trimEnd();
}

/** The text runs over the lanes to the right: in its row nothing passes between them. */
function noteText(note: LadderNote, layout: Layout): string {
  const { lines, bodyWidth, paint } = layout;
  const line = lines[note.lane] ?? 0;
  const room = bodyWidth - line - 2;
  const state = note.after === '' ? '' : ` → ${note.after}`;
  const title = shortened(`${note.type}${state}`, room);
  // Two spaces and the brackets.
  const detail = shortened(note.detail, Math.max(0, room - title.length - 4));
  const before = lifelines(layout, '│').slice(0, line).join('');
  const tail = detail.length > 1 ? paint('dim', `  (${detail})`) : '';
  return `${before}${paint('green', `● ${title}`)}${tail}`;
}
