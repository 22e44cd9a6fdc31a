/** Our SUBSCRIBE for the package `reg` (RFC 3680 §4, RFC 6665 §4.1.2), first and refreshed. */
import { type Dialog, requestInDialog } from '../../../wire/sip/dialog.ts';
import type { Hop } from '../../../wire/sip/hop.ts';
import { renderSip } from '../../../wire/sip/message.ts';
import { REGINFO_TYPE } from '../../../wire/sip/reginfo.ts';
import type { OwnIdentity } from '../own-identity.ts';

export interface SubscribeRequest {
  readonly account: string;
  readonly callId: string;
  readonly localTag: string;
  readonly cseq: number;
  readonly expiresSeconds: number;
  readonly hop: Hop;
  readonly branch: string;
  /** Of a first SUBSCRIBE; within a dialog its route set counts. */
  readonly routes: readonly string[];
  readonly dialog: Dialog | undefined;
}

export function renderSubscribe(identity: OwnIdentity, request: SubscribeRequest): Uint8Array {
  const { account, callId, localTag, cseq, hop, branch, routes, dialog } = request;
  const via = `SIP/2.0/${hop.transport.toUpperCase()} ${hop.local}${hop.transport === 'udp' ? ';rport' : ''}`;
  const headers = [
    ['Contact', identity.contact(hop)],
    ['Event', 'reg'],
    ['Accept', REGINFO_TYPE],
    ['Expires', String(request.expiresSeconds)],
    // The core knows an application server by its identity (TS 24.229 §5.4.2.1.1).
    ['P-Asserted-Identity', `<${identity.imAddress}>`],
    ['User-Agent', identity.product],
  ] as const;
  if (dialog) return requestInDialog(dialog, { method: 'SUBSCRIBE', cseq, branch, via, headers });
  return renderSip({
    start: { kind: 'request', method: 'SUBSCRIBE', uri: account },
    headers: [
      ['Via', `${via};branch=${branch}`],
      ['Max-Forwards', '70'],
      ...routes.map((value) => ['Route', value] as const),
      ['From', `<${identity.imAddress}>;tag=${localTag}`],
      ['To', `<${account}>`],
      ['Call-ID', callId],
      ['CSeq', `${cseq} SUBSCRIBE`],
      ...headers,
    ],
  });
}
