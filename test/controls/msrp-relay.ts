/** Kamailio as an MSRP relay (RFC 4976), on loopback and free ports. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CertificateFiles } from './certificates.ts';
import { kamailioAvailable, runKamailio } from './kamailio.ts';
import { freePort } from './server.ts';

const HOST = '127.0.0.1';
export const RELAY_REALM = 'relay.example.org';
/**
 * The longest frame that passes. Of a longer one the configuration sees nothing and refuses it with
 * 481; one of more than 16 KiB costs the connection.
 */
export const RELAY_FRAME_BYTES_MAX = 11_238;
/** What may not be interrupted (RFC 4975 §7.1.1) is a size that every relay must take. */
export const RELAY_CHUNK_BYTES = 2048;
const USERS = { alice: 'alicealice', bob: 'bobbob' };
/** Seconds that a Use-Path may be asked for. */
export const RELAY_EXPIRES = { min: 60, max: 3600 } as const;

export interface MsrpRelayOptions {
  /** Name and password of who may use it; default: alice and bob, with their name twice. */
  readonly users?: Readonly<Record<string, string>>;
  /** Clients come over TLS, as RFC 4976 §9.2 demands, and get an msrps URI; default: TCP. */
  readonly tls?: CertificateFiles;
  /**
   * `reuse` (RFC 4976 §6.4.2): what goes back to a peer takes the connection that the peer opened.
   * `connect`: a new one to the port in the peer's URI, as Kamailio does when left alone.
   */
  readonly backwards?: 'reuse' | 'connect';
}

export interface MsrpRelay {
  readonly host: string;
  /** Where clients connect: TLS when it has a certificate. */
  readonly port: number;
  /** Where it takes TCP, and from where it connects to peers without TLS. */
  readonly tcpPort: number;
  /** What an AUTH is addressed to. */
  readonly uri: string;
  log(): string;
  close(): Promise<void>;
}

/** Whether Kamailio can be a relay, or one for TLS; says loudly when it cannot. */
export function msrpRelayAvailable(transport: 'tcp' | 'tls' = 'tcp'): boolean {
  if (!kamailioAvailable()) return false;
  const folder = mkdtempSync(join(tmpdir(), 'restante-msrp-relay-'));
  const file = join(folder, 'relay.cfg');
  const port = 5060;
  const tls = transport === 'tls' ? { port: 5061, certificate: file, key: file } : undefined;
  writeFileSync(file, configuration({ port, users: USERS, backwards: 'reuse', tls }));
  const { status, stderr } = spawnSync('kamailio', ['-c', '-f', file]);
  rmSync(folder, { recursive: true });
  if (status !== 0) {
    const lacks = transport === 'tls' ? 'kamailio-tls-modules' : 'a kamailio with its module msrp';
    console.warn(`SKIPPED: Kamailio relayed no MSRP: install ${lacks}\n${stderr}`);
  }
  return status === 0;
}

/** Resolves when it takes connections; rejects with its log when it does not. */
export async function startMsrpRelay(options: MsrpRelayOptions = {}): Promise<MsrpRelay> {
  const { users = USERS, backwards = 'reuse' } = options;
  const tcpPort = await freePort();
  const tls = options.tls && { ...options.tls, port: await freePort() };
  const folder = await mkdtemp(join(tmpdir(), 'restante-msrp-relay-'));
  const file = join(folder, 'relay.cfg');
  await writeFile(file, configuration({ port: tcpPort, users, backwards, tls }));
  // Kamailio binds what is for TLS last.
  const port = tls?.port ?? tcpPort;
  const running = await runKamailio({ file, folder, port });
  const uri = `msrp${tls ? 's' : ''}://${HOST}:${port};tcp`;
  return { host: HOST, port, tcpPort, uri, ...running };
}

interface Configured extends Required<Pick<MsrpRelayOptions, 'users' | 'backwards'>> {
  readonly port: number;
  readonly tls?: (CertificateFiles & { readonly port: number }) | undefined;
}

function configuration({ port, users, backwards, tls }: Configured): string {
  const secrets = Object.entries(users).map(
    ([name, secret]) => `  $sht(secret=>${name}) = "${secret}";`,
  );
  const own = `msrp${tls ? 's' : ''}://${HOST}:${tls?.port ?? port}`;
  return [
    HEAD,
    tls === undefined ? '' : tlsPart(tls),
    `listen=tcp:${HOST}:${port}`,
    backwards === 'reuse' ? '#!define WITH_REUSE' : '',
    MODULES,
    `event_route[htable:mod-init] {\n${secrets.join('\n')}\n}`,
    ROUTES,
  ]
    .join('\n')
    .replaceAll('REALM', RELAY_REALM)
    .replaceAll('OWN_ADDRESS', own)
    .replaceAll('MIN_EXPIRES', `${RELAY_EXPIRES.min}`)
    .replaceAll('MAX_EXPIRES', `${RELAY_EXPIRES.max}`);
}

