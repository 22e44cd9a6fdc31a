/** The frames of a connection as signals, also those whose body is not kept. */
import { createHash, type Hash } from 'node:crypto';
import type { StreamEvent } from '../../wire/msrp/frame.ts';
import { lengthOf } from '../../wire/msrp/reading.ts';
import { joinOctets } from '../../wire/msrp/render.ts';

/** Before the end-line; it belongs to neither head nor body (RFC 4975 §7.1). */
const CRLF_OCTETS = 2;

export interface MsrpSignal {
  readonly direction: 'in' | 'out';
  /** The frame as it was on the wire; without its body and the CRLF behind it when `body` is there. */
  readonly octets: Uint8Array;
  /** Of a body that was not kept; SHA-256 in lower-case hexadecimal. */
  readonly body?: { readonly bytes: number; readonly sha256: string };
  readonly transport: 'tcp' | 'tls';
  /** `host:port`, an IPv6 host in brackets. */
  readonly local: string;
  readonly remote: string;
}

export interface FrameJournal {
  received(octets: Uint8Array): void;
  sent(parts: readonly Uint8Array[]): void;
  /** One signal for each frame that comes in pieces, once it has ended. */
  streamed(event: StreamEvent): void;
  /** The connection is gone: a frame that had begun is recorded with what came of it. */
  cut(): void;
}

/**
 * Without `journal` nothing is recorded, and nothing hashed. `wholeBytesMax`: a longer body is told by
 * its digest, as one that came in pieces.
 */
export function frameJournal(
  journal: ((signal: MsrpSignal) => void) | undefined,
  ends: Pick<MsrpSignal, 'transport' | 'local' | 'remote'>,
  wholeBytesMax: number,
): FrameJournal {
  if (journal === undefined) return SILENT;
  let open: { readonly head: Uint8Array; readonly hash: Hash; bytes: number } | undefined;

  function ended(endLine: readonly Uint8Array[]): void {
    if (open === undefined) return;
    const { head, hash, bytes } = open;
    open = undefined;
    const octets = joinOctets([head, ...endLine]);
    const body = { bytes, sha256: hash.digest('hex') };
    journal?.({ direction: 'in', octets, body, ...ends });
  }

  return {
    received: (octets) => journal({ direction: 'in', octets, ...ends }),
    sent(parts) {
      const [head, ...content] = parts;
      const endLine = content.pop();
      const bytes = lengthOf(content);
      if (head === undefined || endLine === undefined || bytes <= wholeBytesMax) {
        journal({ direction: 'out', octets: joinOctets(parts), ...ends });
        return;
      }
      const hash = createHash('sha256');
      for (const part of content) hash.update(part);
      const octets = joinOctets([head, endLine.subarray(CRLF_OCTETS)]);
      const body = { bytes, sha256: hash.digest('hex') };
      journal({ direction: 'out', octets, body, ...ends });
    },
    streamed(event) {
      if (event.kind === 'begun') {
        open = { head: event.octets, hash: createHash('sha256'), bytes: 0 };
      } else if (event.kind === 'ended') ended([event.octets]);
      else if (open !== undefined) {
        open.hash.update(event.octets);
        open.bytes += event.octets.length;
      }
    },
    cut: () => ended([]),
  };
}

const SILENT: FrameJournal = { received() {}, sent() {}, streamed() {}, cut() {} };
