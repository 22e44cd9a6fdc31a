/** One TCP connection that carries MSRP sessions: framing, corking, backpressure, bounds. */
import type { Socket } from 'node:net';
import type { Clock } from '../../engine/ports.ts';
import { type FrameEvent, type MsrpRequest, msrpFramer } from '../../wire/msrp/frame.ts';
import { joinOctets, renderResponse } from '../../wire/msrp/render.ts';
import type { MsrpSession } from '../../wire/msrp/session.ts';
import { equalMsrpUris } from '../../wire/msrp/uri.ts';
import type { EndpointLimits } from './limits.ts';

export interface MsrpSignal {
  readonly direction: 'in' | 'out';
  readonly octets: Uint8Array;
  /** `host:port`, an IPv6 host in brackets. */
  readonly local: string;
  readonly remote: string;
}

export interface ConnectionOptions {
  readonly limits: EndpointLimits;
  readonly clock: Clock;
  readonly journal?: ((signal: MsrpSignal) => void) | undefined;
  /**
   * Decides on a request for a session that is not on this connection: attaches it and says
   * `attached`, or says `wait` and calls `unpark` later, or gives the status to refuse with.
   */
  route(uri: string, connection: Connection): 'attached' | 'wait' | 481 | 506;
  refused(refusal: { readonly reason: string; readonly section: string; remote: string }): void;
  closed(connection: Connection): void;
}

export interface Connection {
  readonly local: string;
  readonly remote: string;
  /** Sessions bound to it. */
  readonly size: number;
  attach(session: MsrpSession): void;
  /** Lets a session go; the last one takes the connection along, once all is flushed. */
  detach(session: MsrpSession): void;
  /** `false`: the buffer is full; sessions are told `drained`. */
  write(parts: readonly Uint8Array[]): boolean;
  /** The place of a parked request has changed; who has gone meanwhile takes no place. */
  unpark(): void;
  /** Reads on or not, by what is unanswered and unsent. */
  regulate(): void;
  /** Closes once what was written is flushed; a peer that does not follow is cut off. */
  finish(): void;
  /** Cuts it at once. */
  destroy(reason: string): void;
}

