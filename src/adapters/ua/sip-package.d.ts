/**
 * What the user agent uses of the npm package `sip` (0.0.6, CommonJS, untyped). Every string is a
 * "binary" string: one character is one octet.
 */
declare module 'sip' {
  export interface PackageAddress {
    name?: string;
    uri: string;
    params: Record<string, string | null>;
  }

  export interface PackageHeaders {
    via?: unknown;
    from: PackageAddress;
    to: PackageAddress;
    'call-id': string;
    cseq: { seq: number; method: string };
    [name: string]: unknown;
  }

  export interface PackageRequest {
    method: string;
    uri: string;
    headers: PackageHeaders;
    content?: string;
  }

  export interface PackageResponse {
    status: number;
    reason: string;
    headers: PackageHeaders;
    content?: string;
  }

  export interface PackageStack {
    send(
      message: { method: string; uri: string; headers: Record<string, unknown>; content?: string },
      onResponse: (response: PackageResponse) => void,
    ): void;
    send(response: PackageResponse): void;
    destroy(): void;
  }

  export function create(
    options: {
      readonly address: string;
      readonly port: number;
      readonly udp: boolean;
      readonly tcp: boolean;
      readonly publicAddress: string;
      readonly logger: { readonly error: (error: unknown) => void };
    },
    onRequest: (request: PackageRequest) => void,
  ): PackageStack;

  export function makeResponse(
    request: PackageRequest,
    status: number,
    reason: string,
    extension: { readonly headers: Record<string, unknown>; readonly content?: string },
  ): PackageResponse;
}
