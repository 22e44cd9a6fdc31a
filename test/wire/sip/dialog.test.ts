import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  ackFor2xx,
  type Dialog,
  dialogFrom2xx,
  nextHopUri,
  requestInDialog,
} from '../../../src/wire/sip/dialog.ts';
import { ackForFailure, cancelFor } from '../../../src/wire/sip/invite-requests.ts';
import type { SipMessage } from '../../../src/wire/sip/message.ts';
import { readSip, request, requestOctets, response } from '../../controls/transaction-stage.ts';

const WIRE = new URL('../../../../shared/data/wire/', import.meta.url);
const fixtures = existsSync(WIRE);
if (!fixtures) console.warn(`SKIPPED: the dialog fixtures, for there is no ${WIRE.pathname}`);

const SENDER = { branch: 'z9hG4bKnew', via: 'SIP/2.0/TCP im.example.org:5060' };
const invite = request('INVITE', 'z9hG4bKi', {
  From: '<sip:im-store@example.org>;tag=us',
  Contact: '<sip:im-store@im.example.org>',
});

/** The 2xx to `invite` with these headers. */
function ok(headers: readonly (readonly [string, string])[]): SipMessage {
  return response(invite, 200, headers);
}

function sent(dialog: Dialog, method = 'BYE'): SipMessage {
  return readSip(requestInDialog(dialog, { ...SENDER, method, cseq: 2 }));
}

function headersOf(message: SipMessage): readonly (readonly [string, readonly string[]])[] {
  return message.fields.map(({ name }) => [name, message.all(name)] as const);
}

describe.skipIf(!fixtures)('the worked example', () => {
  const read = (name: string) => readSip(new Uint8Array(readFileSync(new URL(name, WIRE))));
  const dialog = () => dialogFrom2xx(read('a5_INVITE_push.bin'), read('a6_200_INVITE.bin'));

  test('ACK to the 2xx → as in the fixture [RFC 3261 §13.2.2.4]', () => {
    const ack = ackFor2xx(dialog(), { ...SENDER, branch: 'z9hG4bKim.0a92', cseq: 1 });
    expect(headersOf(readSip(ack))).toEqual(headersOf(read('a7_ACK.bin')));
    expect(ack).toEqual(read('a7_ACK.bin').octets);
  });

  test('BYE → as in the fixture [RFC 3261 §15.1.1]', () => {
    const bye = requestInDialog(dialog(), {
      ...SENDER,
      branch: 'z9hG4bKim.0a93',
      method: 'BYE',
      cseq: 2,
      headers: [['User-Agent', 'IM-serv/OMA1.0 restante/1.0']],
    });
    expect(headersOf(readSip(bye))).toEqual(headersOf(read('a10_BYE.bin')));
    expect(bye).toEqual(read('a10_BYE.bin').octets);
  });
});

