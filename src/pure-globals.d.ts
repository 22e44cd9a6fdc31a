// What every JavaScript host has and TypeScript's `es2023` library leaves to `dom` or `node`:
// the pure rooms may use these and no other host global.

declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(octets?: Uint8Array): string;
}

declare function queueMicrotask(callback: () => void): void;
