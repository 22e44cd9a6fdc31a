import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readPushOffer, renderPushAnswer } from '../../../src/adapters/ua/client-sdp.ts';
import { receivedMessage } from '../../../src/adapters/ua/received-message.ts';

const fixtures = new URL('../../../../shared/data/wire/', import.meta.url);
const present = existsSync(fixtures);
const skipped = present ? '' : ' (SKIPPED: the design fixtures at ../shared/data are not here)';
const read = (name: string) => readFileSync(new URL(`${name}.bin`, fixtures), 'latin1');
const bodyOf = (message: string) => message.slice(message.indexOf('\r\n\r\n') + 4);

describe.skipIf(!present)(`the client's view of the worked examples${skipped}`, () => {
  it('reads the offer of the push INVITE', () => {
    expect(readPushOffer(bodyOf(read('a5_INVITE_push')))).toEqual({
      path: ['msrp://192.0.2.50:2855/p7k2m4qx9w;tcp'],
      setup: 'actpass',
    });
  });

  it('answers like the 200 of the example, but for the owner of the session', () => {
    const answer = renderPushAnswer({
      host: '192.0.2.17',
      port: 7394,
      path: 'msrp://192.0.2.17:7394/2s93i9ek2a;tcp',
      setup: 'passive',
      maxSize: 1048576,
      origin: 2890844526,
    });
    const example = bodyOf(read('a6_200_INVITE')).replace('o=alice ', 'o=restante-ua ');
    expect(new TextDecoder().decode(answer)).toBe(example);
  });

  it('shows the text of a Large message without the frame around it', () => {
    const send = read('b10_MSRP_SEND_push');
    const body = bodyOf(send).slice(0, bodyOf(send).lastIndexOf('\r\n-------'));
    const message = receivedMessage(
      {
        messageId: 'm1',
        contentType: 'multipart/mixed;boundary="restante-81be02"',
        body: Uint8Array.from(body, (character) => character.charCodeAt(0)),
      },
      false,
    );
    expect(message).toMatchObject({ type: 'message/msrp', subject: 'minutes of the meeting' });
    expect(message.text).toHaveLength(3000);
    expect(message.text).toMatch(/^Item 001: .* every octet that$/s);
  });
});

describe('readPushOffer', () => {
  it.each([
    ['no SDP', ''],
    ['a disabled line', 'v=0\r\nm=message 0 TCP/MSRP *\r\na=path:msrp://h:1/s;tcp\r\n'],
    ['a path of another line', 'm=message 1 TCP/MSRP *\r\nm=audio 1 RTP/AVP 0\r\na=path:x\r\n'],
  ])('finds nothing to receive by in %s', (_what, sdp) => {
    expect(readPushOffer(sdp)).toBeUndefined();
  });
});

describe('a pushed body that is no encapsulation', () => {
  it('is shown as it is', () => {
    const body = new TextEncoder().encode('hello');
    const incoming = { messageId: 'm1', contentType: 'text/plain', body };
    expect(receivedMessage(incoming, true)).toEqual({
      messageId: 'm1',
      duplicate: true,
      fields: [],
      type: 'text/plain',
      inner: body,
      text: 'hello',
    });
  });
});