describe('a dialog of the client', () => {
  test('is plain data: it survives JSON', () => {
    const dialog = dialogFrom2xx(invite, ok([['Contact', '<sip:a@192.0.2.9>']]));
    expect(JSON.parse(JSON.stringify(dialog))).toEqual(dialog);
    expect(dialog).toMatchObject({ role: 'uac', localTag: 'us', remoteTag: 'a1', localCseq: 1 });
  });

  test('Record-Routes of several lines → the route set reversed [RFC 3261 §12.1.2]', () => {
    const dialog = dialogFrom2xx(
      invite,
      ok([
        ['Record-Route', '<sip:p3.example.org;lr>, "a, b" <sip:p2.example.org;lr>;x=1'],
        ['Record-Route', '<sip:p1.example.org;lr>'],
        ['Contact', '<sip:a@192.0.2.9;transport=tcp>;expires=9'],
      ]),
    );
    expect(dialog.routeSet).toEqual([
      '<sip:p1.example.org;lr>',
      '"a, b" <sip:p2.example.org;lr>;x=1',
      '<sip:p3.example.org;lr>',
    ]);
    expect(nextHopUri(dialog)).toBe('sip:p1.example.org;lr');
    const bye = sent(dialog);
    expect(bye.all('route')).toEqual(dialog.routeSet);
    expect(bye.start).toMatchObject({ uri: 'sip:a@192.0.2.9;transport=tcp' });
  });

  test('a strict router first → it is the Request-URI, the target the last Route [RFC 3261 §12.2.1.1]', () => {
    const dialog = dialogFrom2xx(
      invite,
      ok([
        ['Record-Route', '<sip:p2.example.org;lr>, <sip:old.example.org?x=y>'],
        ['Contact', '<sip:a@192.0.2.9>'],
      ]),
    );
    const bye = sent(dialog);
    expect(bye.start).toMatchObject({ uri: 'sip:old.example.org' });
    expect(bye.all('route')).toEqual(['<sip:p2.example.org;lr>', '<sip:a@192.0.2.9>']);
    expect(nextHopUri(dialog)).toBe('sip:old.example.org?x=y');
  });

  test('a target with headers → they stay out of the Request-URI [RFC 3261 §19.1.1]', () => {
    const contact = '<sip:a?b@192.0.2.9;transport=tcp?subject=x&Route=%3Csip:h%3E>';
    const dialog = dialogFrom2xx(invite, ok([['Contact', contact]]));
    expect(sent(dialog).start).toMatchObject({ uri: 'sip:a?b@192.0.2.9;transport=tcp' });
  });

  test.each([
    ['no Contact', []],
    ['a star', [['Contact', '*']]],
    ['a broken one', [['Contact', '<sip:a@']]],
    ['one with an ideographic space', [['Contact', '<sip:a@192.0.2.9;x\u3000=y>']]],
    ['one with a byte order mark', [['Contact', '<sip:a\ufeff@192.0.2.9>']]],
    ['a Record-Route with one', [['Record-Route', '<sip:p\u3000@192.0.2.7>']]],
  ] as const)(
    '2xx with %s → the target stays: it is ACKed all the same [RFC 3261 §13.2.2.4]',
    (_, headers) => {
      const dialog = dialogFrom2xx(invite, ok(headers));
      expect(sent(dialog).start).toMatchObject({ uri: 'sip:alice@example.org' });
    },
  );
});

describe('requests of the INVITE’s own transaction', () => {
  const octets = requestOctets('INVITE', 'z9hG4bKi', {
    Route: '<sip:p1.example.org;lr>, <sip:p2.example.org;lr>',
    Require: 'timer',
    'Proxy-Require': 'x',
    CSeq: '5 INVITE',
  });

  test('CANCEL → the INVITE without Require and Proxy-Require [RFC 3261 §9.1]', () => {
    const cancel = readSip(cancelFor(octets) ?? new Uint8Array());
    const of = readSip(octets);
    expect(cancel.start).toEqual({ ...of.start, method: 'CANCEL' });
    for (const name of ['via', 'route', 'from', 'to', 'call-id']) {
      expect(cancel.all(name), name).toEqual(of.all(name));
    }
    expect(cancel.first('cseq')).toBe('5 CANCEL');
    expect([cancel.first('require'), cancel.first('proxy-require')]).toEqual([
      undefined,
      undefined,
    ]);
    expect(cancel.body).toHaveLength(0);
  });

  test('CANCEL of what is no INVITE → none', () => {
    expect(cancelFor(response(invite, 200).octets)).toBeUndefined();
    expect(cancelFor(requestOctets('MESSAGE', 'z9hG4bKm'))).toBeUndefined();
    expect(cancelFor(new Uint8Array(3))).toBeUndefined();
  });

  test('ACK to a failure → To of the response, Routes of the INVITE [RFC 3261 §17.1.1.3]', () => {
    const of = readSip(octets);
    const ack = readSip(ackForFailure(of, response(of, 486)));
    expect(ack.first('to')).toBe('<sip:alice@example.org>;tag=a1');
    expect(ack.all('route')).toEqual(of.all('route'));
    expect(ack.first('cseq')).toBe('5 ACK');
  });
});
