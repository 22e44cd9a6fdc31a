import type { TransportAddress } from '../../../wire/sip/transport-address.ts';

/** Where to listen, or where something listens. */
export type ListenAddress = TransportAddress;

/** `host:port`, an IPv6 host in brackets. */
export function hostPort(address: { readonly host: string; readonly port: number }): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** Why it cannot be listened there, and what to do about it. */
export function listenFailure(address: ListenAddress, error: NodeJS.ErrnoException): string {
  const where = `${address.transport}://${hostPort(address)}`;
  return `cannot listen on ${where}: ${advice(error)}`;
}

function advice(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return 'the port is in use; stop the program that has it, or choose another port';
    case 'EACCES':
      return (
        'no permission; choose a port from 1024 on, or give the program the right to low ports ' +
        '(CAP_NET_BIND_SERVICE)'
      );
    case 'EADDRNOTAVAIL':
      return 'this machine has no such address; choose one of its own, 0.0.0.0 or [::]';
    default:
      return `${error.message}; correct the address`;
  }
}
