import { destination as openDestination, pino, stdTimeFunctions } from 'pino';
import { visible } from '../../wire/visible.ts';

/** Values of a line. `level`, `time` and `event` are the line's own names. */
export type LogFields = Readonly<Record<string, unknown>>;

/** One line an event: what happened, as a name, and with what. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Takes each line; default: standard error, at once. */
  readonly destination?: { write(line: string): void };
}

const STANDARD_ERROR = 2;
/** Fields of fields are shown down to here. */
const DEPTH_MAX = 4;

/** Text may come off the wire, wherever it stands. */
function shown(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return visible(value);
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return `${value.length} octets`;
  if (value instanceof Error) {
    return { name: value.name, message: visible(value.message), stack: visible(value.stack ?? '') };
  }
  if (typeof value !== 'object' || value === null) return value;
  if (depth === DEPTH_MAX) return '…';
  if (Array.isArray(value)) return value.map((item) => shown(item, depth + 1));
  return shownFields(value, depth);
}

function shownFields(fields: object, depth: number): Record<string, unknown> {
  const entries = Object.entries(fields);
  return Object.fromEntries(
    entries.map(([name, value]) => [visible(name), shown(value, depth + 1)]),
  );
}

/**
 * Opens a log of JSON lines. Text is made visible, octets are only counted: nothing of a message's
 * content gets into a line unless a caller names it as a text of its own.
 */
export function openLog(options: LogOptions): Log {
  const sink = options.destination ?? openDestination({ fd: STANDARD_ERROR, sync: true });
  const logger = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'event',
      timestamp: stdTimeFunctions.isoTime,
      formatters: {
        level: (level) => ({ level }),
        log: (fields) => shownFields(fields, 0),
      },
    },
    sink,
  );
  return {
    debug: (event, fields = {}) => logger.debug(fields, event),
    info: (event, fields = {}) => logger.info(fields, event),
    warn: (event, fields = {}) => logger.warn(fields, event),
    error: (event, fields = {}) => logger.error(fields, event),
  };
}
