import { type ChildProcess, spawn } from 'node:child_process';
import { bundle } from '../../controls/bundle.ts';

export interface Child {
  readonly process: ChildProcess;
  /** Lines of standard output so far, complete ones only. */
  lines(): readonly string[];
  /** Resolves when the condition holds of the lines; rejects when the process ends before. */
  until(condition: (lines: readonly string[]) => boolean): Promise<void>;
  /** Resolves with the exit code or the signal's name, and standard error. */
  readonly ended: Promise<{ readonly how: number | string; readonly errors: string }>;
}

/** Starts a TypeScript file as a process of its own, behind `prefix` when one is given. */
export async function startChild(
  entry: string,
  args: readonly string[],
  prefix: readonly string[] = [],
): Promise<Child> {
  const command = [...prefix, process.execPath, await bundle(entry), ...args];
  const child = spawn(command[0] ?? '', command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  let over = false;
  const checks = new Set<() => void>();
  const check = () => {
    for (const one of [...checks]) one();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    check();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const lines = () => output.split('\n').slice(0, -1);
  const ended = new Promise<{ how: number | string; errors: string }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      over = true;
      resolve({ how: code ?? signal ?? 'unknown', errors });
      check();
    });
  });
  return {
    process: child,
    lines,
    ended,
    until: (condition) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!condition(lines()) && !over) return;
          checks.delete(look);
          if (condition(lines())) resolve();
          else reject(new Error(`${entry} ended early: ${errors}`));
        };
        checks.add(look);
        look();
      }),
  };
}
