/** The log of a server as another process reads it, also while that server runs. */
import type { Recorded } from '../../src/engine/recorded.ts';
import { parseStreamName } from '../../src/engine/stream-name.ts';
import { openStore } from '../../src/main/open-store.ts';

export async function readLog(data: string): Promise<readonly Recorded[]> {
  const opened = await openStore({ url: `lmdb:${data}/store`, readOnly: true });
  if (opened.kind === 'failure') throw new Error(opened.what);
  const { store } = opened;
  const log: Recorded[] = [];
  try {
    for await (const event of store.readAll()) log.push(event);
    return log;
  } finally {
    await store.close();
  }
}

/** Octets that made an event, or that stand by themselves in the journal, of this direction. */
function isSignal(event: Recorded, direction: 'received' | 'sent'): boolean {
  if (parseStreamName(event.stream).category === 'signal') {
    return event.type === (direction === 'sent' ? 'SignalSent' : 'SignalReceived');
  }
  return direction === 'received' && event.meta.evidence !== undefined;
}

/** Start lines of the signals that it received or sent, in order. */
export function startLines(
  log: readonly Recorded[],
  direction: 'received' | 'sent',
): readonly string[] {
  return log
    .filter((event) => isSignal(event, direction))
    .map(({ data, octets, stream }) => {
      if (parseStreamName(stream).category === 'signal') {
        return String((data as { readonly startLine?: string }).startLine);
      }
      return (
        Buffer.from(octets ?? [])
          .toString('latin1')
          .split('\r\n', 1)[0] ?? ''
      );
    });
}

/** Types of the events of a category of streams, signals aside, in order. */
export function typesOf(log: readonly Recorded[], category: string): readonly string[] {
  return log
    .filter(({ stream }) => parseStreamName(stream).category === category)
    .map(({ type }) => type);
}
