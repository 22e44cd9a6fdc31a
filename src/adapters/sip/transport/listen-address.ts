/** Where to listen, or where something listens. */
export interface ListenAddress {
  readonly transport: 'udp' | 'tcp';
  /** An IP address without brackets. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

/** Reads `udp://127.0.0.1:5060` or `tcp://[::1]:5060`; `undefined` when it is neither. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(udp|tcp):\/\/(?:\[([0-9a-f:.]+)\]|([^:/[\]]+)):(\d{1,5})\/?$/i.exec(text);
  const transport = match?.[1]?.toLowerCase();
  const host = match?.[2] ?? match?.[3];
  const port = Number(match?.[4]);
  if ((transport !== 'udp' && transport !== 'tcp') || host === undefined || port > 65_535) {
    return undefined;
  }
  return { transport, host, port };
}

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
