/** An error of the user's or the environment's: what is wrong, where, and what to do about it. */
export interface Problem {
  readonly what: string;
  readonly where: string;
  readonly todo: string;
}

/** One problem as it is printed on standard error. */
export function problemText({ what, where, todo }: Problem): string {
  return `restante: ${what}\n  where: ${where}\n  to do: ${todo}\n`;
}

/** What the process exits with. */
export const EXIT = {
  ok: 0,
  /** What was asked for is not there, or something is wrong with what is. */
  finding: 1,
  usage: 2,
  /** The environment: a port in use, a store that does not open. */
  environment: 3,
} as const;