function tlsPart(tls: CertificateFiles & { readonly port: number }): string {
  return `enable_tls=yes
listen=tls:${HOST}:${tls.port}
loadmodule "tls.so"
modparam("tls", "certificate", "${tls.certificate}")
modparam("tls", "private_key", "${tls.key}")
modparam("tls", "tls_method", "TLSv1.2+")`;
}

// An MSRP frame has no Content-Length, and chunks come faster than a slow peer takes them.
const HEAD = `#!KAMAILIO
debug=1
log_stderror=yes
children=1
tcp_children=2
auto_aliases=no
tcp_accept_no_cl=yes
tcp_connection_lifetime=3605
tcp_conn_wq_max=4194304`;

const MODULES = `
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "auth.so"
loadmodule "cfgutils.so"
loadmodule "htable.so"
loadmodule "msrp.so"
modparam("auth", "qop", "auth")
modparam("auth", "nonce_count", 1)
modparam("htable", "htable", "secret=>size=4;")
modparam("htable", "htable", "client=>size=8;autoexpire=MAX_EXPIRES;")
modparam("htable", "htable", "peer=>size=8;autoexpire=MAX_EXPIRES;")
request_route { drop; }`;

// RFC 4976 §6.4: a frame passes when it comes from the client that has this URI, or goes to it.
const ROUTES = `
event_route[msrp:frame-in] {
  msrp_reply_flags("1");
  # A response to a SEND ends at each hop; Kamailio tells nobody what it said.
  # One without a phrase is a request to it.
  if (msrp_is_reply() || $msrp(method) =~ "^[0-9]+$") exit;
  # $msrp(srcaddr) says msrps of all connections once TLS is loaded.
  $var(from) = "msrp://" + $si + ":" + $sp;
  if ($proto == "tls") $var(from) = "msrps://" + $si + ":" + $sp;
  if ($msrp(method) == "AUTH") route(AUTHENTICATE);
  else route(FORWARD);
}

route[AUTHENTICATE] {
  $var(secret) = "none" + $RANDOM + $RANDOM;
  if ($au != $null && $sht(secret=>$au) != $null) $var(secret) = $sht(secret=>$au);
  if (!pv_www_authenticate("REALM", "$var(secret)", "0", "AUTH")) {
    auth_get_www_authenticate("REALM", "1", "$var(challenge)");
    msrp_reply("401", "Unauthorized", "$var(challenge)");
    exit;
  }
  $var(expires) = MAX_EXPIRES;
  if ($hdr(Expires) != $null) $var(expires) = $(hdr(Expires){s.int});
  if ($var(expires) < MIN_EXPIRES) {
    msrp_reply("423", "Interval Out-of-Bounds", "Min-Expires: MIN_EXPIRES\\r\\n");
    exit;
  }
  if ($var(expires) > MAX_EXPIRES) {
    msrp_reply("423", "Interval Out-of-Bounds", "Max-Expires: MAX_EXPIRES\\r\\n");
    exit;
  }
  $var(id) = "s" + $RANDOM + "." + $RANDOM + "." + $RANDOM;
  $sht(client=>$var(id)) = $var(from);
  $sht(client=>$var(id)::uri) = $msrp(firsthop);
  $sht(client=>$var(id)::socket) = $msrp(srcsock);
  $shtex(client=>$var(id)) = $var(expires);
  $var(told) = "Use-Path: OWN_ADDRESS/" + $var(id) + ";tcp\\r\\n";
  $var(told) = $var(told) + "Expires: " + $var(expires) + "\\r\\n";
  msrp_reply("200", "OK", "$var(told)");
}

route[FORWARD] {
  $var(id) = $msrp(sessid);
  if ($sht(client=>$var(id)) == $null || $msrp(nexthops) < 1) route(REFUSE);
  $var(client) = $sht(client=>$var(id));
  if ($var(client) == $var(from)) route(OUTWARDS);
  if ($msrp(nexthop) != $sht(client=>$var(id)::uri)) route(REFUSE);
#!ifdef WITH_REUSE
  $sht(peer=>$msrp(prevhop)) = $var(from);
  $sht(peer=>$msrp(prevhop)::socket) = $msrp(srcsock);
#!endif
  route(ACCEPT);
  msrp_relay_flags("1");
  $var(socket) = $sht(client=>$var(id)::socket);
  msrp_set_dst("$var(client)", "$var(socket)");
  msrp_relay();
}

route[OUTWARDS] {
  route(ACCEPT);
  if ($sht(peer=>$msrp(nexthop)) != $null) {
    $var(address) = $sht(peer=>$msrp(nexthop));
    $var(socket) = $sht(peer=>$msrp(nexthop)::socket);
    msrp_relay_flags("1");
    msrp_set_dst("$var(address)", "$var(socket)");
  }
  msrp_relay();
  exit;
}

# RFC 4976 §6.4.1: at once, and for this hop alone; RFC 4975 §7.2: unless told not to.
route[ACCEPT] {
  if ($msrp(method) != "SEND") return;
  if ($hdr(Failure-Report) == "no" || $hdr(Failure-Report) == "partial") return;
  msrp_reply("200", "OK");
}

route[REFUSE] {
  if ($msrp(method) != "REPORT") msrp_reply("481", "No Such Session");
  exit;
}`;
