/**
 * What the user agent uses of the npm package `sip` (0.0.6, CommonJS, without types). Every string
 * is a "binary" string: one character is one octet.
 */
// @ts-expect-error The package has no types; those below were read off its source.
import untyped from 'sip';

export interface PackageAddress {
  readonly name?: string;
  readonly uri: string;
  readonly params: Readonly<Record<string, string | null>>;
}

export interface PackageHeaders {
  readonly to: PackageAddress;
  readonly 'call-id': string;
  readonly [name: string]: unknown;
}

export interface PackageRequest {
  readonly method: string;
  readonly headers: PackageHeaders;
  readonly content?: string;
}

export interface PackageResponse {
  readonly status: number;
  readonly reason: string;
}

export interface PackageStack {
  send(
    request: {
      readonly method: string;
      readonly uri: string;
      readonly headers: Record<string, unknown>;
      readonly content?: string;
    },
    onResponse: (response: PackageResponse) => void,
  ): void;
  send(response: PackageResponse): void;
  destroy(): void;
}

interface SipPackage {
  /** Binds at once; `publicAddress` is what its Via says. */
  create(
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
  makeResponse(
    request: PackageRequest,
    status: number,
    reason: string,
    extension: { readonly headers: Record<string, unknown>; readonly content?: string },
  ): PackageResponse;
}

export const { create, makeResponse }: SipPackage = untyped;
