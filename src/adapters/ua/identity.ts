import { randomBytes } from 'node:crypto';

/** `alice` is of the domain given; what has a scheme already stays as it is. */
export function addressOfRecord(name: string, domain: string): string {
  if (/^[a-z][a-z0-9+.-]*:/i.test(name)) return name;
  return `sip:${name.includes('@') ? name : `${name}@${domain}`}`;
}

/** The host of a SIP URI, which is also its registrar's Request-URI (RFC 3261 §10.2). */
export function domainOf(aor: string): string {
  return /^sips?:(?:[^@]*@)?([^:;?>]+)/i.exec(aor)?.[1] ?? 'invalid';
}

/** The user part of a SIP URI as it stands. */
export function userOf(aor: string): string {
  return /^sips?:([^:@;?]+)[^@]*@/i.exec(aor)?.[1] ?? 'ua';
}

/** A fresh tag, Call-ID or session id: 128 random bits, so nobody guesses it. */
export function freshToken(): string {
  return randomBytes(16).toString('hex');
}

/** The first product says which release of OMA IM the client speaks (OMA SIMPLE IM appendix F). */
export function productOf(version: string | undefined): string {
  return `IM-client/OMA1.0 restante-ua${version === undefined ? '' : `/${version}`}`;
}
