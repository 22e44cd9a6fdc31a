/** One connection, over TCP or TLS, that carries MSRP sessions: framing, corking, backpressure, bounds. */
import type { Socket } from 'node:net';
import type { Clock } from '../../engine/ports.ts';
import { type FrameEvent, msrpFramer, type StreamEvent } from '../../wire/msrp/frame.ts';
import type { RequestHead } from '../../wire/msrp/head.ts';
import { renderResponse } from '../../wire/msrp/render.ts';
import type { MsrpSession } from '../../wire/msrp/session.ts';
import { frameJournal, type MsrpSignal } from './frame-journal.ts';
import { frameWatch } from './frame-watch.ts';
import type { EndpointLimits } from './limits.ts';
import { outbox } from './outbox.ts';
import type { Security } from './tls.ts';

export interface ConnectionOptions {
  readonly limits: EndpointLimits;
  readonly clock: Clock;
  /** Of a connection over TLS. */
  readonly security?: Security | undefined;
  readonly journal?: ((signal: MsrpSignal) => void) | undefined;
  /** The session that a URI names, when it is on this connection. */
  find(uri: string, connection: Connection): MsrpSession | undefined;
  /**
   * Decides on a request for a session that is not on this connection: attaches and returns it, or
   * says `wait` and calls `unpark` later, or gives the status to refuse with.
   */
  route(uri: string, connection: Connection): MsrpSession | 'wait' | 481 | 506;
  refused(refusal: { readonly reason: string; readonly section: string; remote: string }): void;
  closed(connection: Connection): void;
}

/** A session on a connection. */
export interface Member {
  readonly session: MsrpSession;
  /** Octets for it came at `now`. */
  heard(now: number): void;
}

export interface Connection {
  readonly security: Security | undefined;
  readonly local: string;
  readonly remote: string;
  /** Sessions bound to it. */
  readonly size: number;
  attach(member: Member): void;
  /** Lets a session go; the last one takes the connection along, once all is flushed. */
  detach(session: MsrpSession): void;
  /** `false`: the buffer is full; the session is told `drained`. */
  write(parts: readonly Uint8Array[], session?: MsrpSession): boolean;
  /** Whether it is the session's turn to write a chunk; if not, it is told `drained`. */
  ready(session: MsrpSession): boolean;
  /** The place of a parked request has changed; who has gone meanwhile takes no place. */
  unpark(): void;
  /** Reads on or not, by what is unanswered, unsent and unwritten. */
  regulate(): void;
  /** Closes once what was written is flushed; a peer that does not follow is cut off. */
  finish(): void;
  /** Cuts it at once. */
  destroy(reason: string): void;
}