export function msrpConnection(socket: Socket, options: ConnectionOptions): Connection {
  const { limits, clock, journal } = options;
  const framer = msrpFramer(limits);
  const sessions = new Set<MsrpSession>();
  const inbox: FrameEvent[] = [];
  let parked = false;
  /** Octets that came while it was parked: it is read on, or its end would not be noticed. */
  let parkedOctets = 0;
  let corked = false;
  let full = false;
  let frameSince: number | undefined;
  let reason = 'the peer closed the connection';
  const local = address(socket.localAddress, socket.localPort);
  const remote = address(socket.remoteAddress, socket.remotePort);

  function receive(chunk: Uint8Array): void {
    const events = framer.push(chunk);
    inbox.push(...events);
    if (parked) parkedOctets += chunk.length;
    if (events.length > 0 || framer.pending === 0) frameSince = undefined;
    if (framer.pending > 0) frameSince ??= clock.now();
    work();
    const { underway } = framer;
    if (underway && !parked && inbox.length === 0 && sessions.size === 0) {
      // A stranger's body is not waited for.
      const verdict = admit(underway.toPath[0] ?? '');
      if (verdict === 481 || verdict === 506) refuse(underway, verdict);
    }
    if (frameSince !== undefined && clock.now() - frameSince > limits.frameMs) {
      connection.destroy(`a frame took longer than ${limits.frameMs} ms`);
    }
  }

  function work(): void {
    let taken = 0;
    while (!parked && taken < inbox.length) {
      const event = inbox[taken];
      if (event !== undefined && dispatch(event)) taken++;
    }
    inbox.splice(0, taken);
    connection.regulate();
  }

  /** `false`: the event stays in the inbox until its session is known. */
  function dispatch(event: FrameEvent): boolean {
    if (event.kind === 'refusal') return refusal(event);
    const { frame } = event;
    const [uri = ''] = frame.toPath;
    const session = sessionOf(uri) ?? (frame.kind === 'response' ? only() : undefined);
    if (session === undefined && frame.kind === 'request') {
      const verdict = admit(uri);
      if (verdict === 'wait') return false;
      if (verdict === 'attached') return dispatch(event);
      record('in', frame.octets);
      refuse(frame, verdict);
      return true;
    }
    record('in', frame.octets);
    if (session !== undefined) session.receive(event);
    else refused('a response outside any session', 'RFC 4975 §7.2');
    return true;
  }

  function refusal(event: Extract<FrameEvent, { kind: 'refusal' }>): true {
    const session = sessionOf(event.answer?.toPath[0] ?? '') ?? only();
    if (session === undefined || event.fatal) refused(event.reason, event.section);
    if (event.fatal || session === undefined) connection.destroy(event.reason);
    else session.receive(event);
    return true;
  }

  function admit(uri: string): 'attached' | 'wait' | 481 | 506 {
    const verdict = options.route(uri, connection);
    parked = verdict === 'wait';
    return verdict;
  }

  type Unwanted = Pick<MsrpRequest, 'method' | 'tid' | 'fromPath' | 'toPath' | 'failureReport'>;

  function refuse(frame: Unwanted, status: 481 | 506): void {
    refused(status === 481 ? 'no such session' : 'session in use', `RFC 4975 §10.${status - 474}`);
    if (frame.method !== 'REPORT' && frame.failureReport !== 'no') {
      const { tid } = frame;
      const toPath = frame.fromPath.slice(0, 1);
      connection.write([
        renderResponse({ tid, status, toPath, fromPath: frame.toPath.slice(0, 1) }),
      ]);
    }
    // Who is not bound gets one guess for each connection.
    if (sessions.size === 0) finish();
  }

  function refused(why: string, section: string): void {
    options.refused({ reason: why, section, remote });
  }

  function sessionOf(uri: string): MsrpSession | undefined {
    for (const session of sessions) if (equalMsrpUris(session.localUri, uri)) return session;
    return undefined;
  }

  function only(): MsrpSession | undefined {
    const [first] = sessions;
    return sessions.size === 1 ? first : undefined;
  }

  function record(direction: 'in' | 'out', octets: Uint8Array): void {
    journal?.({ direction, octets, local, remote });
  }

  function uncork(): void {
    corked = false;
    socket.uncork();
  }

  function finish(): void {
    reason = 'closed';
    inbox.length = 0;
    if (socket.destroyed || socket.writableEnded) return;
    socket.end();
    const cancel = clock.timer(limits.closeMs, () => socket.destroy());
    socket.once('close', cancel);
  }

  const connection: Connection = {
    local,
    remote,
    get size() {
      return sessions.size;
    },
    attach(session) {
      sessions.add(session);
    },
    detach(session) {
      if (sessions.delete(session) && sessions.size === 0) finish();
    },
    write(parts) {
      if (socket.destroyed || socket.writableEnded) return false;
      if (journal !== undefined) record('out', joinOctets(parts));
      if (!corked) {
        // What one turn of the event loop has to say goes out in one write.
        corked = true;
        socket.cork();
        setImmediate(uncork);
      }
      for (const part of parts) socket.write(part);
      full = socket.writableLength >= limits.unsentBytesMax;
      return !full;
    },
    unpark() {
      if (!parked) return;
      parked = false;
      parkedOctets = 0;
      // `end` came, or the connection is closed already.
      if (!socket.readable) inbox.length = 0;
      work();
    },
    regulate() {
      let unanswered = 0;
      for (const session of sessions) unanswered += session.unanswered;
      const enough = parkedOctets >= limits.parkedBytesMax || unanswered >= limits.unansweredMax;
      if (full || enough) socket.pause();
      else if (socket.isPaused()) socket.resume();
    },
    finish,
    destroy(why) {
      reason = why;
      socket.destroy();
    },
  };

  socket.setNoDelay(true);
  socket.setKeepAlive(true);
  socket.on('data', receive);
  socket.on('drain', () => {
    full = false;
    for (const session of sessions) session.drained();
    connection.regulate();
  });
  socket.on('error', (error) => {
    reason = `the connection failed: ${error.message}`;
  });
  socket.on('close', () => {
    parked = false;
    inbox.length = 0;
    for (const session of [...sessions]) session.disconnected(reason);
    sessions.clear();
    options.closed(connection);
  });
  return connection;
}

/** `host:port`, an IPv6 host in brackets. */
export function address(host: string | undefined, port: number | undefined): string {
  const name = host ?? '';
  return `${name.includes(':') ? `[${name}]` : name}:${port ?? 0}`;
}
