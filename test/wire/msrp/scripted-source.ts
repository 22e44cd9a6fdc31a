import type { BodySource } from '../../../src/wire/msrp/body-source.ts';

/** A source that does as it is told, and what it was asked. */
export interface ScriptedSource extends BodySource {
  readonly asked: (readonly [at: number, bytesMax: number])[];
  closed: number;
  /** Octets from here on are not there yet. */
  until: number;
  /** Octets from here on cannot be had. */
  broken: number;
  /** What it gives at one time. */
  bytesMax: number;
  /** Calls back everybody who was told `later`. */
  wake(): void;
}

export function scriptedSource(body: Uint8Array): ScriptedSource {
  const waiting: (() => void)[] = [];
  const source: ScriptedSource = {
    bytes: body.length,
    asked: [],
    closed: 0,
    until: body.length,
    broken: Number.POSITIVE_INFINITY,
    bytesMax: Number.POSITIVE_INFINITY,
    wake() {
      for (const call of waiting.splice(0)) call();
    },
    read(at, bytesMax, wake) {
      source.asked.push([at, bytesMax]);
      if (at >= source.broken) return { failed: 'the disk is gone' };
      if (at >= source.until) {
        waiting.push(wake);
        return 'later';
      }
      return body.subarray(at, Math.min(at + bytesMax, source.until, at + source.bytesMax));
    },
    close() {
      source.closed += 1;
    },
  };
  return source;
}
