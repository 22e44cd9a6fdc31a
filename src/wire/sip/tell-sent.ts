import type { SendResult } from './hop.ts';

/** Tells what became of octets; a transport that fails altogether has sent nothing either. */
export function tellSent(
  sending: Promise<SendResult> | undefined,
  told: (result: SendResult) => void,
): void {
  sending?.then(told, (cause: unknown) => told({ sent: false, reason: String(cause) }));
}
