/** Reads what `strace -f -o FILE` wrote: system calls with their place in the order of events. */

export interface SystemCall {
  readonly pid: string;
  readonly name: string;
  /** Arguments and result as strace prints them; octets keep its escapes. */
  readonly text: string;
  /** Ended without an error. */
  readonly succeeded: boolean;
  /** Number of the line at which it was entered; of the line at which it had returned. */
  readonly entered: number;
  readonly returned: number;
}

const CALL = /^(\d+) +[\d:.]+ (\w+)\((.*)$/;
const RESUMED = /^(\d+) +[\d:.]+ <\.\.\. (\w+) resumed>(.*)$/;
const UNFINISHED = ' <unfinished ...>';

/** A call that another thread's interrupted is put together again; one that never returned is not. */
export function parseTrace(text: string): readonly SystemCall[] {
  const calls: SystemCall[] = [];
  const open = new Map<string, { text: string; entered: number }>();
  for (const [number, line] of text.split('\n').entries()) {
    const [, pid = '', name = '', rest = ''] = CALL.exec(line) ?? RESUMED.exec(line) ?? [];
    if (name === '') continue;
    const key = `${pid} ${name}`;
    if (rest.endsWith(UNFINISHED)) {
      open.set(key, { text: rest.slice(0, -UNFINISHED.length), entered: number });
      continue;
    }
    const begun = RESUMED.test(line) ? open.get(key) : undefined;
    open.delete(key);
    const whole = (begun?.text ?? '') + rest;
    const succeeded = / = \d+/.test(whole.slice(whole.lastIndexOf(')')));
    const entered = begun?.entered ?? number;
    calls.push({ pid, name, text: whole, succeeded, entered, returned: number });
  }
  return calls.sort((a, b) => a.entered - b.entered);
}
