import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { domainOf, freshToken, productOf, userOf } from './identity.ts';
import { type Delivery, pushDialogs, type ReceiverHooks } from './push-dialogs.ts';
import type { ReceivedMessage } from './received-message.ts';
import { openSipStack, type ServerAddress, type SipStack, type UaAnswer } from './sip-stack.ts';

export interface ReceiverOptions {
  readonly server: ServerAddress;
  /** Whose messages to fetch: a SIP URI. */
  readonly aor: string;
  /** IPv4 address that the server can reach; ports absent or 0: any. */
  readonly listen: { readonly host: string; readonly sipPort?: number; readonly msrpPort?: number };
  /** Default: an hour. */
  readonly expiresSeconds?: number;
  /** `passive` (default): the server connects. `active`: we do, as a client behind a NAT. */
  readonly setup?: 'active' | 'passive';
  readonly version?: string;
  readonly onMessage?: (message: ReceivedMessage) => void;
  readonly hooks?: ReceiverHooks;
}

export interface Receiver {
  /** Contact URI under which the client registered. */
  readonly contact: string;
  /** The final answer to the first REGISTER. */
  readonly registered: UaAnswer;
  /** Everything received so far, duplicates included. */
  readonly messages: readonly ReceivedMessage[];
  /** Registers again; 0 seconds deregisters. */
  register(expiresSeconds?: number): Promise<UaAnswer>;
  /** The oldest delivery not asked for yet; resolves when its BYE came. */
  delivery(): Promise<Delivery>;
  /** Closes every socket; deregister first if the server should know. */
  close(): void;
}

/**
 * A client that registers for IM and takes pushes: answers INVITEs, acknowledges every message,
 * answers BYE. Resolves when the REGISTER has its final answer, whatever that is.
 */
export async function receiver(options: ReceiverOptions): Promise<Receiver> {
  const { server, aor, listen, setup = 'passive', hooks = {}, onMessage } = options;
  const product = productOf(options.version);
  const mediaServer = createServer();
  mediaServer.listen(listen.msrpPort ?? 0, listen.host);
  await once(mediaServer, 'listening');
  const { port: mediaPort } = mediaServer.address() as AddressInfo;
  const stack = await openSipStack({
    server,
    listen: { host: listen.host, port: listen.sipPort ?? 0 },
    onRequest: (request) => dialogs.observe(request),
  }).catch((error: unknown) => {
    mediaServer.close();
    throw error;
  });
  const contact = `sip:${userOf(aor)}@${stack.host}:${stack.port};transport=${server.transport}`;
  const messages: ReceivedMessage[] = [];
  const deliveries = deliveryQueue();
  const dialogs = pushDialogs({
    media: { host: listen.host, port: mediaPort },
    setup,
    contact: `<${contact}>;+g.oma.sip-im`,
    product,
    hooks,
    respond: stack.respond,
    onMessage(message) {
      messages.push(message);
      onMessage?.(message);
    },
    onEnd: deliveries.put,
  });
  mediaServer.on('connection', dialogs.attach);
  const register = registration({ stack, aor, contact, product });
  const expiresSeconds = options.expiresSeconds ?? 3600;
  return {
    contact,
    registered: await register(expiresSeconds),
    messages,
    register: (seconds = expiresSeconds) => register(seconds),
    delivery: deliveries.take,
    close() {
      dialogs.close();
      mediaServer.close();
      stack.close();
    },
  };
}

function registration(client: {
  readonly stack: SipStack;
  readonly aor: string;
  readonly contact: string;
  readonly product: string;
}): (expiresSeconds: number) => Promise<UaAnswer> {
  const { stack, aor, contact, product } = client;
  // RFC 3261 §10.2: one Call-ID for all registrations of a client, CSeq counts on.
  const callId = freshToken();
  let cseq = 0;
  return (expiresSeconds) => {
    cseq += 1;
    return stack.request({
      method: 'REGISTER',
      uri: `sip:${domainOf(aor)}`,
      headers: {
        'max-forwards': '70',
        from: `<${aor}>;tag=${freshToken().slice(0, 8)}`,
        to: `<${aor}>`,
        'call-id': callId,
        cseq: `${cseq} REGISTER`,
        // RFC 3840 §6: the tags are repeated in every refresh, or they are lost.
        contact: `<${contact}>;+g.oma.sip-im;+g.oma.sip-im.large-message;expires=${expiresSeconds}`,
        expires: String(expiresSeconds),
        'user-agent': product,
      },
    });
  };
}

function deliveryQueue(): { put(delivery: Delivery): void; take(): Promise<Delivery> } {
  const ended: Delivery[] = [];
  const waiting: ((delivery: Delivery) => void)[] = [];
  return {
    put(delivery) {
      const next = waiting.shift();
      if (next === undefined) ended.push(delivery);
      else next(delivery);
    },
    take: () =>
      new Promise((resolve) => {
        const delivery = ended.shift();
        if (delivery === undefined) waiting.push(resolve);
        else resolve(delivery);
      }),
  };
}
