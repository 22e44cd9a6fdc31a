/** The transport of the example: a subscriber's client that answers, receives and hangs up. */
import type { Input, Submit, Transports } from 'restante';

const text = new TextEncoder();
const MESSAGE = [
  'MESSAGE sip:alice@example.org SIP/2.0',
  'Via: SIP/2.0/TCP bob.example.org:5060;branch=z9hG4bK1',
  'Max-Forwards: 70',
  'From: <sip:bob@example.org>;tag=1',
  'To: <sip:alice@example.org>',
  'Call-ID: lunch@bob.example.org',
  'CSeq: 1 MESSAGE',
  'Content-Type: text/plain',
  'Content-Length: 12',
  '',
  'Lunch, noon?',
].join('\r\n');

export function phone(submit: Submit, said: (line: string) => void) {
  let hangUp: () => void = () => {};
  const hungUp = new Promise<void>((resolve) => {
    hangUp = resolve;
  });
  const tell = (stream: string, type: string, data: unknown): void => {
    void submit(stream, { type, at: Date.now(), data, cause: type });
  };
  const answer = {
    acceptable: true,
    path: ['msrp://192.0.2.17:7394/abc;tcp'],
    setup: 'passive',
    acceptTypes: ['multipart/mixed'],
    acceptWrappedTypes: ['message/sip', 'message/sipfrag'],
  };
  const dialog = { status: 200, toTag: 'a1', remoteTarget: 'sip:alice@192.0.2.17', routeSet: [] };
  const transports: Transports = {
    sip: {
      async sendInvite({ event }) {
        said('invited');
        tell(event.stream, 'InviteAnswered', { ...dialog, answer });
      },
      async sendPrack() {},
      async sendAck() {},
      async cancelInvite() {},
      async refreshSession() {},
      async sendBye({ event }) {
        said('bye');
        tell(event.stream, 'ByeAnswered', { status: 200 });
        hangUp();
      },
    },
    channels: {
      offer: () => ({ host: '192.0.2.50', port: 2855, sessionId: 'xyz' }),
      open: (_delivery, _end, on) => on.bound('192.0.2.17:7394'),
      async send(_delivery, { body: content }) {
        // A phone has little memory: it takes what is small enough to be there at once.
        const body = content instanceof Uint8Array ? content : undefined;
        said(
          `received ${new TextDecoder().decode(body).includes('Lunch, noon?') ? 'Lunch, noon?' : ''}`,
        );
        return { outcome: 'acknowledged' };
      },
      close: () => {},
    },
  };
  return {
    transports,
    hungUp,
    /** What came for a subscriber who is away. */
    message(): Input {
      const octets = text.encode(MESSAGE);
      const data = {
        id: `1@im1.example.org`,
        kind: 'message',
        bytes: octets.length,
        deposit: 'lunch',
      };
      return { type: 'MessageDeferred', at: Date.now(), data, cause: 'lunch', octets };
    },
    /** She is back. */
    registration(): Input {
      const expiresAt = Date.now() + 3_600_000;
      const binding = {
        contact: 'sip:alice@192.0.2.17',
        expiresAt,
        im: 'contact',
        callId: 'r',
        cseq: 1,
      };
      const data = { via: 'direct', bindings: [binding], expiresAt, asOf: 0 };
      return { type: 'SubscriberRegistered', at: Date.now(), data, cause: 'r 1' };
    },
  };
}
