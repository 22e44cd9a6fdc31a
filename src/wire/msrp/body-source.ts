/** Where the octets of outgoing messages come from, a chunk at a time. */

export interface BodySource {
  readonly bytes: number;
  /**
   * 1…`bytesMax` octets from `at` (from 0) that stay as they are. `later`: none yet, `wake` is
   * called once when it is worth asking again. `failed`: they can never be had, and why.
   */
  read(
    at: number,
    bytesMax: number,
    wake: () => void,
  ): Uint8Array | 'later' | { readonly failed: string };
  /** Nothing more will be asked. Called once. */
  close(): void;
}

export function bodySource(body: Uint8Array | BodySource): BodySource {
  if (!(body instanceof Uint8Array)) return body;
  return {
    bytes: body.length,
    read: (at, bytesMax) => body.subarray(at, at + bytesMax),
    close() {},
  };
}
