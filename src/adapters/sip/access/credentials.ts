import type { Ha1s } from '../../../wire/sip/digest.ts';

/** What stands in for the password of a user of this server; `undefined`: nobody of that name. */
export type CredentialsOf = (user: string, realm: string) => Promise<Ha1s | undefined>;

/** As whom this server answers a core that challenges it; `undefined`: unknown in that realm. */
export type OwnCredentials = (
  realm: string,
) => { readonly username: string; readonly ha1: Ha1s } | undefined;