export function msrpConnection(socket: Socket, options: ConnectionOptions): Connection {
  const { limits, clock } = options;
  const framer = msrpFramer(limits);
  const members = new Map<MsrpSession, Member>();
  const inbox: FrameEvent[] = [];
  let parked = false;
  /** Octets that came while it was parked: it is read on, or its end would not be noticed. */
  let parkedOctets = 0;
  let reason = 'the peer closed the connection';
  const local = address(socket.localAddress, socket.localPort);
  const remote = address(socket.remoteAddress, socket.remotePort);
  const transport = options.security ? 'tls' : 'tcp';
  const journal = frameJournal(options.journal, { transport, local, remote }, limits.wholeBytesMax);
  const out = outbox(socket, limits.queuedBytesMax);
  const watch = frameWatch({ frameMs: limits.frameMs, stretchBytes: limits.wholeBytesMax });
  /** Whose the body is that comes in pieces. */
  let streaming: MsrpSession | undefined;
  /** Who was found by this To-Path: frames in a row have the same, read once. */
  let found: { readonly path: readonly string[]; readonly session: MsrpSession } | undefined;
  let now = clock.now();

  function receive({ buffer, byteOffset, length }: Uint8Array): void {
    // Views of a Buffer cost more than those of a plain array, and there are many.
    const chunk = new Uint8Array(buffer, byteOffset, length);
    const events = framer.push(chunk);
    inbox.push(...events);
    if (parked) parkedOctets += chunk.length;
    now = clock.now();
    const inTime = watch.observe(events, framer.within, now);
    work();
    const { underway } = framer;
    if (underway && !parked && inbox.length === 0) begun(underway);
    if (!inTime) connection.destroy(`a frame took longer than ${limits.frameMs} ms`);
  }

  /** A body is coming in that is not worth telling of yet. */
  function begun(head: RequestHead): void {
    const session = sessionOf(head.toPath);
    if (session !== undefined) members.get(session)?.heard(now);
    else if (members.size === 0) {
      // A stranger's body is not waited for.
      const verdict = admit(head);
      if (verdict === 481 || verdict === 506) refuse(head, verdict);
    }
  }

  /** Of a body that was coming in, its session hears what came of it. */
  function cut(): void {
    const session = sessionOf(framer.underway?.toPath ?? []);
    if (session === undefined) return;
    for (const event of framer.cut()) {
      journal.streamed(event);
      deliver(event, session);
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
    switch (event.kind) {
      case 'refusal':
        refusal(event);
        return true;
      case 'frame': {
        const { frame } = event;
        if (frame.kind === 'response') response(event);
        else {
          const session = sessionFor(frame);
          if (session === 'wait') return false;
          journal.received(frame.octets);
          give(event, session, frame);
        }
        return true;
      }
      case 'begun': {
        const session = sessionFor(event.head);
        if (session === 'wait') return false;
        journal.streamed(event);
        give(event, session, event.head);
        return true;
      }
      default:
        more(event);
        return true;
    }
  }

  function give(event: FrameEvent, to: MsrpSession | 481 | 506, head: RequestHead): void {
    if (event.kind === 'begun') streaming = typeof to === 'number' ? undefined : to;
    if (typeof to === 'number') refuse(head, to);
    else deliver(event, to);
  }

  function more(event: Exclude<StreamEvent, { kind: 'begun' }>): void {
    journal.streamed(event);
    const session = streaming;
    if (event.kind === 'ended') streaming = undefined;
    if (session !== undefined) deliver(event, session);
  }

  function response(event: Extract<FrameEvent, { kind: 'frame' }>): void {
    const { toPath, octets } = event.frame;
    journal.received(octets);
    const session = sessionOf(toPath) ?? only();
    if (session !== undefined) deliver(event, session);
    else refused('a response outside any session', 'RFC 4975 §7.2');
  }

  function deliver(event: FrameEvent, session: MsrpSession): void {
    members.get(session)?.heard(now);
    session.receive(event);
  }

  function refusal(event: Extract<FrameEvent, { kind: 'refusal' }>): void {
    const session = sessionOf(event.answer?.toPath ?? []) ?? only();
    if (session === undefined || event.fatal) refused(event.reason, event.section);
    if (event.fatal || session === undefined) connection.destroy(event.reason);
    else deliver(event, session);
  }

  function sessionFor(head: RequestHead): MsrpSession | 'wait' | 481 | 506 {
    return sessionOf(head.toPath) ?? admit(head);
  }

  function admit({ toPath }: RequestHead): MsrpSession | 'wait' | 481 | 506 {
    const verdict = options.route(toPath[0] ?? '', connection);
    parked = verdict === 'wait';
    return verdict;
  }

  function sessionOf(path: readonly string[]): MsrpSession | undefined {
    if (found?.path === path) return found.session;
    const session = options.find(path[0] ?? '', connection);
    if (session !== undefined) found = { path, session };
    return session;
  }

  function only(): MsrpSession | undefined {
    const [first] = members.keys();
    return members.size === 1 ? first : undefined;
  }

  function refuse(head: RequestHead, status: 481 | 506): void {
    if (status === 481) refused('no such session', 'RFC 4975 §10.8');
    else refused('session in use', 'RFC 4975 §10.10');
    if (head.method !== 'REPORT' && head.failureReport !== 'no') {
      const toPath = head.fromPath.slice(0, 1);
      const fromPath = head.toPath.slice(0, 1);
      connection.write([renderResponse({ tid: head.tid, status, toPath, fromPath })]);
    }
    // Who is not bound gets one guess for each connection.
    if (members.size === 0) finish();
  }

  function refused(why: string, section: string): void {
    options.refused({ reason: why, section, remote });
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
    security: options.security,
    local,
    remote,
    get size() {
      return members.size;
    },
    attach(member) {
      members.set(member.session, member);
    },
    detach(session) {
      found = undefined;
      out.leave(session);
      if (members.delete(session) && members.size === 0) finish();
    },
    write(parts, session) {
      if (socket.destroyed || socket.writableEnded) return false;
      journal.sent(parts);
      return out.write(parts, session);
    },
    ready: (session) => out.ready(session),
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
      let unwritten = 0;
      for (const session of members.keys()) {
        unanswered += session.unanswered;
        unwritten += session.unwrittenBytes;
      }
      const enough =
        parkedOctets >= limits.parkedBytesMax ||
        unanswered >= limits.unansweredMax ||
        unwritten >= limits.unwrittenBytesMax ||
        socket.writableLength >= limits.unsentBytesMax;
      if (enough) socket.pause();
      else if (socket.isPaused()) {
        watch.restart(clock.now());
        socket.resume();
      }
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
  socket.on('drain', () => connection.regulate());
  socket.on('error', (error) => {
    reason = `the connection failed: ${error.message}`;
  });
  socket.on('close', () => {
    parked = false;
    inbox.length = 0;
    cut();
    journal.cut();
    for (const session of [...members.keys()]) session.disconnected(reason);
    members.clear();
    options.closed(connection);
  });
  return connection;
}

/** `host:port`, an IPv6 host in brackets. */
export function address(host: string | undefined, port: number | undefined): string {
  const name = host ?? '';
  return `${name.includes(':') ? `[${name}]` : name}:${port ?? 0}`;
}
